// SPDX-License-Identifier: Apache-2.0
// The built plugins, and a pool for them.
#pragma once
#include "plugin/registry.hpp"

namespace detent::test {

inline const Plugin& built_in(PluginKind kind, const std::string& id) {
  static const Registry registry = Registry::scan({{DETENT_TEST_PLUGINS, "--plugin-path", false}});
  return registry.get(kind, id);
}

inline ThreadPool& pool() {
  static ThreadPool one(1);
  return one;
}

}  // namespace detent::test
