// SPDX-License-Identifier: Apache-2.0
// Text for people and for matching names.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace detent {

// The candidate with the smallest edit distance, when it is near enough to be a typing mistake
// (distance at most 1 + length/3); otherwise empty. Ids are compared as normalised names.
std::string nearest_name(std::string_view name, const std::vector<std::string>& candidates);

// Lower case, without '_' and '-': how plugin names are compared.
std::string normalise_name(std::string_view name);

// fnmatch-like: '*' any run (dots too), '?' one character, "[abc]" and "[!a-z]" a class.
// A pattern without these is an exact name.
bool glob_match(std::string_view pattern, std::string_view text);

// "90.9 MB", "512 B": decimal units, three significant digits.
std::string human_bytes(std::uint64_t bytes);

// "1,234,567"
std::string grouped(std::uint64_t number);

// For a terminal: control characters, escape sequences and bidirectional overrides of hostile names
// become \xNN or \u{NNNN}.
std::string printable(std::string_view text);

// "a, b and c"
std::string join_words(const std::vector<std::string>& words);

}  // namespace detent
