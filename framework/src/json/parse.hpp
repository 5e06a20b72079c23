// SPDX-License-Identifier: Apache-2.0
// json::parse: strict JSON text to json::Value. The only files that know Boost.JSON.
#pragma once
#include <stdexcept>
#include <string>
#include <string_view>

#include "json/value.hpp"

namespace detent::json {

struct ParseOptions {
  bool comments_and_trailing_commas = false;
  std::size_t max_depth = 64;
};

class ParseError : public std::runtime_error {
 public:
  ParseError(const std::string& message, Position position)
      : std::runtime_error(message), position_(position) {}
  Position position() const noexcept { return position_; }

 private:
  Position position_;
};

// Refused besides what the grammar refuses: duplicate keys, numbers beyond the range of a double,
// invalid UTF-8, text after the document, more levels than max_depth. Doubles are correctly
// rounded.
//
// Errors  ParseError with the place of the mistake
Value parse(std::string_view text, const ParseOptions& options = {});

}  // namespace detent::json
