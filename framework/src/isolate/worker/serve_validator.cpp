// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "isolate/worker/session.hpp"

namespace detent::isolate {
namespace {

using Table = detent_validator_vtbl;

constexpr std::uint64_t kMostFindings = 100001;  // one more than a host takes

detent_validator* handle_of(void* handle) { return static_cast<detent_validator*>(handle); }

// What the plugin reports, to be reported once more to the host.
struct Findings {
  std::uint64_t count = 0;
  ByteWriter said;
  detent_finding_sink sink{sizeof sink, this, report};

  static std::uint64_t bits_of(double value) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
  }

  // As far as it can be read at all.
  static bool is_whole(const detent_finding* f) {
    return f != nullptr && f->struct_size >= DETENT_SIZE_UPTO(detent_finding, message);
  }

  static void put(ByteWriter& out, const char* text) {
    out.number(text != nullptr ? 1 : 0);
    if (text != nullptr) out.text(text);
  }

  static std::int32_t DETENT_CALL report(const detent_finding_sink* s,
                                         const detent_finding* f) noexcept {
    auto& self = *static_cast<Findings*>(s->ctx);
    try {
      if (self.count == kMostFindings) return DETENT_E_INVALID_ARG;
      ++self.count;
      self.said.number(is_whole(f) ? 1 : 0);
      if (!is_whole(f)) return DETENT_E_INVALID_ARG;
      for (const char* text : {f->target, f->metric, f->message}) put(self.said, text);
      self.said.number(bits_of(f->value));
      self.said.number(bits_of(f->threshold));
      self.said.number(static_cast<std::uint32_t>(f->severity));
      const bool good = f->target != nullptr && f->metric != nullptr && f->message != nullptr &&
                        f->severity >= DETENT_FINDING_INFO && f->severity <= DETENT_FINDING_FAIL;
      return good ? DETENT_OK : DETENT_E_INVALID_ARG;
    } catch (...) {
      return DETENT_E_NO_MEMORY;
    }
  }
};

}  // namespace

CallOutcome Session::findings(
    const char* name, const Work& work,
    const std::function<std::int32_t(const detent_call*, const detent_finding_sink*)>& function) {
  Findings findings;
  CallOutcome outcome =
      call(name, [&](const detent_call* c) { return function(c, &findings.sink); });
  if (outcome.status != DETENT_OK) return outcome;
  work.out.number(findings.count);
  work.out.append(findings.said.bytes());
  return outcome;
}

CallOutcome Session::check(const Work& work) {
  const Table& t = table<Table>(*work.instance);
  detent_validator* v = handle_of(work.instance->handle);
  Arguments& in = work.in;
  if (work.op == Op::check_output) {
    auto* output = in.plain<detent_output_input>();
    output->why = in.c_text();
    output->intended_mismatch = in.c_text();
    return findings("check_output", work, [&](const detent_call* c, const auto* sink) {
      return t.check_output(v, c, output, sink);
    });
  }
  if (work.op == Op::finish_check) {
    const auto* summary = in.plain<detent_run_summary>();
    return findings("finish", work, [&](const detent_call* c, const auto* sink) {
      return t.finish(v, c, summary, sink);
    });
  }
  detent_check_input given{};
  given.struct_size = sizeof given;
  given.target = in.c_text();
  given.tensor = in.spec();
  given.original = in.optional_tensor();
  given.dequantized = in.optional_tensor();
  given.quantized = in.source();
  given.qspec = in.qspec();
  std::vector<detent_stored_tensor> stored;
  for (std::uint64_t n = in.number(); n > 0; --n) {
    detent_stored_tensor one{};
    one.name = in.c_text();
    one.digest_intended = in.c_text();
    one.digest_found = in.c_text();
    one.data = in.optional_tensor();
    stored.push_back(one);
  }
  given.stored = stored.data();
  given.n_stored = stored.size();
  given.metrics = in.plain<detent_metrics>();
  given.first_row = in.number();
  given.last = static_cast<std::uint32_t>(in.number());
  given.is_quantized = static_cast<std::uint32_t>(in.number());
  return findings("check", work, [&](const detent_call* c, const auto* sink) {
    return t.check(v, c, &given, sink);
  });
}

}  // namespace detent::isolate
