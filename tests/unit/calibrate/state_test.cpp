// SPDX-License-Identifier: Apache-2.0
// Observers' states: saved, merged, refused.
#include "calibrate/state.hpp"

#include <functional>

#include "support/calibration_job.hpp"
#include "support/catch.hpp"
#include "support/refusal.hpp"

namespace detent::test {
namespace {

const std::string kModel = "xxh3-128:00000000000000000000000000000001";

std::string rule(const std::string& observer) {
  return R"({"observer": ")" + observer + R"(", "quantizer": "int8"})";
}

// The bytes that one of `shards` processes would leave.
std::string observed(CalibrationJob& job, Shard shard = {}, const std::string& data = "all") {
  Plan plan = job.plan();
  const auto samples = open_samples(job.config, job.program.get(), plan);
  Observations seen = fresh_observations(plan, job.pool);
  observe(*job.program, plan, *samples, batches_of(shard, planned_batches(job.config, *samples)),
          {}, seen);
  return save_state(plan, seen, {kModel, shard, {{data, "xxh3-128:" + data}}});
}

Observations load(CalibrationJob& job, const std::vector<std::string>& states,
                  const std::string& model = kModel) {
  std::vector<ObserverState> parsed;
  for (const std::string& s : states)
    parsed.push_back(parse_state(s, "part" + std::to_string(parsed.size())));
  return load_states(job.plan(), model, parsed, job.pool);
}

// What the observers and the host keep, without where it came from.
std::string contents(CalibrationJob& job, const Observations& seen) {
  return save_state(job.plan(), seen, {});
}

}  // namespace

TEST_CASE("a state that is read back gives the parameters of the run that made it") {
  for (const char* id : {"minmax", "ema", "histogram"}) {
    CAPTURE(id);
    CalibrationJob job(rule(id));
    job.write_samples(job.random_samples(60));
    const Calibration direct = job.calibrate();
    const Calibration later = conclude(job.config, job.plan(), load(job, {observed(job)}));
    for (std::size_t i = 0; i < direct.sites.size(); ++i) {
      CHECK(later.sites[i].params.scale == direct.sites[i].params.scale);
      CHECK(later.sites[i].params.zero_point == direct.sites[i].params.zero_point);
      CHECK(later.sites[i].clipped_fraction == direct.sites[i].clipped_fraction);
      CHECK(later.sites[i].observed == direct.sites[i].observed);
    }
    CHECK(later.samples_used == 60);
  }
}

TEST_CASE("the parts of the data together are the whole, byte for byte, in any number") {
  for (const char* id : {"minmax", "histogram"}) {
    CAPTURE(id);
    CalibrationJob job(rule(id));
    job.write_samples(job.random_samples(61));
    job.configure(rule(id), {{"/calibration/batch_size", "4"}});
    const std::string whole = contents(job, load(job, {observed(job)}));
    for (const std::uint64_t n : {2U, 3U, 16U}) {
      CAPTURE(n);
      std::vector<std::string> parts;
      for (std::uint64_t i = 1; i <= n; ++i) parts.push_back(observed(job, {i, n}));
      CHECK(contents(job, load(job, parts)) == whole);
    }
  }
}

TEST_CASE("states of different files are put together") {
  CalibrationJob job(rule("minmax"));
  const auto values = job.random_samples(60);
  job.write_samples({values.begin(), values.begin() + 240});
  const std::string first = observed(job, {}, "first");
  job.write_samples({values.begin() + 240, values.end()});
  const std::string second = observed(job, {}, "second");
  job.write_samples(values);
  CHECK(contents(job, load(job, {first, second})) == contents(job, load(job, {observed(job)})));
}

TEST_CASE("an observer that cannot merge refuses a second state and says what to do") {
  CalibrationJob job(rule("ema"));
  job.write_samples(job.random_samples(60));
  const std::string first = observed(job, {}, "first");
  const std::string second = observed(job, {}, "second");
  CHECK_NOTHROW(load(job, {first}));
  const std::string text = refusal([&] { load(job, {first, second}); }, ErrorCode::config);
  CHECK(contains(text,
                 "observer \"ema\" of the input of \"fc1\" cannot put the states of several "
                 "parts together"));
  CHECK(contains(text, "its result is defined by the order of all batches"));
  CHECK(contains(text, "in one process"));
}

TEST_CASE("states of another model, observer, parameter or layer are refused with the reason") {
  CalibrationJob job(rule("minmax"));
  job.write_samples(job.random_samples(60));
  const std::string state = observed(job);
  CHECK(contains(refusal([&] { load(job, {state}, "another"); }, ErrorCode::config),
                 "the states are of another model"));
  job.configure(rule("histogram"));
  CHECK(contains(refusal([&] { load(job, {state}); }, ErrorCode::config),
                 R"(it has observer "minmax", and this configuration "histogram")"));
  job.configure(R"({"observer": "minmax", "quantizer": "int8", "params": {"symmetric": true}})");
  CHECK(contains(refusal([&] { load(job, {state}); }, ErrorCode::config), "it has target"));
  // The same codes, but another rule for the scales.
  job.configure(
      R"({"observer": "minmax", "quantizer": "int8", "params": {"convention": "torch_ao"}})");
  CHECK(contains(refusal([&] { load(job, {state}); }, ErrorCode::config), "it has target"));
  job.configure(rule("minmax"), {{"/rules/0/match/name", R"(["fc2"])"}});
  CHECK(contains(refusal([&] { load(job, {state}); }, ErrorCode::config),
                 "it holds the states of 2 activations, and this configuration observes 1"));
  job.configure(R"({"observer": {"id": "minmax", "params": {"non_finite": "error"}},
                    "quantizer": "int8"})");
  CHECK(contains(refusal([&] { load(job, {state}); }, ErrorCode::config), "it has params"));
}

