// SPDX-License-Identifier: Apache-2.0
// What a run finds out about itself: thresholds, gains, things without effect, and what each of
// them does to the exit code.
#include <cmath>
#include <cstring>

#include "base/hash.hpp"
#include "support/catch.hpp"
#include "support/json_at.hpp"
#include "support/program.hpp"
#include "support/refusal.hpp"
#include "support/tiny_model.hpp"

namespace detent::test {
namespace {

const std::string kPlugins = std::string("DETENT_PLUGIN_PATH=") + DETENT_CLI_FIXTURES;

// Rules and what else is given, for model.safetensors.
struct Job {
  explicit Job(const std::string& rules,
               const std::string& more = R"("validation": {"validators": []})") {
    write_safetensors(folder / "model.safetensors",
                      {random_f32("a.weight", {16, 64}, 1), random_f32("b.weight", {8, 40}, 2),
                       random_f32("norm.weight", {64}, 3), random_f32("b.bias", {8}, 4)});
    write_file(folder / "p.json", R"({"model": {"path": "model.safetensors"}, "rules": [)" + rules +
                                      R"(], "outputs": [{"serializer": "safetensors",
                                      "path": "out/model.safetensors"}],
                                      "report": {"path": "out"}, )" +
                                      more + "}");
  }
  Outcome run(std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"run", (folder / "p.json").string(), "--overwrite"});
    return run_detent(more, {kPlugins});
  }
  json::Value report() const { return json::parse(read_file(folder / "out/report.json")); }
  bool wrote() const { return std::filesystem::exists(folder / "out"); }

  TempFolder folder;
};

std::string claims(const std::string& mode) {
  return R"({"weight": {"quantizer": "fixture.claims", "params": {"mode": ")" + mode + R"("}}})";
}

std::vector<std::string> codes(const json::Value& report, const char* of = "/warnings") {
  std::vector<std::string> all;
  for (const json::Value& w : list(report, of)) all.push_back(text(w, "/code"));
  return all;
}

bool has(const std::vector<std::string>& all, const std::string& code) {
  return std::find(all.begin(), all.end(), code) != all.end();
}

// One row of one large value and many equal small ones. In 8 bits and one scale the large one is
// exact and the small ones, all under half a step, become zero: signal and noise follow from
// nothing but the two values.
void write_weight_of(const std::filesystem::path& path, double db) {
  constexpr std::size_t kN = 128 * 128;
  const double small = 1 / std::sqrt((kN - 1) * (std::pow(10, db / 10) - 1));
  std::vector<float> values(kN, static_cast<float>(small));
  values[77] = 1;
  write_safetensors(path, {f32("fc.weight", {128, 128}, values)});
}

struct SqnrJob : Job {
  SqnrJob(double db, const std::string& validation)
      : Job(R"({"weight": {"quantizer": "int8", "params": {"granularity": "per_tensor"}}})",
            R"("validation": )" + validation) {
    write_weight_of(folder / "model.safetensors", db);
  }
};

constexpr const char* kDefaults = R"({"validators": ["sqnr"]})";

}  // namespace

TEST_CASE("an algorithm that only rounds is told so, layer by layer", "[cli][findings]") {
  for (const char* mode : {"gptq", "silent"}) {
    CAPTURE(mode);
    const Job job(claims(mode));
    const Outcome outcome = job.run();
    INFO(outcome.err);
    CHECK(outcome.exit_code == 0);
    CHECK(contains(outcome.err, "gain 0.00 dB over rounding to nearest on 2/2 layers"));
    const json::Value report = job.report();
    CHECK(codes(report) == std::vector<std::string>{"no_gain"});
    CHECK(text(report, "/warnings/0/where/pointer") == "/rules/0/weight");
    CHECK(number(item(report, "/layers", "name", "a"), "/gain_db") == 0);
  }
}

TEST_CASE("with --strict it is an error, and nothing is written", "[cli][findings]") {
  const Job job(claims("gptq"));
  const Outcome outcome = job.run({"--strict"});
  CHECK(outcome.exit_code == 3);
  CHECK(contains(outcome.err, "gain 0.00 dB over rounding to nearest on 2/2 layers"));
  CHECK_FALSE(job.wrote());
}

TEST_CASE("plain rounding that says so, and a real gain, pass strictly", "[cli][findings]") {
  const std::vector<std::string> rules{
      claims("honest"),
      claims("better"),
      R"({"weight": {"quantizer": "int8"}})",
      R"({"weight": {"observer": "minmax", "quantizer": "int8"}})",
      R"({"weight": {"observer": "ema", "quantizer": "int8"}})",
      R"({"weight": {"quantizer": "int8", "params": {"dtype": "uint8", "symmetric": false}}})",
      R"({"weight": {"quantizer": "fp16"}})"};
  for (const std::string& rule : rules) {
    CAPTURE(rule);
    const Outcome outcome = Job(rule).run({"--strict"});
    INFO(outcome.err);
    CHECK(outcome.exit_code == 0);
  }
}

