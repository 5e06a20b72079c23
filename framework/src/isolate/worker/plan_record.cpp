// SPDX-License-Identifier: Apache-2.0
#include "isolate/worker/plan_record.hpp"

#include <algorithm>
#include <cstring>

#include "isolate/worker/results.hpp"

namespace detent::isolate {
namespace {

constexpr std::uint64_t kMostCalls = 4096;  // what comes then is refused, here and there
constexpr std::size_t kMostText = 65536;    // more than the host's sink looks at

void put_text(ByteWriter& out, const char* text) {
  out.number(text != nullptr ? 1 : 0);
  if (text != nullptr) out.text({text, ::strnlen(text, kMostText)});
}

}  // namespace

PlanRecord::PlanRecord(std::size_t ndim, std::uint32_t role) : checked_(ndim, role) {
  sink_ = {sizeof sink_, this, target, output, decline, require_stat, memory, warn, meta};
}

template <class F>
std::int32_t PlanRecord::record(const detent_plan_sink* sink, PlanWord word, F&& f) noexcept {
  auto& self = *static_cast<PlanRecord*>(sink->ctx);
  try {
    ByteWriter scratch;
    ByteWriter& out = self.calls_ < kMostCalls ? self.said_ : scratch;
    if (self.calls_ < kMostCalls) ++self.calls_;
    out.number(static_cast<std::uint64_t>(word));
    return f(out, self.checked_.c());
  } catch (...) {
    return DETENT_E_NO_MEMORY;
  }
}

std::int32_t DETENT_CALL PlanRecord::target(const detent_plan_sink* sink,
                                            const detent_qspec* spec) noexcept {
  return record(sink, PlanWord::target, [&](ByteWriter& out, const detent_plan_sink* checked) {
    out.number(spec != nullptr ? 1 : 0);
    if (spec != nullptr) {
      const std::uint64_t size = std::min<std::uint64_t>(spec->struct_size, sizeof *spec);
      out.text({reinterpret_cast<const char*>(spec), std::max<std::uint64_t>(size, 8)});
      put_text(out, DETENT_HAS(spec, detent_qspec, scheme) ? spec->scheme : nullptr);
    }
    return checked->target(checked, spec);
  });
}

std::int32_t DETENT_CALL PlanRecord::output(const detent_plan_sink* sink,
                                            const detent_tensor_spec* spec,
                                            std::uint32_t bound) noexcept {
  return record(sink, PlanWord::output, [&](ByteWriter& out, const detent_plan_sink* checked) {
    put_spec(out, spec);
    out.number(bound);
    return checked->output(checked, spec, bound);
  });
}

std::int32_t DETENT_CALL PlanRecord::decline(const detent_plan_sink* sink,
                                             const char* reason) noexcept {
  return record(sink, PlanWord::decline, [&](ByteWriter& out, const detent_plan_sink* checked) {
    put_text(out, reason);
    return checked->decline(checked, reason);
  });
}

std::int32_t DETENT_CALL PlanRecord::require_stat(const detent_plan_sink* sink, const char* stat,
                                                  const char* tensor) noexcept {
  return record(sink, PlanWord::require_stat,
                [&](ByteWriter& out, const detent_plan_sink* checked) {
                  put_text(out, stat);
                  put_text(out, tensor);
                  return checked->require_stat(checked, stat, tensor);
                });
}

std::int32_t DETENT_CALL PlanRecord::memory(const detent_plan_sink* sink,
                                            std::uint64_t bytes) noexcept {
  return record(sink, PlanWord::memory, [&](ByteWriter& out, const detent_plan_sink* checked) {
    out.number(bytes);
    return checked->memory(checked, bytes);
  });
}

std::int32_t DETENT_CALL PlanRecord::warn(const detent_plan_sink* sink, const char* code,
                                          const char* message) noexcept {
  return record(sink, PlanWord::warn, [&](ByteWriter& out, const detent_plan_sink* checked) {
    put_text(out, code);
    put_text(out, message);
    return checked->warn(checked, code, message);
  });
}

std::int32_t DETENT_CALL PlanRecord::meta(const detent_plan_sink* sink, const char* key,
                                          const char* value) noexcept {
  return record(sink, PlanWord::meta, [&](ByteWriter& out, const detent_plan_sink* checked) {
    put_text(out, key);
    put_text(out, value);
    return checked->meta(checked, key, value);
  });
}

void PlanRecord::write(ByteWriter& out) const {
  out.number(calls_);
  out.append(said_.bytes());
}

}  // namespace detent::isolate
