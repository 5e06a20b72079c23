// SPDX-License-Identifier: Apache-2.0
#include "plugin/instance_core.hpp"

#include <fmt/format.h>

namespace detent {
namespace {

PluginCall::Target target_kind(PluginKind kind, std::uint32_t role) {
  if (role == DETENT_ROLE_ACTIVATION) return PluginCall::Target::layer;
  return kind == PluginKind::serializer ? PluginCall::Target::file : PluginCall::Target::tensor;
}

}  // namespace

InstanceCore::InstanceCore(const Plugin& plugin, PluginKind kind, ThreadPool& pool,
                           const InstanceConfig& config)
    : InstanceCore(plugin, plugin.code(), kind, pool, config) {}

InstanceCore::InstanceCore(const Plugin& plugin, PluginCode code, PluginKind kind, ThreadPool& pool,
                           const InstanceConfig& config)
    : library_(std::move(code.library)),
      vtbl_(code.vtbl),
      pool_(&pool),
      site_{to_string(kind), plugin.id, config.target, target_kind(kind, config.role)} {
  if (plugin.kind != kind || library_ == nullptr || vtbl_ == nullptr) {
    throw Error(ErrorCode::unexpected,
                fmt::format("\"{}\" is not a loaded {}", plugin.id, to_string(kind)));
  }
  library_->start(pool);
}

PluginCall InstanceCore::site_on(const std::string& tensor) const {
  return {site_.kind, site_.id, tensor, PluginCall::Target::tensor};
}

void InstanceCore::create_with(const InstanceConfig& config, const Create& create) const {
  const Params params(config.params);
  const detent_config given{
      sizeof given,          params.c(),
      params.text().c_str(), params.text().size(),
      config.target.c_str(), config.qspec != nullptr ? config.qspec->c() : nullptr,
      config.role,           0};
  const Operation operation{"create", Operation::Params::bad_config};
  call(operation, [&](const detent_call* c) { return create(library_->host(), c, &given); });
}

}  // namespace detent