TEST_CASE("states of the same codes by another rule for scales are refused") {
  const auto uint8 = [](const char* convention) {
    return R"({"observer": "minmax", "quantizer": "int8", "params": {"dtype": "uint8",
               "symmetric": true, "narrow_range": false, "convention": ")" +
           std::string(convention) + "\"}}";
  };
  CalibrationJob job(uint8("detent"));
  job.write_samples(job.random_samples(60));
  const std::string state = observed(job);
  load(job, {state});
  job.configure(uint8("onnxruntime"));  // 0..255 too, but half of 255 in place of 127
  CHECK(contains(refusal([&] { load(job, {state}); }, ErrorCode::config), "it has target"));
}

TEST_CASE("the same data twice and a missing part are refused") {
  CalibrationJob job(rule("minmax"));
  job.write_samples(job.random_samples(60));
  const std::string whole = observed(job);
  CHECK(contains(refusal(
                     [&] {
                       load(job, {whole, whole});
                     },
                     ErrorCode::config),
                 "the same data were given twice"));
  const std::string half = observed(job, {1, 2});
  CHECK(contains(refusal([&] { load(job, {half}); }, ErrorCode::config),
                 "only 1 of the 2 parts of its data are there"));
  CHECK(contains(refusal(
                     [&] {
                       load(job, {half, observed(job, {2, 3})});
                     },
                     ErrorCode::config),
                 "one and the same division"));
}

TEST_CASE("equal data give equal bytes") {
  CalibrationJob job(rule("histogram"));
  job.write_samples(job.random_samples(60));
  CHECK(observed(job) == observed(job));
}

TEST_CASE("a state that was changed anywhere, cut or made longer is refused") {
  CalibrationJob job(rule("minmax"));
  job.write_samples(job.random_samples(60));
  const std::string state = observed(job);
  for (std::size_t i = 0; i < state.size(); ++i) {
    std::string changed = state;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    CHECK_THROWS_AS(parse_state(changed, "s"), Error);
  }
  for (std::size_t n = 0; n < state.size(); n += 5)
    CHECK_THROWS_AS(parse_state(std::string_view(state).substr(0, n), "s"), Error);
  CHECK_THROWS_AS(parse_state(state + "x", "s"), Error);
}

}  // namespace detent::test
