// SPDX-License-Identifier: Apache-2.0
// Where a plugin runs changes no byte of what is written.
#include <map>

#include "isolation/job.hpp"
#include "support/catch.hpp"
#include "support/tiny_model.hpp"

namespace detent::test {
namespace {

constexpr const char* kBuiltIn = R"({
  "model": {"path": "model.safetensors"},
  "rules": [
    {"match": {"type": "Embedding"}, "weight": {"quantizer": "int8"}},
    {"match": {"name": "fc1"}, "weight": {"quantizer": "int4_groupwise", "params": {"group_size": 32}}},
    {"match": {"name": "lm_head"}, "weight": {"observer": "mse", "quantizer": "int8"}},
    {"match": {"type": "Conv2d"}, "weight": {"observer": {"id": "histogram", "params": {"method": "mse"}}, "quantizer": "int8"}},
    {"match": {"name": "norm"}, "weight": {"quantizer": "fp16"}}
  ],
  "outputs": [{"serializer": "safetensors", "path": "out/model.safetensors"},
              {"serializer": "state_dict", "path": "out/model.pt"}],
  "validation": {"validators": ["sqnr", "size", "weight_range", "roundtrip"]},
  "report": {"path": "out"}
})";

struct Written {
  std::string safetensors;
  std::string state_dict;
  json::Value report;
};

Written run_with(const std::vector<std::string>& settings) {
  const TempFolder folder;
  write_safetensors(folder / "model.safetensors", tiny_network());
  write_file(folder / "p.json", kBuiltIn);
  std::vector<std::string> arguments{"run", (folder / "p.json").string()};
  for (const std::string& s : settings) arguments.insert(arguments.end(), {"--set", s});
  const Outcome outcome = run_detent(arguments);
  INFO(outcome.err);
  REQUIRE(outcome.exit_code == 0);
  return {read_file(folder / "out/model.safetensors"), read_file(folder / "out/model.pt"),
          json::parse(read_file(folder / "out/report.json"))};
}

std::map<std::string, std::string> isolation_of(const json::Value& report) {
  std::map<std::string, std::string> all;
  for (const json::Value& p : *at(report, "/provenance/plugins").if_array())
    all[text(p, "/id")] = text(p, "/isolation");
  return all;
}

}  // namespace

TEST_CASE("built-in plugins write the same bytes in a process of their own, with any threads",
          "[isolation]") {
  const Written here = run_with({"/runtime/isolation=none", "/runtime/threads=1"});
  for (const char* threads : {"/runtime/threads=1", "/runtime/threads=4"}) {
    const Written there = run_with({"/runtime/isolation=process", threads});
    CHECK(there.safetensors == here.safetensors);
    CHECK(there.state_dict == here.state_dict);
    CHECK(json::dump(at(there.report, "/validation/findings")) ==
          json::dump(at(here.report, "/validation/findings")));
  }
}

TEST_CASE("the report says what each plugin was kept in", "[isolation]") {
  for (const auto& [id, isolation] : isolation_of(run_with({"/runtime/isolation=none"}).report))
    CHECK(isolation == "none");
  for (const auto& [id, isolation] : isolation_of(run_with({}).report)) CHECK(isolation == "none");
  const auto all = isolation_of(run_with({"/runtime/isolation=process"}).report);
  CHECK(all.size() >= 8);
  for (const auto& [id, isolation] : all) CHECK(isolation.substr(0, 7) == "process");
}

TEST_CASE("one plugin can be isolated by itself", "[isolation]") {
  const auto all = isolation_of(
      run_with({R"(/rules/2/weight/observer={"id": "mse", "isolation": "process"})"}).report);
  CHECK(all.at("mse").substr(0, 7) == "process");
  CHECK(all.at("histogram") == "none");
}

TEST_CASE("a plugin that does not belong to the installation is isolated without being asked",
          "[isolation]") {
  const HostileJob job("observer", {""}, "");
  const Outcome outcome = job.run();
  INFO(outcome.err);
  REQUIRE(outcome.exit_code == 0);
  const auto all = isolation_of(job.report());
  CHECK(all.at("hostile.observer").substr(0, 7) == "process");
  CHECK(all.at("int8") == "none");
}

}  // namespace detent::test
