// SPDX-License-Identifier: Apache-2.0
// Which statistics of inputs a plan collects, and what it says of weights whose inputs are not
// seen.
#include <algorithm>
#include <functional>

#include "report/report.hpp"
#include "support/catch.hpp"
#include "support/json_at.hpp"
#include "support/refusal.hpp"
#include "support/statistics_job.hpp"

namespace detent::test {
namespace {

constexpr const char* kAsking = R"({"weight": {"quantizer": "a.asking"}})";

TinyTensor zeros(const std::string& name, const std::vector<std::int64_t>& shape) {
  std::size_t n = 1;
  for (const std::int64_t extent : shape) n *= static_cast<std::size_t>(extent);
  return f32(name, shape, std::vector<float>(n));
}

// The one warning of a weight whose inputs are not seen.
std::string missing(const Plan& plan, const std::string& tensor) {
  std::string found;
  for (const Warning& w : plan.warnings) {
    if (w.code != "importance_missing" || w.where.tensor != tensor) continue;
    CHECK(found.empty());
    found = w.message;
  }
  return found;
}

std::string missing(const std::vector<std::int64_t>& shape, std::vector<WeightUse> uses) {
  StatisticsJob job({zeros("l.weight", shape)}, std::move(uses));
  const Plan plan = job.plan();
  CHECK(plan.statistics.empty() != missing(plan, "l.weight").empty());
  return missing(plan, "l.weight");
}

StatisticsJob linear_job(const std::string& rule = kWeighed) {
  return StatisticsJob({zeros("fc.weight", {2, 3})}, {{"fc.weight", "linear", "forward"}}, rule);
}

}  // namespace

TEST_CASE("what the observer of a weight requires is planned with the provider of lowest id") {
  StatisticsJob job = linear_job();
  const Plan plan = job.plan();
  REQUIRE(plan.statistics.size() == 1);
  const StatisticPlan& s = plan.statistics[0];
  CHECK(s.weight == "fc.weight");
  CHECK(s.layer == "fc");
  CHECK(s.statistic == "stat:second_moment/1");
  CHECK(s.provider->plugin->id == "a.mean_square");
  CHECK(s.wanted_by == std::vector<std::string>{R"(observer "a.weighing")"});
  CHECK(s.channel_dim == ChannelDim::last);
  CHECK(s.target.spec.granularity == DETENT_PER_CHANNEL);
  CHECK(s.target.spec.axis == 1);
  CHECK(plan.warnings.empty());
}

TEST_CASE("every kind of operator says where the channels are") {
  StatisticsJob job({zeros("a.weight", {4, 2, 3}), zeros("b.weight", {4, 2, 3, 3}),
                     zeros("c.weight", {4, 2, 3, 3, 3}), zeros("d.weight", {4, 2, 3, 3}),
                     zeros("e.weight", {4, 2}), zeros("f.weight", {4, 2})},
                    {{"a.weight", "conv1d", "forward"},
                     {"b.weight", "conv2d", "forward"},
                     {"c.weight", "conv3d", "forward"},
                     {"d.weight", "conv_transpose2d", "forward"},
                     {"e.weight", "matmul", "forward", false},
                     {"f.weight", "linear", "forward", false}});
  const Plan plan = job.plan();
  REQUIRE(plan.statistics.size() == 6);
  const auto is = [&](std::size_t i, std::size_t inner, ChannelDim dim) {
    return plan.statistics[i].inner == inner && plan.statistics[i].channel_dim == dim;
  };
  CHECK(is(0, 1, ChannelDim::second));
  CHECK(is(1, 2, ChannelDim::second));
  CHECK(is(2, 3, ChannelDim::second));
  CHECK(is(3, 2, ChannelDim::first));
  CHECK(is(4, 0, ChannelDim::matching));
  CHECK(is(5, 0, ChannelDim::matching));  // a view of it, which may be turned
}

TEST_CASE("several that need the same statistic of a weight share it") {
  StatisticsJob job = linear_job(R"({"weight": {"observer": "a.weighing",
      "quantizer": {"id": "a.asking", "params": {"observed": true}}}})");
  const Plan plan = job.plan();
  REQUIRE(plan.statistics.size() == 1);
  CHECK(plan.statistics[0].wanted_by ==
        std::vector<std::string>{R"(observer "a.weighing")", R"(quantizer "a.asking")"});
  StatisticsJob shared({zeros("fc.weight", {2, 3})},
                       {{"fc.weight", "linear", "forward"}, {"fc.weight", "linear", "forward"}});
  CHECK(shared.plan().statistics.size() == 1);
}

TEST_CASE("a weight that also is an embedding's has the statistic of its other operators") {
  StatisticsJob job({zeros("e.weight", {4, 2})},
                    {{"e.weight", "embedding", "forward"}, {"e.weight", "linear", "forward"}});
  const Plan plan = job.plan();
  REQUIRE(plan.statistics.size() == 1);
  CHECK(plan.statistics[0].op == "linear");
  CHECK(plan.warnings.empty());
}

TEST_CASE("a weight whose inputs are not seen is a warning with layer and reason") {
  CHECK(missing({4, 2}, {{"l.weight", "embedding", "forward"}}) ==
        "observer \"a.weighing\" counts all elements the same in \"l.weight\", the inputs of \"l\" "
        "are "
        "not seen: the inputs of an embedding are indices, not numbers");
  CHECK(contains(missing({4, 2}, {}), "no operator of the program uses it as a weight"));
  CHECK(contains(missing({4, 4}, {{"l.weight", "matmul", "forward", false}}), "it is square"));
  CHECK(contains(missing({4, 2, 2}, {{"l.weight", "matmul", "forward", false}}),
                 "which of its 3 dimensions goes with the channels"));
  CHECK(contains(missing({4, 2, 3}, {{"l.weight", "conv1d", "forward", false}}),
                 "conv1d uses a view of it"));
  CHECK(contains(missing({4, 2}, {{"l.weight", "conv1d", "forward"}}), "conv1d uses a view of it"));
  CHECK(contains(missing({4, 2}, {{"l.weight", "linear", "forward"},
                                  {"l.weight", "matmul", "forward", false}}),
                 "operators of different kinds use it"));
  CHECK(contains(missing({4, 2}, {{"l.weight", "einsum", "forward"}}),
                 "the inputs of einsum are not observed"));
}

