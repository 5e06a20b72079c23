// SPDX-License-Identifier: Apache-2.0
// Layers that get the same input: what is done once for all of them gives what each would get.
#include "calibrate/site.hpp"
#include "calibrate/state.hpp"
#include "calibrate/value_counter.hpp"
#include "support/calibration_job.hpp"
#include "support/catch.hpp"

namespace detent::test {
namespace {

std::string rule(const std::string& observer) {
  return R"({"observer": ")" + observer + R"(", "quantizer": "int8"})";
}

std::string observed(CalibrationJob& job, unsigned threads) {
  ThreadPool pool(threads);
  Plan plan = job.plan();
  const auto samples = open_samples(job.config, job.program.get(), plan);
  Observations seen = fresh_observations(plan, pool);
  observe(*job.program, plan, *samples, planned_batches(job.config, *samples), {}, seen);
  return save_state(plan, seen, {});
}

// One site after the other, each on its own pass over the data, and each tensor counted for it.
std::string observed_one_by_one(CalibrationJob& job) {
  ThreadPool pool(1);
  Plan plan = job.plan();
  const auto samples = open_samples(job.config, job.program.get(), plan);
  Observations seen = fresh_observations(plan, pool);
  for (SiteObservation& site : seen.sites) {
    const Site where = site_of(plan, site);
    const auto show = [&](const std::string&, Side, const detent_tensor& x) {
      site.observer.observe(x);
      ValueCounter counter;
      counter.count(x);
      site.tally.add(counter);
    };
    const Watch watch{{where.weight}, {}, show};
    for (const SampleRange& range : planned_batches(job.config, *samples))
      job.program->run(samples->read(range).lent(), &watch);
  }
  for (const SampleRange& range : planned_batches(job.config, *samples)) {
    seen.samples += range.count;
    ++seen.batches;
  }
  seen.passes = 1;
  return save_state(plan, seen, {});
}

// fc1 and fc2 get the input; then fc2 what another memory holds, and fc1 the input again.
std::unique_ptr<FunctionProgram> mixed_program(const ProgramFacts& facts) {
  const auto forward = [](std::span<const detent::NamedTensor> inputs,
                          const FunctionProgram::Show& show) {
    const detent_tensor& x = inputs[0].view;
    show("fc1.weight", Side::input, x);
    show("fc2.weight", Side::input, x);
    std::vector<float> doubled = floats_of(x);
    for (float& v : doubled) v *= 2;
    detent_tensor other = x;
    other.data = doubled.data();
    show("fc2.weight", Side::input, other);
    show("fc2.weight", Side::input, other);
    show("fc1.weight", Side::input, x);
  };
  return std::make_unique<FunctionProgram>(facts, forward);
}

}  // namespace

TEST_CASE("shared inputs leave the states that each site alone would have, byte for byte") {
  for (const char* id : {"minmax", "ema", "histogram"}) {
    CAPTURE(id);
    CalibrationJob job(rule(id));
    job.write_samples(job.random_samples(61));
    job.configure(rule(id), {{"/calibration/batch_size", "4"}});
    const ProgramFacts facts = job.program->facts();
    for (int i = 0; i < 3; ++i) {
      CAPTURE(i);
      if (i == 1) job.program = echo_program();
      if (i == 2) job.program = mixed_program(facts);
      const std::string expected = observed_one_by_one(job);
      CHECK(observed(job, 1) == expected);
      CHECK(observed(job, 2) == expected);
    }
  }
}

}  // namespace detent::test