TEST_CASE("the gain of a search is what it is above rounding", "[cli][findings]") {
  const Job job(R"({"weight": {"quantizer": "int4_groupwise",
                    "params": {"group_size": 32, "search": "mse", "default_skip": false}}})");
  REQUIRE(job.run().exit_code == 0);
  const json::Value report = job.report();
  for (const char* name : {"a", "b"}) {
    const json::Value& layer = item(report, "/layers", "name", name);
    CHECK(number(layer, "/gain_db") > 0.05);
    CHECK(number(layer, "/gain_db") ==
          Approx(number(layer, "/sqnr_db") - number(layer, "/rtn_sqnr_db")).margin(1e-9));
    const json::Value& one = item(layer, "/errors", "tensor", std::string(name) + ".weight");
    CHECK(number(one, "/gain_db") == number(layer, "/gain_db"));
    CHECK(number(one, "/cosine") == number(layer, "/cosine"));
    CHECK(number(layer, "/cosine") > 0.99);
    CHECK(number(layer, "/mse") > 0);
  }
  CHECK_FALSE(has(codes(report), "no_gain"));
  CHECK(item(report, "/layers", "name", "norm").at_pointer("/gain_db")->is_null());
}

TEST_CASE("casts have no gain over rounding", "[cli][findings]") {
  const Job job(R"({"weight": {"quantizer": "fp16"}})");
  REQUIRE(job.run().exit_code == 0);
  const json::Value report = job.report();
  const json::Value& layer = item(report, "/layers", "name", "a");
  CHECK(layer.at_pointer("/gain_db")->is_null());
  CHECK(layer.at_pointer("/rtn_sqnr_db")->is_null());
  CHECK(layer.at_pointer("/errors/0/gain_db")->is_null());
}

TEST_CASE("a quantizer that changes nothing, or leaves nothing, is a warning", "[cli][findings]") {
  const Job copy(claims("copy"));
  CHECK(copy.run().exit_code == 0);
  CHECK(codes(copy.report()) == std::vector<std::string>{"no_effect", "no_effect"});
  CHECK(copy.run({"--strict"}).exit_code == 3);
  const Job zero(claims("zero"));
  CHECK(zero.run().exit_code == 0);
  CHECK(has(codes(zero.report()), "all_zero"));
}

TEST_CASE("weights that rounding holds exactly are a note, strictly too", "[cli][findings]") {
  const Job job(R"({"weight": {"quantizer": "int8"}})");
  std::vector<float> grid(16 * 64);
  for (std::size_t i = 0; i < grid.size(); ++i) grid[i] = static_cast<float>(i * 37 % 255) - 127;
  for (std::size_t row = 0; row < 16; ++row) grid[row * 64] = 127;
  write_safetensors(
      job.folder / "model.safetensors",
      {f32("a.weight", {16, 64}, grid), f32("b.weight", {8, 40}, std::vector<float>(320, 0.0F))});
  CHECK(job.run({"--strict"}).exit_code == 0);
  const json::Value report = job.report();
  CHECK(codes(report).empty());
  const auto notes = codes(report, "/notes");
  CHECK(std::count(notes.begin(), notes.end(), "exact") == 2);
  CHECK(text(item(report, "/layers", "name", "a"), "/sqnr_db") == "inf");
  CHECK(number(item(report, "/layers", "name", "a"), "/gain_db") == 0);
}

TEST_CASE("an SQNR of 9, 15 and 25 dB is critical, a warning and neither", "[cli][findings]") {
  const SqnrJob critical(9, kDefaults);
  const Outcome failed = critical.run();
  INFO(failed.err);
  CHECK(failed.exit_code == 4);
  CHECK(contains(failed.err, "fc.weight"));
  CHECK(contains(failed.err, "below 10.00"));
  CHECK_FALSE(critical.wrote());

  const SqnrJob low(15, kDefaults);
  const Outcome warned = low.run();
  CHECK(warned.exit_code == 0);
  CHECK(contains(warned.err, "below 20.00"));
  CHECK(number(low.report(), "/layers/0/sqnr_db") == Approx(15).margin(1e-4));
  CHECK(low.run({"--strict"}).exit_code == 3);

  const SqnrJob good(25, kDefaults);
  const Outcome passed = good.run();
  CHECK(passed.exit_code == 0);
  CHECK_FALSE(contains(passed.err, "SQNR"));
  CHECK(number(good.report(), "/layers/0/sqnr_db") == Approx(25).margin(1e-4));
}

