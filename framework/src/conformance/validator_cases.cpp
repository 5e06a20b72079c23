// SPDX-License-Identifier: Apache-2.0
// Cases of what validators say of sound and of faulty artefacts.
#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "base/text.hpp"
#include "conformance/case.hpp"
#include "conformance/validator_driver.hpp"

namespace detent::conformance {
namespace {

std::vector<Exhibit> sound(Subject& subject) {
  Random random = subject.random();
  return {quantized_exhibit("encoder.0.query.weight", random),
          kept_exhibit("encoder.0.query.bias", {12}, random),
          quantized_exhibit("encoder.1.query.weight", random),
          quantized_exhibit("gr\u00f6\u00dfe.\u91cd\u307f", random)};
}

// One sound tensor beside each faulty one.
std::vector<Exhibit> with_fault(Subject& subject, const char* fault) {
  std::vector<Exhibit> all = sound(subject);
  all[2] = faulty(std::move(all[2]), fault);
  return all;
}

Findings run_alone(Subject& subject, std::span<const Exhibit> exhibits,
                   const detent_output_input& output, const detent_run_summary& summary) {
  World world;
  ValidatorUnderTest v(subject, world);
  return v.run(exhibits, output, summary);
}

void expect_silent(const Findings& findings, const char* about) {
  for (const Reported& f : findings)
    expect(!alarms({f}), "about {} it says: {}", about, printable(f.text()));
}

std::string perfect(Subject& subject) {
  World world;
  ValidatorUnderTest v(subject, world);
  const std::vector<Exhibit> exhibits = sound(subject);
  const Findings all = v.run(exhibits, good_output());
  expect_silent(all, "a model quantized to 8 bits, of which everything is as it should be");
  std::set<std::string> metrics;
  for (const Reported& f : all) metrics.insert(f.metric);
  return printable(fmt::format("{} findings: {}", all.size(), fmt::join(metrics, ", ")));
}

// The codes stand for exactly the original values: the SQNR is infinite.
std::string exact(Subject& subject) {
  Random random = subject.random();
  World world;
  ValidatorUnderTest v(subject, world);
  const std::vector<Exhibit> exhibits = {quantized_exhibit("fc.weight", random, true)};
  const Findings all = v.run(exhibits, good_output());
  expect_silent(all, "a tensor whose values survived unchanged");
  for (const Reported& f : all)
    expect(!std::isnan(f.value), "the value of {} is NaN, and nothing was unknown", f.metric);
  return {};
}

std::string faults(Subject& subject) {
  std::string seen;
  std::string missed;
  const auto judge = [&](const char* name, const Findings& findings) {
    std::string& list = alarms(findings) ? seen : missed;
    list += (list.empty() ? "" : ", ") + std::string(name);
  };
  const std::vector<Exhibit> all = sound(subject);
  for (const TensorFault& f : tensor_faults()) {
    const std::vector<Exhibit> exhibits = with_fault(subject, f.name);
    judge(f.name, run_alone(subject, exhibits, good_output(), summary_of(exhibits)));
  }
  for (const RunFault& f : run_faults()) {
    detent_run_summary summary = summary_of(all);
    f.plant(summary);
    judge(f.name, run_alone(subject, all, good_output(), summary));
  }
  for (const OutputFault& f : output_faults()) {
    detent_output_input output = good_output();
    f.plant(output);
    judge(f.name, run_alone(subject, all, output, summary_of(all)));
  }
  expect(!seen.empty(), "it says nothing of any of these: {}", missed);
  return "sees: " + seen;
}

// Everything that it can be told of, each in a run of its own.
void for_each_run(
    Subject& subject,
    const std::function<void(const std::vector<Exhibit>&, const detent_output_input&)>& f) {
  f(sound(subject), good_output());
  f(sound(subject), no_output(DETENT_OUTPUT_NONE, "the model is no program"));
  for (const TensorFault& fault : tensor_faults())
    f(with_fault(subject, fault.name), good_output());
  for (const OutputFault& fault : output_faults()) {
    detent_output_input output = good_output();
    fault.plant(output);
    f(sound(subject), output);
  }
}

std::string form(Subject& subject) {
  for_each_run(subject, [&](const auto& exhibits, const auto& output) {
    World world;
    ValidatorUnderTest v(subject, world);
    v.run(exhibits, output);
    expect(v.misuse().empty(), "{}", printable(v.misuse()));
  });
  return {};
}

std::string targets(Subject& subject) {
  for_each_run(subject, [&](const std::vector<Exhibit>& exhibits, const auto& output) {
    World world;
    ValidatorUnderTest v(subject, world);
    for (const Exhibit& e : exhibits)
      for (const Reported& f : v.check(e))
        expect(f.target == e.target || f.target.empty(), "check of \"{}\" reports {} of \"{}\"",
               e.target, printable(f.metric), printable(f.target));
    Findings after = v.check_output(output);
    const Findings last = v.finish(summary_of(exhibits));
    after.insert(after.end(), last.begin(), last.end());
    for (const Reported& f : after) {
      const auto is_it = [&](const Exhibit& e) { return e.target == f.target; };
      expect(f.target.empty() || std::any_of(exhibits.begin(), exhibits.end(), is_it),
             "{} is reported of \"{}\", which no tensor is called", printable(f.metric),
             printable(f.target));
    }
  });
  return {};
}

std::string values(Subject& subject) {
  World world;
  ValidatorUnderTest v(subject, world);
  for (const Reported& f : v.run(sound(subject), good_output())) {
    expect(std::isfinite(f.value), "{} is {}, and every number that it was given is finite",
           printable(f.metric), f.value);
    expect(!std::isinf(f.threshold), "the threshold of {} is {}", printable(f.metric), f.threshold);
  }
  return {};
}

std::string kept(Subject& subject) {
  Random random = subject.random();
  World world;
  ValidatorUnderTest v(subject, world);
  for (const Shape& shape : {Shape{12}, Shape{3, 4}, Shape{}, Shape{0}, Shape{2, 0, 3}}) {
    const Exhibit e = kept_exhibit("encoder." + shape_text(shape), shape, random);
    expect_silent(v.check(e), "a tensor that was kept as it is");
  }
  return {};
}

// No tensor at all, no program, one that fails: no reason to fail oneself.
std::string output(Subject& subject) {
  for (const auto& [how, why] : {std::pair{DETENT_OUTPUT_NONE, "the model is no program"},
                                 std::pair{DETENT_OUTPUT_FAILED, "operator x::y is unknown"}}) {
    World world;
    ValidatorUnderTest v(subject, world);
    v.run(sound(subject), no_output(static_cast<std::uint32_t>(how), why));
  }
  World world;
  ValidatorUnderTest v(subject, world);
  v.run({}, no_output(DETENT_OUTPUT_NONE, "there is nothing to run"));
  detent_output_input simulated = good_output();
  simulated.how = DETENT_OUTPUT_SIMULATED;
  simulated.exact = 0;
  simulated.intended_samples = 0;
  simulated.intended_sqnr_db = std::nan("");
  ValidatorUnderTest other(subject, world);
  expect_silent(other.run(sound(subject), simulated), "a good output that was simulated");
  return {};
}

}  // namespace

std::span<const Case> validator_cases() {
  static constexpr std::array kCases = {
      Case{"validator.perfect", kValidator,
           "Where nothing is wrong nothing is reported as wrong (abi/validator.h).",
           "compare with what the host measured, and keep INFO for numbers that are only told",
           perfect},
      Case{"validator.exact", kValidator,
           "+inf is a good SQNR: sqnr_db is +inf when the values are equal (abi/validator.h).",
           "let infinity pass, and leave it out of sums and means", exact},
      Case{"validator.faults", kValidator,
           "Of planted faults at least one is seen (abi/validator.h).",
           "report WARN or FAIL for what you look for; give thresholds useful defaults", faults},
      Case{"validator.form", kValidator,
           "Findings have struct_size, a target, a metric, a severity 0..2 and texts in UTF-8 "
           "(abi/validator.h).",
           "fill in every field; \"\" where there is nothing to say", form},
      Case{"validator.targets", kValidator,
           "A finding names the tensor that check was given, or none (abi/validator.h).",
           "use detent_check_input.target, not the names of stored tensors", targets},
      Case{"validator.values", kValidator,
           "Values are numbers where everything is known (abi/validator.h).",
           "do not divide by zero; leave a metric out that you cannot compute", values},
      Case{"validator.kept", kValidator, "A tensor that was kept is no failure (abi/validator.h).",
           "look at is_quantized; dequantized, quantized and qspec are NULL then", kept},
      Case{"validator.output", kValidator,
           "A model that does not run, or runs only simulated, is no error of the validator "
           "(abi/validator.h).",
           "look at `how` first: numbers are NaN or 0 where nothing ran", output},
  };
  return kCases;
}

}  // namespace detent::conformance
