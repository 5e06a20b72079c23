// SPDX-License-Identifier: Apache-2.0
// inspect, compare, dequantize and verify on what a run made.
#include <cmath>
#include <cstring>

#include "support/catch.hpp"
#include "support/json_at.hpp"
#include "support/program.hpp"
#include "support/tiny_model.hpp"

namespace detent::test {
namespace {

struct Quantized {
  TempFolder folder;
  std::string original;
  std::string artifact;

  explicit Quantized(const std::string& quantizer = R"("int8")") {
    original = (folder / "model.safetensors").string();
    artifact = (folder / "q.safetensors").string();
    write_safetensors(original, tiny_network());
    write_file(
        folder / "p.json",
        R"({"model": {"path": "model.safetensors"}, "rules": [{"match": {"type": ["Linear", "Conv2d"]},
                 "weight": {"quantizer": )" +
            quantizer +
            R"(}}], "outputs": [{"serializer": "safetensors", "path": "q.safetensors"}]})");
    const Outcome outcome = run_detent({"run", (folder / "p.json").string()});
    if (outcome.exit_code != 0) throw std::runtime_error(outcome.err);
  }
};

std::vector<float> floats(const RawSafetensors& raw, const std::string& name) {
  const json::Value header = json::parse(raw.header);
  const std::string base = json::pointer_step(name) + "/data_offsets/";
  const auto from = static_cast<std::size_t>(number(header, base + "0"));
  const auto to = static_cast<std::size_t>(number(header, base + "1"));
  std::vector<float> values((to - from) / sizeof(float));
  std::memcpy(values.data(), raw.data.data() + from, to - from);
  return values;
}

}  // namespace

TEST_CASE("inspect lists tensors, inferred types and quantization", "[cli][models]") {
  const Quantized q;
  const json::Value plain = json::parse(run_detent({"inspect", q.original, "--json"}).out);
  CHECK(text(plain, "/format") == "safetensors");
  CHECK(at(plain, "/quantization").is_null());
  const json::Value& conv = item(plain, "/tensors", "name", "conv1.weight");
  CHECK(text(conv, "/type") == "Conv2d");
  CHECK(text(conv, "/dtype") == "F32");
  CHECK(text(conv, "/layer") == "conv1");
  CHECK(number(conv, "/bytes") == 864);
  const json::Value quantized = json::parse(run_detent({"inspect", q.artifact, "--json"}).out);
  CHECK(text(item(quantized, "/tensors", "name", "conv1.weight"), "/dtype") == "I8");
  CHECK(text(item(quantized, "/tensors", "name", "conv1.weight"), "/type") == "Conv2d");
  CHECK(number(quantized, "/quantization/layers/fc1/bits") == 8);
  CHECK(text(quantized, "/metadata/format") == "pt");
}

TEST_CASE("dequantize gives (q - zero_point) * scale under the original names and shapes",
          "[cli][models]") {
  const Quantized q;
  const std::string out = (q.folder / "back.safetensors").string();
  const Outcome outcome = run_detent({"dequantize", q.artifact, out});
  INFO(outcome.err);
  REQUIRE(outcome.exit_code == 0);
  const RawSafetensors codes = read_raw_safetensors(q.artifact);
  const RawSafetensors back = read_raw_safetensors(out);
  const json::Value header = json::parse(codes.header);
  const auto from = static_cast<std::size_t>(number(header, "/fc1.weight/data_offsets/0"));
  const std::vector<float> scale = floats(codes, "fc1.weight_scale");
  const std::vector<float> values = floats(back, "fc1.weight");
  REQUIRE(values.size() == 32 * 64);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto code = static_cast<signed char>(codes.data[from + i]);
    REQUIRE(values[i] == static_cast<float>(code) * scale[i / 64]);
  }
  CHECK(json::parse(back.header).at_pointer("/fc1.weight_scale") == nullptr);
  CHECK(floats(back, "norm.weight") == floats(read_raw_safetensors(q.original), "norm.weight"));
}

TEST_CASE("compare lists the worst tensor first and agrees with an independent computation",
          "[cli][models]") {
  const Quantized q(
      R"({"id": "int4_groupwise", "params": {"group_size": 32, "default_skip": false}})");
  const json::Value c = json::parse(run_detent({"compare", q.original, q.artifact, "--json"}).out);
  REQUIRE(run_detent({"dequantize", q.artifact, (q.folder / "b.safetensors").string()}).exit_code ==
          0);
  const auto x = floats(read_raw_safetensors(q.original), "fc1.weight");
  const auto y = floats(read_raw_safetensors(q.folder / "b.safetensors"), "fc1.weight");
  long double signal = 0;
  long double noise = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    signal += static_cast<long double>(x[i]) * x[i];
    noise += (static_cast<long double>(x[i]) - y[i]) * (static_cast<long double>(x[i]) - y[i]);
  }
  const double db = static_cast<double>(10 * std::log10(signal / noise));
  CHECK(std::fabs(number(item(c, "/tensors", "name", "fc1.weight"), "/sqnr_db") - db) < 1e-9);
  double last = -1e300;
  for (const json::Value& t : list(c, "/tensors")) {
    double now = 1e300;
    at(t, "/sqnr_db").to_double(&now);  // "inf" stays at the end
    CHECK(now >= last);
    last = now;
  }
  CHECK(number(c, "/totals/ratio") > 3);
}

TEST_CASE("verify accepts what was written and finds one flipped bit", "[cli][models]") {
  const Quantized q;
  CHECK(run_detent({"verify", q.artifact}).exit_code == 0);
  std::string file = read_file(q.artifact);
  file[file.size() - 5] = static_cast<char>(file[file.size() - 5] ^ 0x10);
  write_file(q.folder / "broken.safetensors", file);
  const Outcome broken = run_detent({"verify", (q.folder / "broken.safetensors").string()});
  CHECK(broken.exit_code == 4);
  CHECK(broken.err.find("bytes") != std::string::npos);
  CHECK(run_detent({"verify", q.original}).exit_code == 5);
}

TEST_CASE("a newer format version is refused with words", "[cli][models]") {
  const Quantized q;
  std::string file = read_file(q.artifact);
  const std::string version = "\\\"format_version\\\":1";
  const std::size_t at_version = file.find(version);
  REQUIRE(at_version != std::string::npos);
  file[at_version + version.size() - 1] = '9';
  write_file(q.folder / "newer.safetensors", file);
  const Outcome outcome = run_detent({"inspect", (q.folder / "newer.safetensors").string()});
  CHECK(outcome.exit_code == 5);
  CHECK(outcome.err.find("newer detent") != std::string::npos);
}

TEST_CASE("fp16 halves every floating-point tensor and leaves integers", "[cli][models]") {
  const TempFolder folder;
  write_safetensors(folder / "model.safetensors", tiny_network());
  write_file(
      folder / "p.json",
      R"({"model": {"path": "model.safetensors"}, "rules": [{"weight": {"quantizer": "fp16"}}],
             "outputs": [{"serializer": "safetensors", "path": "h.safetensors"}]})");
  const Outcome outcome = run_detent({"run", (folder / "p.json").string()});
  INFO(outcome.err);
  REQUIRE(outcome.exit_code == 0);
  const json::Value i =
      json::parse(run_detent({"inspect", (folder / "h.safetensors").string(), "--json"}).out);
  for (const json::Value& t : list(i, "/tensors"))
    CHECK(text(t, "/dtype") == (text(t, "/name") == "steps" ? "I64" : "F16"));
}

}  // namespace detent::test
