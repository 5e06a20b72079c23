// SPDX-License-Identifier: Apache-2.0
#include "conformance/validator_driver.hpp"

#include <algorithm>
#include <optional>

#include "base/error.hpp"
#include "base/text.hpp"
#include "conformance/any_plugin.hpp"
#include "conformance/input.hpp"
#include "conformance/starved.hpp"
#include "plugin/descriptor.hpp"

namespace detent::conformance {

struct FindingServices {
  struct Context {
    ValidatorUnderTest* validator;
    Findings* into;
  };
  static std::int32_t DETENT_CALL report(const detent_finding_sink* s,
                                         const detent_finding* f) noexcept {
    const auto& c = *static_cast<const Context*>(s->ctx);
    return c.validator->report(*c.into, f);
  }
};

namespace {

constexpr std::size_t kMaxText = 4096;
constexpr const char* kSeverities[] = {"INFO", "WARN", "FAIL"};

// The rows [first, first + count) of a compact tensor.
Made block_of(const Made& made, std::uint64_t first, std::uint64_t count) {
  if (made.shape.empty() || made.shape[0] == 0) return made;
  const std::uint64_t row = made.bytes.size() / static_cast<std::uint64_t>(made.shape[0]);
  Made block{made.dtype, made.shape, made.bytes.substr(first * row, count * row), {}};
  block.shape[0] = static_cast<std::int64_t>(count);
  return block;
}

Answers blocks_of(const Answers& all, std::uint64_t first, std::uint64_t count) {
  Answers blocks;
  for (const auto& [name, made] : all) blocks[name] = block_of(made, first, count);
  return blocks;
}

// The values of those rows, at the end of memory that nobody may touch behind them.
std::optional<Input> values_of(const Exhibit& e, const std::vector<double>& values,
                               std::uint64_t first, std::uint64_t count, bool wanted) {
  if (!wanted || (values.empty() && !e.original.empty())) return std::nullopt;
  const std::uint64_t row = e.rows() != 0 ? values.size() / e.rows() : 0;
  Shape shape = e.shape;
  if (!shape.empty()) shape[0] = static_cast<std::int64_t>(count);
  std::optional<Input> input;
  input.emplace(DETENT_F32, shape, std::span(values).subspan(first * row, count * row),
                Layout::at_end);
  input->make_read_only();
  return input;
}

// What detent_check_input points to, of one block.
struct Told {
  std::optional<Input> original;
  std::optional<Input> dequantized;
  Source outputs;
  Source stored_data;
  std::vector<detent_stored_tensor> stored;
};

Answers found_of(const Exhibit& e, std::uint64_t first, std::uint64_t count) {
  Answers found;
  for (const StoredExhibit& s : e.stored)
    if (s.found) found[s.name] = block_of(s.data, first, count);
  return found;
}

}  // namespace

std::string Reported::text() const {
  const bool known = severity >= 0 && severity <= 2;
  return fmt::format("{} {} = {} (threshold {}) of \"{}\": {}",
                     known ? kSeverities[severity] : "unknown severity", metric, value, threshold,
                     target, message);
}

bool alarms(const Findings& findings) {
  return std::any_of(findings.begin(), findings.end(), [](const Reported& f) {
    return f.severity == DETENT_FINDING_WARN || f.severity == DETENT_FINDING_FAIL;
  });
}

std::string text_of(const Findings& findings) {
  std::string all;
  for (const Reported& f : findings) all += f.text() + '\n';
  return all;
}

ValidatorUnderTest::ValidatorUnderTest(Subject& subject, World& world, ValidatorWishes wishes)
    : world_(world),
      wishes_(wishes),
      vtbl_(subject.vtbl<detent_validator_vtbl>()),
      rowwise_(subject.promises(DETENT_PLUGIN_ROWWISE)) {
  const std::vector<std::string> needs = subject.requirements();
  const auto has = [&](const char* what) {
    return std::find(needs.begin(), needs.end(), what) != needs.end();
  };
  needs_ = {has(DETENT_NEEDS_ORIGINAL), has(DETENT_NEEDS_DEQUANTIZED), has(DETENT_NEEDS_STORED)};
  const Configuration configuration(subject.params(DETENT_ROLE_NONE), DETENT_ROLE_NONE, nullptr,
                                    world.minor());
  const std::int32_t status = world_.call("create", [&](const detent_call* call) {
    return vtbl_.create(world_.host(), call, configuration.c(), &handle_);
  });
  expect_instance_or_refusal(status, handle_ != nullptr);
  expect(status == DETENT_OK || is_starved(status), "create was to succeed; it returned {}: {}",
         status_name(status), printable(world_.text()));
}

ValidatorUnderTest::~ValidatorUnderTest() {
  if (handle_ != nullptr) vtbl_.destroy(handle_);
}

std::int32_t ValidatorUnderTest::report(Findings& into, const detent_finding* f) {
  const auto refuse = [&](std::string why) {
    if (misuse_.empty()) misuse_ = std::move(why);
    return DETENT_E_INVALID_ARG;
  };
  if (reports_++ == wishes_.failing) return wishes_.status;
  if (f == nullptr) return refuse("a finding is NULL");
  if (f->struct_size < DETENT_SIZE_UPTO(detent_finding, message))
    return refuse(fmt::format("a finding's struct_size is {}", f->struct_size));
  try {
    into.push_back({checked_text(f->target, "its target", kMaxText),
                    checked_text(f->metric, "its metric", kMaxText), f->value, f->threshold,
                    f->severity, checked_text(f->message, "its message", kMaxText)});
  } catch (const Error& e) {
    return refuse("of a finding " + e.problems()[0].message);
  }
  const Reported& last = into.back();
  if (last.metric.empty()) return refuse("a finding has no metric");
  if (last.severity < DETENT_FINDING_INFO || last.severity > DETENT_FINDING_FAIL)
    return refuse(fmt::format("the severity of {} is {}", last.metric, last.severity));
  if (f->reserved != 0) return refuse("the field reserved of " + last.metric + " is not 0");
  return DETENT_OK;
}

Findings ValidatorUnderTest::collect(const char* name, const Call& f) {
  Findings findings;
  FindingServices::Context context{this, &findings};
  const std::int64_t before = reports_;
  const std::int32_t status = world_.call(name, [&](const detent_call* call) {
    const Lent<detent_finding_sink> sink(
        {sizeof(detent_finding_sink), &context, &FindingServices::report}, world_.minor(),
        sizeof(detent_finding_sink));
    return f(call, sink.c());
  });
  if (before <= wishes_.failing && wishes_.failing < reports_) {
    expect(status == wishes_.status, "the sink returned {}, and {} {}", status_name(wishes_.status),
           name, status_name(status));
  } else if (wishes_.may_starve && is_starved(status)) {
    starved_ = true;
  } else if (misuse_.empty()) {
    expect(status == DETENT_OK, "{} returned {}: {}", name, status_name(status),
           printable(world_.text()));
  }
  return findings;
}

void ValidatorUnderTest::check_block(const Exhibit& e, std::uint64_t first, std::uint64_t count,
                                     Findings& into) {
  const bool last = first + count >= e.rows();
  Told told{values_of(e, e.original, first, count, needs_.original),
            values_of(e, e.dequantized, first, count, needs_.dequantized && e.is_quantized),
            Source(blocks_of(e.outputs, first, count), {{"scheme", R"("detent.affine/1")"}}),
            Source(found_of(e, first, count)),
            {}};
  for (const StoredExhibit& s : e.stored)
    told.stored.push_back(
        {s.name.c_str(),
         needs_.stored ? told.stored_data.c()->get(told.stored_data.c(), s.name.c_str()) : nullptr,
         s.digest_intended.c_str(), last ? s.digest_found.c_str() : ""});
  const detent_tensor_spec spec{e.target.c_str(), e.shape.empty() ? nullptr : e.shape.data(),
                                static_cast<std::int32_t>(e.shape.size()), DETENT_F32};
  const auto is_there = [](const StoredExhibit& s) { return s.found; };
  const bool lends_outputs = needs_.stored && e.is_quantized && !e.stored.empty() &&
                             std::all_of(e.stored.begin(), e.stored.end(), is_there);
  const detent_check_input in{sizeof(detent_check_input),
                              e.target.c_str(),
                              &spec,
                              told.original ? told.original->c() : nullptr,
                              told.dequantized ? told.dequantized->c() : nullptr,
                              lends_outputs ? told.outputs.c() : nullptr,
                              e.is_quantized ? &e.qspec : nullptr,
                              told.stored.data(),
                              told.stored.size(),
                              last ? &e.metrics : nullptr,
                              first,
                              last ? 1U : 0U,
                              e.is_quantized ? 1U : 0U};
  const Lent<detent_check_input> lent(in, world_.minor(), sizeof in);
  const Findings more =
      collect("check", [&](const detent_call* call, const detent_finding_sink* sink) {
        return vtbl_.check(handle_, call, lent.c(), sink);
      });
  into.insert(into.end(), more.begin(), more.end());
}

Findings ValidatorUnderTest::check(const Exhibit& exhibit) {
  // Gone afterwards: nothing that was lent may be kept.
  const auto copy = std::make_unique<Exhibit>(exhibit);
  const std::uint64_t all = copy->rows();
  const std::uint64_t step = rowwise_ ? std::min(wishes_.rows, all) : all;
  Findings findings;
  for (std::uint64_t first = 0; first == 0 || first < all;
       first += std::max<std::uint64_t>(step, 1))
    check_block(*copy, first, std::min(step, all - first), findings);
  return findings;
}

Findings ValidatorUnderTest::check_output(const detent_output_input& output) {
  if (!DETENT_HAS(&vtbl_, detent_validator_vtbl, check_output)) return {};
  return collect("check_output", [&](const detent_call* call, const detent_finding_sink* sink) {
    const Lent<detent_output_input> lent(output, world_.minor(), sizeof output);
    return vtbl_.check_output(handle_, call, lent.c(), sink);
  });
}

Findings ValidatorUnderTest::finish(const detent_run_summary& summary) {
  if (!DETENT_HAS(&vtbl_, detent_validator_vtbl, finish)) return {};
  return collect("finish", [&](const detent_call* call, const detent_finding_sink* sink) {
    const Lent<detent_run_summary> lent(summary, world_.minor(), sizeof summary);
    return vtbl_.finish(handle_, call, lent.c(), sink);
  });
}

Findings ValidatorUnderTest::run(std::span<const Exhibit> exhibits,
                                 const detent_output_input& output) {
  return run(exhibits, output, summary_of(exhibits));
}

Findings ValidatorUnderTest::run(std::span<const Exhibit> exhibits,
                                 const detent_output_input& output,
                                 const detent_run_summary& summary) {
  Findings all;
  const auto append = [&](Findings more) { all.insert(all.end(), more.begin(), more.end()); };
  for (const Exhibit& e : exhibits) append(check(e));
  append(check_output(output));
  append(finish(summary));
  return all;
}

}  // namespace detent::conformance
