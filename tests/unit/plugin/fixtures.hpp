// SPDX-License-Identifier: Apache-2.0
// What the tests of this folder share: the fixtures' folders and what a scan says of them.
#pragma once
#include <algorithm>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "plugin/instance.hpp"
#include "plugin/registry.hpp"
#include "support/catch.hpp"
#include "support/refusal.hpp"

namespace detent::test {

inline std::filesystem::path fixture_folder(const std::string& scenario) {
  return std::filesystem::path(DETENT_FIXTURES) / scenario;
}

inline SearchFolder search(const std::filesystem::path& folder) {
  return {folder, "--plugin-path", false};
}

inline Registry scan(const std::string& scenario) {
  return Registry::scan({search(fixture_folder(scenario))});
}

// The reason of the one problem of a scan; a text that no test expects when there is not one.
inline std::string only_problem(const Registry& registry) {
  if (registry.problems().size() != 1) return "(not one problem)";
  return registry.problems()[0].reason;
}

// Runs f and gives the Error that it throws.
template <class F>
Error error_of(F f) {
  try {
    f();
  } catch (const Error& e) {
    return e;
  }
  FAIL("nothing was thrown");
  throw;  // FAIL does not return
}

// The plugins of fixtures/library.cpp, loaded once.
inline const Registry& good() {
  static const Registry registry = scan("good");
  return registry;
}

inline InstanceConfig with_mode(const std::string& mode, const std::string& target = "fc1.weight") {
  InstanceConfig config;
  config.params.set("mode", json::Value(mode));
  config.target = target;
  config.role = DETENT_ROLE_WEIGHT;
  return config;
}

}  // namespace detent::test