TEST_CASE("the thresholds of SQNR are the configuration's", "[cli][findings]") {
  const std::string higher =
      R"({"validators": [{"id": "sqnr", "params": {"critical_db": 26, "warn_db": 30}}]})";
  CHECK(SqnrJob(25, higher).run().exit_code == 4);
  const std::string lower =
      R"({"validators": [{"id": "sqnr", "params": {"critical_db": 5, "warn_db": 8}}]})";
  const Outcome passed = SqnrJob(9, lower).run();
  CHECK(passed.exit_code == 0);
  CHECK_FALSE(contains(passed.err, "warning"));
}

TEST_CASE("on_failure is error, warn or ignore and nothing else", "[cli][findings]") {
  const auto mode = [](const std::string& word) {
    return R"({"validators": ["sqnr"], "on_failure": ")" + word + "\"}";
  };
  const SqnrJob error(9, mode("error"));
  CHECK(error.run().exit_code == 4);
  CHECK_FALSE(error.wrote());

  const SqnrJob warn(9, mode("warn"));
  const Outcome warned = warn.run();
  CHECK(warned.exit_code == 0);
  CHECK(contains(warned.err, "warning"));
  CHECK(contains(warned.err, "below 10.00"));
  CHECK(has(codes(warn.report()), "validation_failed"));
  CHECK(warn.wrote());

  const SqnrJob ignore(9, mode("ignore"));
  const Outcome ignored = ignore.run();
  CHECK(ignored.exit_code == 0);
  CHECK(ignored.err.empty());
  CHECK(text(item(ignore.report(), "/validation/findings", "metric", "sqnr_db"), "/severity") ==
        "fail");

  const SqnrJob foo(9, mode("foo"));
  const Outcome refused = foo.run();
  CHECK(refused.exit_code == 2);
  CHECK(contains(refused.err, "/validation/on_failure"));
  CHECK_FALSE(foo.wrote());
}

TEST_CASE("every layer in four bits is a warning, and only layers with a matrix count",
          "[cli][findings]") {
  const std::string int4 =
      R"({"weight": {"quantizer": "int4_groupwise", "params": {"group_size": 32, "default_skip": false}}})";
  const Job all(int4);  // norm has nothing to quantize
  const Outcome outcome = all.run();
  CHECK(outcome.exit_code == 0);
  CHECK(contains(outcome.err, "All layers were quantized (2 of 2)"));
  CHECK(contains(outcome.err, "consider skipping embeddings and normalization layers"));
  CHECK(has(codes(all.report()), "all_layers_quantized"));
  CHECK(all.run({"--strict"}).exit_code == 2);

  const Job some(R"({"match": {"name": "b"}, "keep": true}, )" + int4);
  CHECK(some.run({"--strict"}).exit_code == 0);
  CHECK_FALSE(has(codes(some.report()), "all_layers_quantized"));

  const Job mixed(R"({"match": {"name": "b"}, "weight": {"quantizer": "int8"}}, )" + int4);
  CHECK(mixed.run({"--strict"}).exit_code == 0);
  CHECK(has(codes(mixed.report(), "/notes"), "all_layers_quantized"));
}

TEST_CASE("nothing to quantize is a warning, strictly an error", "[cli][findings]") {
  const Job job(R"({"match": {"name": "norm"}, "weight": {"quantizer": "int8"}})");
  const Outcome outcome = job.run();
  CHECK(outcome.exit_code == 0);
  CHECK(has(codes(job.report()), "nothing_to_quantize"));
  CHECK(job.run({"--strict"}).exit_code == 2);
}

TEST_CASE("the page shows gains, MSE, cosine, warnings and notes", "[cli][findings]") {
  const Job job(
      R"({"match": {"name": "a"}, "weight": {"quantizer": "int4_groupwise", "params": {"search": "mse", "group_size": 16}}}, )" +
      claims("gptq"));
  REQUIRE(job.run().exit_code == 0);
  const std::string page = read_file(job.folder / "out/report.html");
  for (const char* part : {">gain dB<", ">MSE<", ">cosine<", ">+0.00<", "no_gain", ">note<"}) {
    CAPTURE(part);
    CHECK(contains(page, part));
  }
}