TEST_CASE("weights of an LSTM, and those out of reach, are warnings too") {
  StatisticsJob job({zeros("lstm.weight_ih_l0", {8, 2}), zeros("m.weight", {2, 3})},
                    {{"m.weight", "linear", "forward"}});
  job.facts.other_readers = {{"lstm.weight_ih_l0", "aten::lstm"}};
  job.facts.out_of_reach = {{"m.weight", "it is used through a module interface"}};
  job.program = std::make_unique<FunctionProgram>(job.facts, nullptr);
  const Plan plan = job.plan();
  CHECK(plan.statistics.empty());
  CHECK(contains(missing(plan, "lstm.weight_ih_l0"),
                 "it is read by aten::lstm, whose inputs are not observed"));
  CHECK(contains(missing(plan, "m.weight"), "it is used through a module interface"));
}

TEST_CASE("a quantizer that gets no statistic is a warning, with its own name") {
  StatisticsJob job({zeros("e.weight", {4, 2})}, {{"e.weight", "embedding", "forward"}}, kAsking);
  CHECK(missing(job.plan(), "e.weight") ==
        "quantizer \"a.asking\" gets no statistic of the inputs of \"e.weight\": the inputs of an "
        "embedding are indices, not numbers");
}

TEST_CASE("a model that does not run is an error that says who needs it") {
  for (const std::string& rule : {kWeighed, std::string(kAsking)}) {
    StatisticsJob job = linear_job(rule);
    const auto weights = open_model(job.folder / "model.safetensors", {});
    const std::string text =
        refusal([&] { make_plan(job.config, *weights, nullptr, job.pool); }, ErrorCode::config);
    CHECK(contains(text, rule == kWeighed ? "observer \"a.weighing\"" : "quantizer \"a.asking\""));
    CHECK(contains(text,
                   "needs the statistic \"stat:second_moment/1\" of the inputs of "
                   "\"fc.weight\", which only a model that runs (TorchScript) shows; "
                   "model.safetensors holds weights only"));
  }
}

TEST_CASE("a file without calibration is an error that says what to add") {
  StatisticsJob job = linear_job();
  job.configure(kWeighed, "", false);
  const std::string text = refusal([&] { job.plan(); }, ErrorCode::config);
  CHECK(contains(text, "of the inputs of \"fc.weight\", and the file has no \"calibration\""));
  CHECK(contains(text, "add \"calibration\""));
}

TEST_CASE("a statistic that nobody provides is an error that says what to do") {
  StatisticsJob job = linear_job(
      R"({"weight": {"quantizer": {"id": "a.asking", "params": {"stat": "stat:hessian/9"}}}})");
  CHECK(contains(refusal([&] { job.plan(); }, ErrorCode::config),
                 "quantizer \"a.asking\" needs the statistic \"stat:hessian/9\" of the inputs of "
                 "\"fc.weight\", which no installed observer provides"));
}

TEST_CASE("an observer that asks for what it cannot be given is the plugin's error") {
  StatisticsJob job = linear_job(R"({"weight": {"observer": "a.demanding", "quantizer": "int8"}})");
  CHECK(contains(refusal([&] { job.plan(); }, ErrorCode::plugin),
                 "requires the statistic \"stat:maximum/1\"; observers are given the importance"));
  job.configure(R"({"weight": {"observer": "a.forgetful", "quantizer": "int8"}})");
  CHECK(contains(refusal([&] { job.plan(); }, ErrorCode::plugin),
                 "requires \"stat:second_moment/1\" and has no observe_weighted"));
}

TEST_CASE("an observer that weighs elements is refused for activations") {
  StatisticsJob job = linear_job();
  job.configure(R"({"weight": {"quantizer": "int8"}})",
                R"({"observer": "a.weighing", "quantizer": "int8"})");
  CHECK(contains(refusal([&] { job.plan(); }, ErrorCode::config),
                 "which there is for weights and not for activations"));
}

TEST_CASE("the plan as JSON and as a table shows the statistics, and they count in its memory") {
  StatisticsJob job = linear_job();
  const Plan plan = job.plan();
  const json::Value document = plan_to_json(plan, *job.model);
  const json::Value& first = at(document, "/statistics/0");
  CHECK(text(first, "/layer") == "fc");
  CHECK(text(first, "/tensor") == "fc.weight");
  CHECK(text(first, "/side") == "input");
  CHECK(text(first, "/statistic") == "stat:second_moment/1");
  CHECK(text(first, "/observer") == "a.mean_square");
  CHECK(text(first, "/operator") == "linear");
  CHECK(text(first, "/wanted_by/0") == R"(observer "a.weighing")");
  CHECK(contains(plan_table(plan, *job.model),
                 "\nstat:second_moment/1 of the inputs of fc, by a.mean_square, for observer "
                 "\"a.weighing\"\n"));
  job.configure(R"({"weight": {"quantizer": "int8"}})");
  const Plan without = job.plan();
  CHECK(without.statistics.empty());
  CHECK(plan.peak_memory_bytes > without.peak_memory_bytes);
}

}  // namespace detent::test
