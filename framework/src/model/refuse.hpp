// SPDX-License-Identifier: Apache-2.0
// refuse: how the readers of models say no to a file.
#pragma once
#include <string>
#include <string_view>

#include "json/parse.hpp"

namespace detent {

// Throws Error{io}. A message about a tensor begins with its name: see shown().
[[noreturn]] void refuse(const std::string& file, std::string message, std::string hint = {},
                         std::string_view tensor = {});

// The same for a text file that is not the JSON it should be, with line and column.
[[noreturn]] void refuse_json(const std::string& file, const json::ParseError& error);
[[noreturn]] void refuse_json(const std::string& file, json::Position position, std::string message,
                              std::string hint = {});

// A name of the file in quotation marks, harmless to a terminal and cut after 200 bytes.
std::string shown(std::string_view name);
// The same without quotation marks, cut after limit bytes.
std::string shortened(std::string_view text, std::size_t limit);

}  // namespace detent
