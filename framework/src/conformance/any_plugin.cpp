// SPDX-License-Identifier: Apache-2.0
#include "conformance/any_plugin.hpp"

#include "conformance/observer_driver.hpp"

namespace detent::conformance {
namespace {

template <class Vtbl, class Handle>
std::int32_t create_with(const void* vtbl, const detent_host* host, const detent_call* call,
                         const detent_config* config, void** out) {
  Handle* made = nullptr;
  const std::int32_t status = static_cast<const Vtbl*>(vtbl)->create(host, call, config, &made);
  expect_instance_or_refusal(status, made != nullptr);
  *out = made;
  return status;
}

template <class Vtbl, class Handle>
void destroy_with(const void* vtbl, void* handle) {
  static_cast<const Vtbl*>(vtbl)->destroy(static_cast<Handle*>(handle));
}

}  // namespace

void expect_instance_or_refusal(std::int32_t status, bool has_instance) {
  expect((status == DETENT_OK) == has_instance, "create returned {} and {} *out",
         status_name(status), has_instance ? "set" : "did not set");
}

std::int32_t AnyPlugin::create(Configuration& configuration) {
  destroy();
  subject_.start();
  const detent_plugin& p = subject_.plugin();
  return world_.call("create", [&](const detent_call* call) {
    const detent_host* host = world_.host();
    const detent_config* config = configuration.c();
    switch (p.kind) {
      case DETENT_KIND_OBSERVER:
        return create_with<detent_observer_vtbl, detent_observer>(p.vtbl, host, call, config,
                                                                  &handle_);
      case DETENT_KIND_QUANTIZER:
        return create_with<detent_quantizer_vtbl, detent_quantizer>(p.vtbl, host, call, config,
                                                                    &handle_);
      case DETENT_KIND_SERIALIZER:
        return create_with<detent_serializer_vtbl, detent_serializer>(p.vtbl, host, call, config,
                                                                      &handle_);
      default:
        return create_with<detent_validator_vtbl, detent_validator>(p.vtbl, host, call, config,
                                                                    &handle_);
    }
  });
}

void AnyPlugin::destroy() {
  if (handle_ == nullptr) return;
  const detent_plugin& p = subject_.plugin();
  if (p.kind == DETENT_KIND_OBSERVER)
    destroy_with<detent_observer_vtbl, detent_observer>(p.vtbl, handle_);
  if (p.kind == DETENT_KIND_QUANTIZER)
    destroy_with<detent_quantizer_vtbl, detent_quantizer>(p.vtbl, handle_);
  if (p.kind == DETENT_KIND_SERIALIZER)
    destroy_with<detent_serializer_vtbl, detent_serializer>(p.vtbl, handle_);
  if (p.kind == DETENT_KIND_VALIDATOR)
    destroy_with<detent_validator_vtbl, detent_validator>(p.vtbl, handle_);
  handle_ = nullptr;
}

std::int32_t AnyPlugin::try_create(std::uint32_t role) {
  return try_create(role, subject_.params(role));
}

std::int32_t AnyPlugin::try_create(std::uint32_t role, const json::Object& params) {
  if (subject_.plugin().kind != DETENT_KIND_OBSERVER) {
    Configuration configuration(params, role, nullptr, world_.minor());
    return create(configuration);
  }
  std::int32_t status = DETENT_E_UNSUPPORTED;
  for (const Target& target : all_targets()) {
    Configuration configuration(params, role, &target.spec, world_.minor());
    status = create(configuration);
    if (status == DETENT_OK) break;
  }
  return status;
}

std::int32_t AnyPlugin::try_create(const detent_params& hostile) {
  Configuration configuration(
      subject_.params(DETENT_ROLE_WEIGHT), DETENT_ROLE_WEIGHT,
      subject_.plugin().kind == DETENT_KIND_OBSERVER ? &all_targets().front().spec : nullptr);
  configuration.set_params(&hostile);
  return create(configuration);
}

}  // namespace detent::conformance
