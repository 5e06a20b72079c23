// SPDX-License-Identifier: Apache-2.0
// PlanRecord: what a quantizer's plan says, to be said once more to the host.
#pragma once
#include <cstdint>
#include <detent/abi.h>

#include "base/byte_stream.hpp"
#include "isolate/protocol.hpp"
#include "plugin/plan_sink.hpp"

namespace detent::isolate {

// Answers as the host's sink does, which it has one of.
class PlanRecord {
 public:
  PlanRecord(std::size_t ndim, std::uint32_t role);
  PlanRecord(const PlanRecord&) = delete;
  PlanRecord& operator=(const PlanRecord&) = delete;

  const detent_plan_sink* c() const { return &sink_; }
  void write(ByteWriter& out) const;

 private:
  static std::int32_t DETENT_CALL target(const detent_plan_sink*, const detent_qspec*) noexcept;
  static std::int32_t DETENT_CALL output(const detent_plan_sink*, const detent_tensor_spec*,
                                         std::uint32_t) noexcept;
  static std::int32_t DETENT_CALL decline(const detent_plan_sink*, const char*) noexcept;
  static std::int32_t DETENT_CALL require_stat(const detent_plan_sink*, const char*,
                                               const char*) noexcept;
  static std::int32_t DETENT_CALL memory(const detent_plan_sink*, std::uint64_t) noexcept;
  static std::int32_t DETENT_CALL warn(const detent_plan_sink*, const char*, const char*) noexcept;
  static std::int32_t DETENT_CALL meta(const detent_plan_sink*, const char*, const char*) noexcept;
  template <class F>
  static std::int32_t record(const detent_plan_sink* sink, PlanWord word, F&& f) noexcept;

  PlanSink checked_;
  detent_plan_sink sink_{};
  std::uint64_t calls_ = 0;
  ByteWriter said_;
};

}  // namespace detent::isolate
