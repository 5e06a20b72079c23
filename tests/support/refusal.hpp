// SPDX-License-Identifier: Apache-2.0
// refusal: what an error says to people.
#pragma once
#include <functional>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "support/catch.hpp"

namespace detent::test {

// The text of the error of this code that the work ends in; "no error" when it ends well.
inline std::string refusal(const std::function<void()>& work, ErrorCode code) {
  try {
    work();
  } catch (const Error& e) {
    CHECK(e.code() == code);
    return e.what();
  }
  return "no error";
}

inline bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != text.npos;
}

}  // namespace detent::test
