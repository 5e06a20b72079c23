// SPDX-License-Identifier: Apache-2.0
// A plugin as it is, but for its table of functions.
#pragma once
#include <memory>

#include "plugin/plugin.hpp"

namespace detent::test {

// The table has to outlive it.
inline std::shared_ptr<const PluginSource> with_table(const Plugin& plugin, const void* table) {
  struct OtherTable : PluginSource {
    PluginCode given;
    PluginCode code(std::size_t) const override { return given; }
  };
  const auto source = std::make_shared<OtherTable>();
  source->given = {plugin.code().library, table};
  return source;
}

}  // namespace detent::test
