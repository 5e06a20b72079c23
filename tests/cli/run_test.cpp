// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <map>

#include "support/catch.hpp"
#include "support/json_at.hpp"
#include "support/program.hpp"
#include "support/tiny_model.hpp"

namespace detent::test {
namespace {

constexpr const char* kMixed = R"({
  "model": {"path": "model.safetensors"},
  "rules": [
    {"match": {"type": "Embedding"}, "weight": {"quantizer": "int8"}},
    {"match": {"type": "Linear"}, "weight": {"quantizer": "int4_groupwise", "params": {"group_size": 32}}},
    {"match": {"type": "Conv2d"}, "weight": {"observer": {"id": "histogram", "params": {"method": "mse"}}, "quantizer": "int8"}}
  ],
  "outputs": [{"serializer": "safetensors", "path": "out/model.safetensors"}],
  "validation": {"validators": ["sqnr", "size", "weight_range", "roundtrip"]},
  "report": {"path": "out"}
})";

struct Job {
  TempFolder folder;
  std::string config;

  explicit Job(const std::string& pipeline = kMixed) {
    write_safetensors(folder / "model.safetensors", tiny_network(), R"({"author":"somebody"})");
    config = (folder / "p.json").string();
    write_file(config, pipeline);
  }
  Outcome run(std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"run", config});
    return run_detent(more);
  }
  std::string output() const { return read_file(folder / "out/model.safetensors"); }
  json::Value report() const { return json::parse(read_file(folder / "out/report.json")); }
};

// name -> (dtype, shape text, bytes) of a safetensors file
struct Stored {
  std::string dtype;
  std::string shape;
  std::string bytes;
};
std::map<std::string, Stored> stored(const std::filesystem::path& path) {
  const RawSafetensors raw = read_raw_safetensors(path);
  std::map<std::string, Stored> all;
  const json::Value header = json::parse(raw.header);
  for (const json::Member& m : *header.if_object()) {
    if (m.key == "__metadata__") continue;
    const auto from = static_cast<std::size_t>(number(m.value, "/data_offsets/0"));
    const auto to = static_cast<std::size_t>(number(m.value, "/data_offsets/1"));
    all[m.key] = {text(m.value, "/dtype"), json::dump(at(m.value, "/shape")),
                  raw.data.substr(from, to - from)};
  }
  return all;
}

}  // namespace

TEST_CASE("a run writes codes, scales and everything else of the model", "[cli][run]") {
  const Job job;
  const Outcome outcome = job.run();
  INFO(outcome.err);
  REQUIRE(outcome.exit_code == 0);
  auto out = stored(job.folder / "out/model.safetensors");
  CHECK(out.at("conv1.weight").dtype == "I8");
  CHECK(out.at("conv1.weight").shape == "[8,3,3,3]");
  CHECK(out.at("conv1.weight_scale").shape == "[8]");
  CHECK(out.at("embed.weight").dtype == "I8");
  CHECK(out.at("embed.weight_scale").shape == "[20]");
  CHECK(out.at("fc1.weight").dtype == "U8");
  CHECK(out.at("fc1.weight").shape == "[32,32]");
  CHECK(out.at("fc1.weight_scale").shape == "[32,2]");
  CHECK(out.count("fc1.weight_zero_point") == 0);
  const auto in = stored(job.folder / "model.safetensors");
  for (const char* kept :
       {"conv1.bias", "fc1.bias", "norm.weight", "norm.bias", "lm_head.weight", "steps"}) {
    CAPTURE(kept);
    CHECK(out.at(kept).bytes == in.at(kept).bytes);
    CHECK(out.at(kept).dtype == in.at(kept).dtype);
  }
  CHECK(out.size() == in.size() + 3);
}

