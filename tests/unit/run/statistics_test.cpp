// SPDX-License-Identifier: Apache-2.0
// A run in which the observer of weights needs to know what goes into their layers.
#include <cstring>

#include "artifact/artifact.hpp"
#include "report/report.hpp"
#include "run/observe_run.hpp"
#include "run/run.hpp"
#include "support/catch.hpp"
#include "support/fake_program.hpp"
#include "support/json_at.hpp"
#include "support/other_table.hpp"
#include "support/refusal.hpp"
#include "support/statistics_job.hpp"

namespace detent::test {
namespace {

const std::vector<float> kFirst{1, 0, 0, 1, 2, 1, 0, -1, 3, 1, 1, 1};
const std::vector<float> kSecond{1, 2, -1, 0, 0, 1, 1, -3};

// first [4, 3], relu, second [2, 4].
struct RunJob {
  explicit RunJob(const std::string& rule = kWeighed)
      : job({f32("first.weight", {4, 3}, kFirst), f32("second.weight", {2, 4}, kSecond)}, {}, rule),
        program({{"first.weight", 4, 3, kFirst, {}, true}, {"second.weight", 2, 4, kSecond}}) {
    std::vector<float> samples;
    for (int i = 0; i < 180; ++i) samples.push_back(static_cast<float>(i * i % 11 - 5));
    job.write_samples({60, 3}, samples);
  }
  RunFacts run(std::vector<std::filesystem::path> states = {}) {
    return run_pipeline(job.config, *job.model,
                        {.overwrite = Overwrite::replace,
                         .program = &program,
                         .states = std::move(states),
                         .progress = {}});
  }
  ObserveFacts observe(const std::string& folder, Shard shard = {}) {
    return observe_pipeline(
        job.config, *job.model,
        {.folder = job.folder / folder, .shard = shard, .program = &program, .progress = {}});
  }
  std::string output() const { return read_file(job.folder / "out/m.safetensors"); }

  StatisticsJob job;
  FakeProgram program;
};

}  // namespace

TEST_CASE("the report tells which statistics were collected, by whom, over how many values") {
  RunJob run;
  const json::Value report = report_to_json(run.run());
  REQUIRE(list(report, "/calibration/statistics").size() == 2);
  const json::Value& second = at(report, "/calibration/statistics/1");
  CHECK(text(second, "/layer") == "second");
  CHECK(text(second, "/tensor") == "second.weight");
  CHECK(text(second, "/statistic") == "stat:second_moment/1");
  CHECK(text(second, "/observer") == "a.mean_square");
  CHECK(text(second, "/wanted_by/0") == R"(observer "a.weighing")");
  CHECK(number(second, "/channels") == 4);
  CHECK(number(second, "/observed") == 240);
  CHECK(number(second, "/non_finite") == 0);
  CHECK(number(report, "/calibration/samples_used") == 60);
  CHECK(number(report, "/calibration/passes") == 1);
  bool named = false;
  for (const json::Value& plugin : list(report, "/provenance/plugins"))
    named = named || text(plugin, "/id") == "a.mean_square";
  CHECK(named);
}

TEST_CASE("a layer whose elements are weighed has a weighted SQNR beside the plain one") {
  RunJob run;
  const json::Value weighed = report_to_json(run.run());
  for (const json::Value& layer : list(weighed, "/layers")) {
    CHECK(at(layer, "/weighted_sqnr_db").is_number());
    CHECK(at(layer, "/sqnr_db").is_number());
  }
  run.job.configure(R"({"weight": {"quantizer": "int8"}})");
  const json::Value plain = report_to_json(run.run());
  CHECK(at(plain, "/layers/0/weighted_sqnr_db").is_null());
  CHECK(at(plain, "/calibration").is_null());
}

TEST_CASE("a run from states, whole or in parts, gives the bytes of one from the data") {
  RunJob run;
  run.run();
  const std::string direct = run.output();
  run.observe("whole");
  const RunFacts facts = run.run({run.job.folder / "whole"});
  CHECK(run.output() == direct);
  CHECK(facts.calibration.states == 1);
  for (const std::uint64_t i : {1U, 2U, 3U}) run.observe("parts", {i, 3});
  run.run({run.job.folder / "parts"});
  CHECK(run.output() == direct);
  // The data may be elsewhere.
  std::filesystem::remove(run.job.folder / "c.safetensors");
  run.run({run.job.folder / "parts"});
  CHECK(run.output() == direct);
}

TEST_CASE("the number of threads changes no byte of what was weighed") {
  RunJob run;
  run.job.config.threads = 1;
  run.run();
  const std::string one = run.output();
  run.job.config.threads = 3;
  run.run();
  CHECK(run.output() == one);
}

TEST_CASE("a provider that cannot merge is refused for parts, naming it") {
  RunJob run;
  PluginUse& use = run.job.config.statistic_providers.at("stat:second_moment/1");
  Plugin alone = *use.plugin;
  detent_observer_vtbl table = *static_cast<const detent_observer_vtbl*>(alone.code().vtbl);
  table.merge = nullptr;
  alone.source = with_table(alone, &table);
  use.plugin = &alone;
  try {
    run.observe("parts", {1, 2});
    FAIL("not refused");
  } catch (const Error& e) {
    CHECK(e.code() == ErrorCode::config);
    CHECK(contains(e.what(),
                   "observer \"a.mean_square\" cannot put the states of several parts together"));
  }
}

}  // namespace detent::test
