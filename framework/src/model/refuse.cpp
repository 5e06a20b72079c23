// SPDX-License-Identifier: Apache-2.0
#include "model/refuse.hpp"

#include <utility>

#include "base/error.hpp"
#include "base/text.hpp"

namespace detent {

void refuse(const std::string& file, std::string message, std::string hint,
            std::string_view tensor) {
  throw Error(ErrorCode::io, std::move(message), std::move(hint),
              {.file = printable(file), .tensor = shortened(tensor, 200)});
}

void refuse_json(const std::string& file, const json::ParseError& error) {
  refuse_json(file, error.position(), shortened(error.what(), 400));
}

void refuse_json(const std::string& file, json::Position position, std::string message,
                 std::string hint) {
  throw Error(ErrorCode::io, std::move(message), std::move(hint),
              {.file = printable(file), .line = position.line, .column = position.column});
}

std::string shown(std::string_view name) { return '"' + shortened(name, 200) + '"'; }

std::string shortened(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return printable(text);
  while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xC0U) == 0x80U) --limit;
  return printable(text.substr(0, limit)) + "...";
}

}  // namespace detent
