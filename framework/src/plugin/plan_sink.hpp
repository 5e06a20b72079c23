// SPDX-License-Identifier: Apache-2.0
// PlanSink: collects what a quantizer's plan says, and notes what it must not say.
#pragma once
#include <string>

#include "plugin/instance.hpp"

namespace detent {

class PlanSink {
 public:
  // Of a tensor of this shape; ndim limits the axis of a per-channel target.
  PlanSink(std::size_t ndim, std::uint32_t role);
  PlanSink(const PlanSink&) = delete;
  PlanSink& operator=(const PlanSink&) = delete;

  const detent_plan_sink* c() const { return &sink_; }
  // The first mistake, or what is missing at the end; empty when the answer is whole.
  const std::string& mistake() const { return mistake_; }
  // The mistake is that it asked for something that the contract allows and this host lacks.
  bool is_unsupported() const { return unsupported_; }
  void check_whole();
  QuantizerPlan take() { return std::move(plan_); }

 private:
  template <class F>
  static std::int32_t guarded(const detent_plan_sink* sink, F f) noexcept;
  static std::int32_t DETENT_CALL target(const detent_plan_sink*, const detent_qspec*) noexcept;
  static std::int32_t DETENT_CALL output(const detent_plan_sink*, const detent_tensor_spec*,
                                         std::uint32_t bound) noexcept;
  static std::int32_t DETENT_CALL decline(const detent_plan_sink*, const char* reason) noexcept;
  static std::int32_t DETENT_CALL require_stat(const detent_plan_sink*, const char* stat,
                                               const char* tensor) noexcept;
  static std::int32_t DETENT_CALL memory(const detent_plan_sink*, std::uint64_t bytes) noexcept;
  static std::int32_t DETENT_CALL warn(const detent_plan_sink*, const char* code,
                                       const char* message) noexcept;
  static std::int32_t DETENT_CALL meta(const detent_plan_sink*, const char* key,
                                       const char* value_json) noexcept;
  std::string wrong_in_target(const detent_qspec& spec) const;

  std::size_t ndim_;
  std::uint32_t role_;
  detent_plan_sink sink_{};
  QuantizerPlan plan_;
  std::string mistake_;
  bool unsupported_ = false;
};

}  // namespace detent
