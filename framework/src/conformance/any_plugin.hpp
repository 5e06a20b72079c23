// SPDX-License-Identifier: Apache-2.0
// AnyPlugin: what the four kinds have in common, create and destroy.
#pragma once
#include <cstdint>
#include <detent/abi.h>

#include "conformance/subject.hpp"
#include "conformance/world.hpp"
#include "json/value.hpp"

namespace detent::conformance {

// create sets *out exactly when it succeeds. Throws Failure.
void expect_instance_or_refusal(std::int32_t status, bool has_instance);

class AnyPlugin {
 public:
  AnyPlugin(Subject& subject, World& world) : subject_(subject), world_(world) {}
  ~AnyPlugin() { destroy(); }
  AnyPlugin(const AnyPlugin&) = delete;
  AnyPlugin& operator=(const AnyPlugin&) = delete;

  // Replaces the instance. Observers are made for the first target that they do not refuse with
  // DETENT_E_UNSUPPORTED.
  std::int32_t try_create(std::uint32_t role);
  std::int32_t try_create(std::uint32_t role, const json::Object& params);
  // With parameters that answer whatever they like.
  std::int32_t try_create(const detent_params& hostile);
  void destroy();

 private:
  std::int32_t create(Configuration& configuration);

  Subject& subject_;
  World& world_;
  void* handle_ = nullptr;
};

}  // namespace detent::conformance