TEST_CASE("the run does what the plan said, tensor by tensor", "[cli][run]") {
  const Job job;
  const Outcome planned = run_detent({"plan", job.config, "--json"});
  REQUIRE(planned.exit_code == 0);
  CHECK_FALSE(std::filesystem::exists(job.folder / "out"));
  const json::Value plan = json::parse(planned.out);
  REQUIRE(job.run().exit_code == 0);
  const auto out = stored(job.folder / "out/model.safetensors");
  const json::Value report = job.report();
  std::size_t bytes_after = 0;
  for (const json::Value& t : list(plan, "/tensors")) {
    const std::string name = text(t, "/name");
    CAPTURE(name);
    std::size_t bytes = out.at(name).bytes.size();
    const bool quantized = text(t, "/action") == "quantize";
    if (quantized) bytes += out.at(name + "_scale").bytes.size();
    CHECK(static_cast<double>(bytes) == number(t, "/bytes_after"));
    bytes_after += bytes;
    const json::Value& done = item(report, "/plan/tensors", "name", name);
    CHECK(done == t);
  }
  CHECK(number(plan, "/totals/bytes_after") == static_cast<double>(bytes_after));
  CHECK(number(report, "/totals/bytes_after") == static_cast<double>(bytes_after));
}

TEST_CASE("equal input gives equal bytes, whatever the number of threads", "[cli][run]") {
  const Job job;
  REQUIRE(job.run({"--threads", "1"}).exit_code == 0);
  const std::string one = job.output();
  for (const char* threads : {"1", "2", "5"}) {
    REQUIRE(job.run({"--threads", threads, "--overwrite"}).exit_code == 0);
    CHECK(job.output() == one);
  }
}

TEST_CASE("the input is not modified", "[cli][run]") {
  const Job job;
  const std::string before = read_file(job.folder / "model.safetensors");
  REQUIRE(job.run().exit_code == 0);
  CHECK(read_file(job.folder / "model.safetensors") == before);
}

TEST_CASE("an existing output is replaced only with --overwrite", "[cli][run]") {
  const Job job;
  REQUIRE(job.run().exit_code == 0);
  const std::string first = job.output();
  const Outcome again = job.run({"--set", "/rules/1/weight/params/group_size=16"});
  CHECK(again.exit_code == 5);
  CHECK(again.err.find("--overwrite") != std::string::npos);
  CHECK(job.output() == first);
  CHECK(job.run({"--overwrite", "--set", "/rules/1/weight/params/group_size=16"}).exit_code == 0);
  CHECK(job.output() != first);
}

TEST_CASE("a run that fails leaves the earlier output as it was", "[cli][run]") {
  const Job job;
  REQUIRE(job.run().exit_code == 0);
  const auto names = job.folder.names();
  const std::string first = job.output();
  const std::string report = read_file(job.folder / "out/report.json");
  const Outcome failed = job.run(
      {"--overwrite", "--set",
       R"(/validation/validators=[{"id":"sqnr","params":{"critical_db":99,"warn_db":99}}])"});
  INFO(failed.err);
  CHECK(failed.exit_code == 4);
  CHECK(job.output() == first);
  CHECK(read_file(job.folder / "out/report.json") == report);
  CHECK(job.folder.names() == names);
}

TEST_CASE("on_failure decides what a failed validation means", "[cli][run]") {
  const Job job;
  const std::string strict_validator =
      R"(/validation/validators=[{"id":"sqnr","params":{"critical_db":99,"warn_db":99}}])";
  const Outcome warned =
      job.run({"--set", strict_validator, "--set", "/validation/on_failure=warn"});
  CHECK(warned.exit_code == 0);
  CHECK(warned.err.find("warning:") != std::string::npos);
  const Outcome ignored =
      job.run({"--set", strict_validator, "--set", "/validation/on_failure=ignore", "--overwrite"});
  CHECK(ignored.exit_code == 0);
  CHECK(ignored.err.find("warning:") == std::string::npos);
}