TEST_CASE("the report's validation has sizes, the ratio and what the checks came to",
          "[cli][findings]") {
  const SqnrJob job(15, R"({"validators": ["sqnr", "size", "roundtrip", "weight_range"]})");
  REQUIRE(job.run().exit_code == 0);
  const json::Value v = at(job.report(), "/validation");
  CHECK(number(v, "/sqnr_db") == Approx(15).margin(1e-4));
  CHECK(number(v, "/original_size_mb") == 128 * 128 * 4.0 / 1048576);
  CHECK(number(v, "/quantized_size_mb") == (128 * 128 + 4) / 1048576.0);  // codes and one scale
  CHECK(number(v, "/compression_ratio") == 65536.0 / 16388);
  CHECK(*at(v, "/load_test_passed").if_bool());
  CHECK(*at(v, "/weight_range_valid").if_bool());
  CHECK(list(v, "/errors").empty());
  REQUIRE(list(v, "/warnings").size() == 1);
  CHECK(contains(text(v, "/warnings/0"), "below 20.00"));
  const SqnrJob unchecked(15, R"({"validators": []})");
  REQUIRE(unchecked.run().exit_code == 0);
  CHECK(at(unchecked.report(), "/validation/load_test_passed").is_null());
  CHECK(number(unchecked.report(), "/validation/compression_ratio") > 3);
}

// The artefact with other bytes for a tensor, and their digest in its metadata: what a serializer
// with a bug, not a broken disk, would leave.
void replace_stored(const std::filesystem::path& path, const std::string& name,
                    const std::string& bytes) {
  RawSafetensors raw = read_raw_safetensors(path);
  const json::Value header = json::parse(raw.header);
  const auto from = static_cast<std::size_t>(number(header, "/" + name + "/data_offsets/0"));
  const auto to = static_cast<std::size_t>(number(header, "/" + name + "/data_offsets/1"));
  REQUIRE(to - from == bytes.size());
  const auto digest = [](const std::string& of) {
    const std::string all = xxh3(std::as_bytes(std::span(of)));
    return all.substr(all.find(':') + 1);
  };
  const std::string before = digest(raw.data.substr(from, to - from));
  const std::size_t at_digest = raw.header.find(before);
  REQUIRE(at_digest != std::string::npos);
  raw.header.replace(at_digest, before.size(), digest(bytes));
  raw.data.replace(from, bytes.size(), bytes);
  write_raw_safetensors(path, raw.header, raw.data);
}

TEST_CASE("verify finds a scale that no one can compute with, also where its digest is right",
          "[cli][findings]") {
  for (const float bad : {-0.5F, 0.0F, std::nanf(""), INFINITY}) {
    CAPTURE(bad);
    const SqnrJob job(25, kDefaults);
    REQUIRE(job.run().exit_code == 0);
    const auto artifact = job.folder / "out/model.safetensors";
    std::string bytes(sizeof bad, '\0');
    std::memcpy(bytes.data(), &bad, sizeof bad);
    replace_stored(artifact, "fc.weight_scale", bytes);
    const Outcome outcome = run_detent({"verify", artifact.string()});
    CHECK(outcome.exit_code == 4);
    CHECK(contains(outcome.err, "fc.weight"));
    CHECK(contains(outcome.err, "not finite and above zero"));
  }
}

TEST_CASE("verify counts tensors, quantized ones and what is not finite; NaN put in later fails",
          "[cli][findings]") {
  const Job job(R"({"weight": {"quantizer": "int8"}})");
  std::vector<float> norm(64, 1.0F);
  norm[3] = -INFINITY;
  write_safetensors(job.folder / "model.safetensors",
                    {random_f32("a.weight", {16, 64}, 1), f32("norm.weight", {64}, norm)});
  REQUIRE(job.run().exit_code == 0);
  const auto artifact = job.folder / "out/model.safetensors";
  const json::Value v = json::parse(run_detent({"verify", artifact.string(), "--json"}).out);
  CHECK(number(v, "/tensors") == 3);
  CHECK(number(v, "/quantized") == 1);
  CHECK(number(v, "/non_finite") == 1);
  CHECK(contains(run_detent({"verify", artifact.string()}).out, "1 values of kept ones"));

  RawSafetensors raw = read_raw_safetensors(artifact);
  const json::Value header = json::parse(raw.header);
  const float nan = std::nanf("");
  std::memcpy(
      raw.data.data() + static_cast<std::size_t>(number(header, "/norm.weight/data_offsets/0")),
      &nan, sizeof nan);
  write_raw_safetensors(artifact, raw.header, raw.data);
  CHECK(run_detent({"verify", artifact.string()}).exit_code == 4);
  write_raw_safetensors(artifact, raw.header, raw.data.substr(0, raw.data.size() - 4));
  CHECK(run_detent({"verify", artifact.string()}).exit_code == 5);
}

}  // namespace detent::test
