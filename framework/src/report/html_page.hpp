// SPDX-License-Identifier: Apache-2.0
// What every page shares: escaping, and the frame with its style.
#pragma once
#include <string>
#include <string_view>

namespace detent {

// For text and attributes; control characters are made visible.
std::string html_escape(std::string_view text);

// The same line by line: for text of our own making in <pre>.
std::string html_escape_lines(std::string_view text);

// A whole document. body is HTML already. The policy in its head allows nothing from outside.
std::string html_page(std::string_view title, const std::string& body);

}  // namespace detent
