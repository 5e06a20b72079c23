// SPDX-License-Identifier: Apache-2.0
// Every place of a configuration that names a plugin.
#pragma once
#include <string_view>
#include <vector>

#include "config/config.hpp"

namespace detent {

template <class Use>  // PluginUse or const PluginUse
struct NamedPlugin {
  Use* use;
  PluginKind kind;
  std::string_view role;  // "weight", "activation" or ""
};

// In the order of the document. Config may be const.
template <class AnyConfig>
auto plugin_uses(AnyConfig& config) {
  using Use = std::remove_reference_t<decltype(config.validators[0])>;
  std::vector<NamedPlugin<Use>> uses;
  const auto add_scheme = [&](auto& scheme, std::string_view role) {
    if (!scheme) return;
    if (scheme->observer) uses.push_back({&*scheme->observer, PluginKind::observer, role});
    uses.push_back({&scheme->quantizer, PluginKind::quantizer, role});
  };
  for (auto& rule : config.rules) {
    add_scheme(rule.weight, "weight");
    add_scheme(rule.activation, "activation");
  }
  for (auto& output : config.outputs)
    uses.push_back({&output.serializer, PluginKind::serializer, ""});
  for (auto& validator : config.validators) uses.push_back({&validator, PluginKind::validator, ""});
  return uses;
}

}  // namespace detent
