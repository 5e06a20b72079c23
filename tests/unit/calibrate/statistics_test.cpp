// SPDX-License-Identifier: Apache-2.0
// Statistics of inputs: collected, kept as states, merged, refused.
#include <cmath>
#include <functional>

#include "calibrate/channel_view.hpp"
#include "calibrate/state.hpp"
#include "support/catch.hpp"
#include "support/refusal.hpp"
#include "support/statistics_job.hpp"
#include <detent/sdk/tensor_view.hpp>

namespace detent::test {
namespace {

using Values = std::vector<double>;
using Shape = std::vector<std::int64_t>;

const std::string kModel = "xxh3-128:00000000000000000000000000000001";
constexpr const char* kMinmax = R"({"observer": "minmax", "quantizer": "int8"})";

StatisticsJob linear_job(std::vector<WeightUse> uses = {{"fc.weight", "linear", "forward"}},
                         const std::string& plugins = "statistics") {
  return StatisticsJob({f32("fc.weight", {2, 3}, {1, 0, 0, 1, 2, 1})}, std::move(uses), kWeighed,
                       plugins);
}

Values mean_square(const Calibration& calibration) {
  Values values;
  sdk::TensorView(calibration.statistics.at(0).values->find("mean_square")->view())
      .for_each(-1, [&](double v, std::int64_t) { values.push_back(v); });
  return values;
}

std::string observed(StatisticsJob& job, Shard shard = {}, const std::string& data = "all") {
  const Plan plan = job.plan();
  return save_state(plan, job.observe(plan, shard), {kModel, shard, {{data, "xxh3-128:" + data}}});
}

Observations load(StatisticsJob& job, const std::vector<std::string>& states) {
  std::vector<ObserverState> parsed;
  for (const std::string& s : states)
    parsed.push_back(parse_state(s, "part" + std::to_string(parsed.size())));
  return load_states(job.plan(), kModel, parsed, job.pool);
}

Shape view_shape(Shape shape, std::size_t inner) {
  StatisticPlan plan;
  plan.op = "op";
  plan.inner = inner;
  const HostTensor x("x", DETENT_F32, std::move(shape));
  const detent_tensor lent = x.read_only();
  const ChannelView view(lent, plan);
  if (view.empty()) return {};
  CHECK(sdk::TensorView(view.tensor()).contiguous());
  return sdk::TensorView(view.tensor()).shape();
}

}  // namespace

TEST_CASE("an input is seen as outer, channels, inner, with a batch, without one, with several") {
  CHECK(view_shape({5}, 0) == Shape{1, 5, 1});
  CHECK(view_shape({4, 5}, 0) == Shape{4, 5, 1});
  CHECK(view_shape({2, 3, 4, 5}, 0) == Shape{24, 5, 1});
  CHECK(view_shape({4, 5}, 1) == Shape{1, 4, 5});
  CHECK(view_shape({3, 4, 5}, 1) == Shape{3, 4, 5});
  CHECK(view_shape({4, 5, 6}, 2) == Shape{1, 4, 30});
  CHECK(view_shape({2, 4, 5, 6}, 2) == Shape{2, 4, 30});
  CHECK(view_shape({2, 4, 5, 6, 7}, 3) == Shape{2, 4, 210});
  CHECK(view_shape({0, 5}, 0).empty());
  CHECK_THROWS_AS(view_shape({4, 5}, 2), Error);
}

TEST_CASE("every batch of every use of a weight adds up") {
  StatisticsJob job =
      linear_job({{"fc.weight", "linear", "forward"}, {"fc.weight", "linear", "forward"}});
  job.write_samples({2, 3}, {1, 2, 3, 3, 4, 0});
  const Calibration calibration = job.calibrate(job.plan());
  REQUIRE(calibration.statistics.size() == 1);
  CHECK(mean_square(calibration) == Values{5, 10, 4.5});
  CHECK(calibration.statistics[0].observed == 12);  // each use saw 6
  CHECK(calibration.statistics[0].non_finite == 0);
}

TEST_CASE("a site can have an observer of its activation and a statistic") {
  StatisticsJob job = linear_job();
  job.write_samples({2, 3}, {1, 2, 3, 3, 4, 0});
  job.configure(kWeighed, kMinmax);
  const Calibration both = job.calibrate(job.plan());
  CHECK(mean_square(both) == Values{5, 10, 4.5});
  REQUIRE(both.sites.size() == 1);
  CHECK(both.sites[0].max == 4);
  CHECK(both.sites[0].observed == 6);
}

TEST_CASE("values that are not finite are left out and counted once") {
  StatisticsJob job = linear_job();
  job.write_samples({2, 3}, {1, INFINITY, 3, 3, 4, 0});
  const Calibration calibration = job.calibrate(job.plan());
  CHECK(mean_square(calibration) == Values{5, 16, 4.5});
  CHECK(calibration.statistics[0].non_finite == 1);
  const auto warned = [](const Calibration& c) {
    return std::count_if(c.warnings.begin(), c.warnings.end(),
                         [](const Warning& w) { return w.code == "non_finite_activations"; });
  };
  CHECK(warned(calibration) == 1);
  job.configure(kWeighed, kMinmax);
  CHECK(warned(job.calibrate(job.plan())) == 1);
}

TEST_CASE("no finite value is the error no data observed, with the layer") {
  StatisticsJob job = linear_job();
  job.write_samples({1, 3}, {NAN, NAN, NAN});
  const std::string text = refusal([&] { job.calibrate(job.plan()); }, ErrorCode::quantization);
  CHECK(contains(text, "\"fc\": no data observed"));
  CHECK(contains(text, "\"fc.weight\""));
}

TEST_CASE("operators of one weight that get different numbers of channels are refused") {
  StatisticsJob job(
      {f32("l.weight", {2, 3}, {1, 0, 0, 1, 2, 1})},
      {{"l.weight", "matmul", "forward", false}, {"l.weight", "matmul", "forward", false}});
  job.write_samples({1, 3}, {1, 2, 3});
  job.program = std::make_unique<FunctionProgram>(
      job.facts, [](std::span<const detent::NamedTensor>, const FunctionProgram::Show& show) {
        show("l.weight", Side::input, HostTensor("x", DETENT_F32, {1, 3}).read_only());
        show("l.weight", Side::input, HostTensor("x", DETENT_F32, {1, 2}).read_only());
      });
  const std::string text = refusal([&] { job.calibrate(job.plan()); }, ErrorCode::quantization);
  CHECK(contains(
      text,
      "calibration batch 1 (sample 1): the operators that use \"l.weight\" get inputs of 3 "
      "and of 2 channels"));
}

TEST_CASE("the parts of the data together are the whole statistic, byte for byte, in any number") {
  StatisticsJob job = linear_job();
  std::vector<float> values;
  for (int i = 0; i < 93; ++i) values.push_back(static_cast<float>(i % 17 - 8));
  job.write_samples({31, 3}, values);
  job.configure(kWeighed, kMinmax, true, 2);
  const auto contents = [&](const Observations& seen) { return save_state(job.plan(), seen, {}); };
  const std::string whole = contents(load(job, {observed(job)}));
  for (const std::uint64_t n : {2U, 3U, 16U}) {
    std::vector<std::string> parts;
    for (std::uint64_t i = 1; i <= n; ++i) parts.push_back(observed(job, {i, n}));
    CHECK(contents(load(job, parts)) == whole);
  }
  const Calibration direct = job.calibrate(job.plan());
  const Calibration later = conclude(job.config, job.plan(), load(job, {observed(job)}));
  CHECK(mean_square(later) == mean_square(direct));
  CHECK(later.statistics[0].observed == 93);
}

TEST_CASE("a state without the statistic, or of another maker, is refused with the reason") {
  StatisticsJob job = linear_job();
  job.write_samples({2, 3}, {1, 2, 3, 3, 4, 0});
  const std::string state = observed(job);
  job.configure(kWeighed, kMinmax);
  CHECK(contains(refusal([&] { load(job, {state}); }, ErrorCode::config),
                 "it holds the states of 1 activations, and this configuration observes 2"));
  job.configure(R"({"weight": {"quantizer": "int8"}})", kMinmax);
  CHECK(contains(refusal([&] { load(job, {state}); }, ErrorCode::config),
                 "the state of the input of \"fc\" (for stat:second_moment/1), which this "
                 "configuration does not observe"));
  job.configure(kWeighed);
  Plugin other = *job.config.statistic_providers.at("stat:second_moment/1").plugin;
  other.version = "2";
  job.config.statistic_providers.at("stat:second_moment/1").plugin = &other;
  CHECK(contains(
      refusal([&] { load(job, {state}); }, ErrorCode::config),
      R"(for the input of "fc" (for stat:second_moment/1) it has version "1.0.0", and this)"));
}

TEST_CASE("a provider that cannot merge refuses a second state and says what to do") {
  StatisticsJob job = linear_job({{"fc.weight", "linear", "forward"}}, "alone");
  job.write_samples({2, 3}, {1, 2, 3, 3, 4, 0});
  const std::string first = observed(job, {}, "first");
  CHECK_NOTHROW(load(job, {first}));
  const std::string second = observed(job, {}, "second");
  const std::string text = refusal([&] { load(job, {first, second}); }, ErrorCode::config);
  CHECK(contains(text,
                 "observer \"a.mean_square\" of the input of \"fc\" (for "
                 "stat:second_moment/1) cannot put the states of several parts together"));
  CHECK(contains(text, "in one process"));
}

TEST_CASE("a state of a statistic that was changed anywhere or cut is refused") {
  StatisticsJob job = linear_job();
  job.write_samples({2, 3}, {1, 2, 3, 3, 4, 0});
  const std::string state = observed(job);
  CHECK(state == observed(job));
  for (std::size_t i = 0; i < state.size(); ++i) {
    std::string changed = state;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    CHECK_THROWS_AS(parse_state(changed, "s"), Error);
  }
  for (std::size_t n = 0; n < state.size(); n += 5)
    CHECK_THROWS_AS(parse_state(std::string_view(state).substr(0, n), "s"), Error);
}

}  // namespace detent::test
