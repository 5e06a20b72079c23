// SPDX-License-Identifier: Apache-2.0
// Observers' states as somebody could have forged them, and that they are refused.
#pragma once
#include <string>

#include "support/catch.hpp"
#include "support/mini_host.hpp"

namespace detent::test {

// The bytes with this value at this place.
template <class T>
std::string with(std::string bytes, std::size_t at, T value) {
  return bytes.replace(at, sizeof value, reinterpret_cast<const char*>(&value), sizeof value);
}

// fresh: the state of an observer that has seen nothing.
inline void check_refused(Observer& observer, const std::string& bytes, const std::string& fresh) {
  CHECK(observer.try_load(bytes) == DETENT_E_BAD_STATE);
  CHECK(observer.save() == fresh);  // as after reset
}

}  // namespace detent::test