TEST_CASE("the file carries the four groups of metadata and the model's own", "[cli][run]") {
  const Job job;
  REQUIRE(job.run().exit_code == 0);
  const json::Value header =
      json::parse(read_raw_safetensors(job.folder / "out/model.safetensors").header);
  for (const json::Member& m : *at(header, "/__metadata__").if_object()) {
    CAPTURE(m.key);
    CHECK(m.value.if_string() != nullptr);
  }
  CHECK(text(header, "/__metadata__/format") == "pt");
  CHECK(text(header, "/__metadata__/author") == "somebody");
  const json::Value q = json::parse(text(header, "/__metadata__/quantization"));
  const json::Value& fc1 = at(q, "/layers/fc1");
  CHECK(number(fc1, "/bits") == 4);
  CHECK(text(fc1, "/scheme") == "symmetric");
  CHECK(text(fc1, "/granularity") == "per_group");
  CHECK(number(fc1, "/group_size") == 32);
  CHECK(text(fc1, "/packing") == "low_nibble_first");
  CHECK(text(q, "/layers/conv1/observer") == "histogram");
  const json::Value architecture = json::parse(text(header, "/__metadata__/architecture"));
  CHECK(text(architecture, "/layers/conv1/type") == "Conv2d");
  CHECK(json::dump(at(architecture, "/layers/fc1/shapes/weight")) == "[32,64]");
  const json::Value versions = json::parse(text(header, "/__metadata__/versions"));
  CHECK(text(versions, "/detent") == DETENT_VERSION);
  CHECK(text(item(versions, "/plugins", "id", "int8"), "/sha256").size() == 64);
  const json::Value metrics = json::parse(text(header, "/__metadata__/metrics"));
  CHECK(number(metrics, "/sqnr_db/fc1.weight") > 15);
  CHECK(number(metrics, "/compression_ratio") > 2);
}

TEST_CASE("the weight observer decides the scale", "[cli][run]") {
  // 511 sines and one value far outside: with 15 levels, clipping it is the smaller error, and a
  // search for the least squared error must find that.
  std::vector<float> values(4 * 512);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = std::sin(static_cast<float>(i));
  for (std::size_t row = 0; row < 4; ++row) values[row * 512 + 5] = 3.0F;
  const auto scale_with = [&](const std::string& observer) {
    const Job job(R"({"model": {"path": "model.safetensors"}, "rules": [{"weight": {"observer": )" +
                  observer + R"(, "quantizer": "int4_groupwise", "params": {"group_size": 512}}}],
                  "outputs": [{"serializer": "safetensors", "path": "out/model.safetensors"}],
                  "report": {"path": "out"}})");
    write_safetensors(job.folder / "model.safetensors", {f32("fc.weight", {4, 512}, values)});
    const Outcome outcome = job.run();
    INFO(outcome.err);
    REQUIRE(outcome.exit_code == 0);
    return number(item(job.report(), "/layers", "name", "fc"), "/scale/max");
  };
  CHECK(scale_with(R"("minmax")") == static_cast<double>(3.0F / 7.0F));
  CHECK(scale_with(R"({"id": "histogram", "params": {"method": "mse"}})") < 0.3);
}

TEST_CASE("the report accounts for every layer", "[cli][run]") {
  const Job job;
  const Outcome outcome = job.run({"--json"});
  REQUIRE(outcome.exit_code == 0);
  const json::Value report = json::parse(outcome.out);
  CHECK(report.at_pointer("/layers") != nullptr);
  std::vector<std::string> names;
  for (const json::Value& n : list(report, "/selected")) names.push_back(*n.if_string());
  CHECK(names == std::vector<std::string>{"conv1", "embed", "fc1"});
  for (const json::Value& s : list(report, "/skipped")) {
    CHECK_FALSE(text(s, "/reason").empty());
    names.push_back(text(s, "/name"));
  }
  CHECK(names.size() == list(report, "/layers").size());
  CHECK(text(item(report, "/skipped", "name", "lm_head"), "/reason").find("lm_head") !=
        std::string::npos);
  CHECK(text(report, "/config/origins/~1rules~10~1weight~1quantizer~1id").find("p.json:") !=
        std::string::npos);
  CHECK(number(report, "/peak_memory_bytes") > 0);
  CHECK_FALSE(list(report, "/provenance/plugins").empty());
  CHECK(std::filesystem::exists(job.folder / "out/report.html"));
}

TEST_CASE("--set goes before the file, and the report says so", "[cli][run]") {
  const Job job;
  const Outcome outcome = job.run({"--json", "--set", "/rules/1/weight/params/group_size=64"});
  REQUIRE(outcome.exit_code == 0);
  const json::Value report = json::parse(outcome.out);
  CHECK(number(report, "/config/value/rules/1/weight/quantizer/params/group_size") == 64);
  CHECK(text(report, "/config/origins/~1rules~11~1weight~1quantizer~1params~1group_size") ==
        "--set");
}

}  // namespace detent::test
