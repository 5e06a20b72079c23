// SPDX-License-Identifier: Apache-2.0
// An artefact in a format that only its serializer knows is read back by the serializer's own
// functions, and judged like any other.
#include "support/catch.hpp"
#include "support/json_at.hpp"
#include "support/program.hpp"
#include "support/tiny_model.hpp"

namespace detent::test {
namespace {

const std::string kPlugins = std::string("DETENT_PLUGIN_PATH=") + DETENT_CLI_FIXTURES;

struct Job {
  TempFolder folder;
  explicit Job(const std::string& mode, const std::string& quantizer = "int8",
               const std::string& isolation = "none") {
    write_safetensors(folder / "model.safetensors",
                      {random_f32("a.weight", {16, 64}, 1), random_f32("b.weight", {16, 33}, 2),
                       random_f32("b.bias", {16}, 3)});
    write_file(
        folder / "p.json",
        R"({"model": {"path": "model.safetensors"}, "rules": [{"weight": {"quantizer": ")" +
            quantizer +
            R"("}}], "outputs": [{"serializer": {"id": "fixture.packed", "params": {"mode": ")" +
            mode + R"("}}, "path": "out/model.packed"}],
                   "validation": {"validators": ["sqnr", "size", "weight_range", "roundtrip"]},
                   "report": {"path": "out"}, "runtime": {"isolation": ")" +
            isolation + R"("}})");
  }
  Outcome run() const { return run_detent({"run", (folder / "p.json").string()}, {kPlugins}); }
  bool wrote() const { return std::filesystem::exists(folder / "out/model.packed"); }
};

}  // namespace

TEST_CASE("an artefact in a serializer's own format is read back and validated", "[cli][format]") {
  for (const auto& [quantizer, isolation] :
       {std::pair("int8", "none"), {"int4_groupwise", "none"}, {"int4_groupwise", "process"}}) {
    CAPTURE(quantizer, isolation);
    const Job job("honest", quantizer, isolation);
    const Outcome outcome = job.run();
    INFO(outcome.err);
    REQUIRE(outcome.exit_code == 0);
    CHECK(outcome.err.find("artifact_not_read") == std::string::npos);
    const json::Value report = json::parse(read_file(job.folder / "out/report.json"));
    CHECK(*at(report, "/validation/load_test_passed").if_bool());
    CHECK(*at(report, "/validation/weight_range_valid").if_bool());
  }
}

TEST_CASE("every command reads a format that an installed serializer reads", "[cli][format]") {
  const Job job("honest");
  REQUIRE(job.run().exit_code == 0);
  const std::string file = (job.folder / "out/model.packed").string();
  const std::string original = (job.folder / "model.safetensors").string();
  const std::string floats = (job.folder / "floats.safetensors").string();
  const json::Value inspected =
      json::parse(run_detent({"inspect", file, "--json"}, {kPlugins}).out);
  CHECK(text(inspected, "/format") == "packed");
  CHECK(text(item(inspected, "/tensors", "name", "a.weight"), "/dtype") == "I8");
  CHECK(run_detent({"verify", file}, {kPlugins}).exit_code == 0);
  CHECK(run_detent({"dequantize", file, floats}, {kPlugins}).exit_code == 0);
  const json::Value compared =
      json::parse(run_detent({"compare", original, file, "--json"}, {kPlugins}).out);
  CHECK(number(compared, "/totals/sqnr_db_min") > 30);
  const Outcome without = run_detent({"inspect", file});
  CHECK(without.exit_code == 5);
  CHECK(without.err.find("unsupported file extension .packed") != std::string::npos);
}

TEST_CASE("what a serializer wrote wrongly is found when it is read back", "[cli][format]") {
  for (const char* mode : {"flip", "drop"})
    for (const char* isolation : {"none", "process"}) {
      CAPTURE(mode, isolation);
      const Job job(mode, "int8", isolation);
      CHECK(job.run().exit_code == 4);
      CHECK_FALSE(job.wrote());
    }
}

TEST_CASE("what a reading side claims is held against the file", "[cli][format]") {
  const auto error_of = [](const char* mode) {
    const Job job(mode);
    const Outcome outcome = job.run();
    CHECK(outcome.exit_code == 4);
    CHECK_FALSE(job.wrote());
    return outcome.err;
  };
  CHECK(error_of("huge").find("bytes cannot hold its") != std::string::npos);
  CHECK(error_of("twice").find("is there twice") != std::string::npos);
}

}  // namespace detent::test
