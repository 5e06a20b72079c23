// SPDX-License-Identifier: Apache-2.0
// Files that Mono Quant 1.1 wrote, against the values that it computes of them itself
// (tests/data/mono_quant/make.py).
#include <fmt/format.h>

#include "raw.hpp"
#include "support/catch.hpp"
#include "support/refusal.hpp"
#include <detent/detent.hpp>

namespace detent::test {
namespace {

std::string sample(const std::string& name) {
  return std::string(DETENT_TEST_DATA) + "/mono_quant/" + name;
}

void check_equal(const std::map<std::string, TinyTensor>& found,
                 const std::map<std::string, TinyTensor>& expected) {
  CHECK(found.size() == expected.size());
  for (const auto& [name, tensor] : expected) {
    INFO(name);
    REQUIRE(found.contains(name));
    CHECK(found.at(name).dtype == tensor.dtype);
    CHECK(found.at(name).shape == tensor.shape);
    CHECK(found.at(name).bytes == tensor.bytes);
  }
}

json::Value inspected(const std::string& name) {
  const Outcome outcome = run_detent({"inspect", sample(name), "--json"});
  INFO(outcome.err);
  REQUIRE(outcome.exit_code == 0);
  return json::parse(outcome.out);
}

std::string notes(const json::Value& inspection) {
  std::string all;
  for (const json::Value& note : list(inspection, "/notes")) all += *note.if_string() + "\n";
  return all;
}

// Of both extensions where both are there.
const std::vector<std::string> kReadable = {
    "int8_asymmetric.safetensors", "int8_asymmetric.pt",          "int8_symmetric.safetensors",
    "int8_symmetric.pt",           "int8_root.safetensors",       "int8_root.pt",
    "int4_asymmetric.safetensors", "int4_asymmetric.pt",          "int4_symmetric.safetensors",
    "int4_symmetric.pt",           "int4_groups_of_8.safetensors"};

std::string expected_of(const std::string& file) {
  return sample(file.substr(0, file.find('.')) + ".expected.safetensors");
}

}  // namespace

TEST_CASE("dequantize gives what Mono Quant computes, bit for bit, under the original names") {
  for (const std::string& file : kReadable) {
    CAPTURE(file);
    const TempFolder folder;
    const std::string out = (folder / "floats.safetensors").string();
    const Outcome outcome = run_detent({"dequantize", sample(file), out});
    INFO(outcome.err);
    REQUIRE(outcome.exit_code == 0);
    check_equal(raw_tensors(out), raw_tensors(expected_of(file)));
  }
}

TEST_CASE("the metadata of Mono Quant do not stay where they are no longer true") {
  const TempFolder folder;
  const std::string out = (folder / "floats.safetensors").string();
  REQUIRE(run_detent({"dequantize", sample("int8_asymmetric.safetensors"), out}).exit_code == 0);
  const json::Value header = json::parse(read_raw_safetensors(out).header);
  const json::Value* bits = header.at_pointer("/__metadata__/bits");
  CHECK(bits == nullptr);
  CHECK(text(header, "/__metadata__/pytorch_version") == "2.13.0+cpu");
}

TEST_CASE("a module under two names is read although its scales are stored once") {
  const TempFolder folder;
  const std::string out = (folder / "floats.safetensors").string();
  REQUIRE(run_detent({"dequantize", sample("int8_shared.pt"), out}).exit_code == 0);
  const auto found = raw_tensors(out);
  const auto expected = raw_tensors(sample("int8_shared.expected.safetensors"));
  CHECK(found.at("a.weight").bytes == expected.at("a.weight").bytes);
  CHECK(found.at("b.weight").bytes == expected.at("b.weight").bytes);
  const json::Value header = json::parse(read_raw_safetensors(out).header);
  CHECK(text(header, "/__metadata__/aliases") == R"({"b.bias":"a.bias"})");
}

TEST_CASE("open_artifact gives the same weights, and the tensors as they are stored") {
  for (const std::string& file : kReadable) {
    CAPTURE(file);
    const QuantizedModel model = open_artifact(sample(file), {.plugin_folders = {}});
    for (const auto& [name, tensor] : raw_tensors(expected_of(file))) {
      INFO(name);
      const OwnedTensor values = model.dequantize(name);
      CHECK(values.shape == tensor.shape);
      CHECK(std::string(reinterpret_cast<const char*>(values.bytes.data()), values.bytes.size()) ==
            tensor.bytes);
    }
    CHECK(model.warnings().empty());
  }
  const QuantizedModel model = open_artifact(sample("int8_root.pt"), {.plugin_folders = {}});
  const QuantizedTensor* weight = model.find("weight");
  REQUIRE(weight != nullptr);
  CHECK(weight->quantizer == "mono_quant");
  CHECK(weight->layer_type == "Linear");
  REQUIRE(weight->stored.size() == 4);
  CHECK(weight->stored[0].name == "_quantized_weight_int8");
  CHECK(weight->stored[0].dtype == DETENT_I8);
  CHECK(weight->stored[1].dtype == DETENT_F64);
  CHECK(model.find("_scale") == nullptr);
}

TEST_CASE("inspect says what Mono Quant did to each layer") {
  for (const char* file : {"int8_asymmetric.safetensors", "int8_asymmetric.pt"}) {
    const json::Value found = inspected(file);
    CHECK(text(found, "/quantization/source/program") == "Mono Quant");
    const json::Value& conv = at(found, "/quantization/layers/features.0");
    CHECK(text(conv, "/type") == "Conv2d");
    CHECK(text(conv, "/dtype") == "I8");
    CHECK(number(conv, "/bits") == 8);
    CHECK(text(conv, "/scheme") == "asymmetric");
    CHECK(text(conv, "/granularity") == "per_channel");
    CHECK(number(conv, "/axis") == 0);
    CHECK(text(item(found, "/tensors", "name", "fc1._quantized_weight_int8"), "/type") == "Linear");
    CHECK(found.at_pointer("/quantization/format_version") == nullptr);
  }
  CHECK(text(inspected("int8_asymmetric.safetensors"), "/quantization/source/version") == "1.1");
  CHECK(at(inspected("int8_asymmetric.pt"), "/quantization/source/version").is_null());
  CHECK(text(inspected("int8_symmetric.pt"), "/quantization/layers/fc1/scheme") == "symmetric");
  const json::Value four = inspected("int4_groups_of_8.safetensors");
  CHECK(number(four, "/quantization/layers/0/bits") == 4);
  CHECK(text(four, "/quantization/layers/0/granularity") == "per_block");
  CHECK(number(four, "/quantization/layers/0/block_rows") == 8);
}

TEST_CASE("compare measures a file of Mono Quant against its original") {
  const Outcome outcome = run_detent({"compare", sample("int8_asymmetric.expected.safetensors"),
                                      sample("int8_asymmetric.pt"), "--json"});
  INFO(outcome.err);
  REQUIRE(outcome.exit_code == 0);
  const json::Value found = json::parse(outcome.out);
  CHECK(text(item(found, "/tensors", "name", "fc1.weight"), "/sqnr_db") == "inf");
  // 168 codes, 7 scales and zero points of 8 bytes, the axis.
  CHECK(number(item(found, "/tensors", "name", "fc1.weight"), "/bytes_after") == 168 + 2 * 56 + 8);
  CHECK(list(found, "/only_in_original").empty());
  CHECK(list(found, "/only_in_quantized").empty());
}

TEST_CASE("verify looks at the ranges of a file of Mono Quant, and says that it has no digests") {
  const Outcome outcome = run_detent({"verify", sample("int8_symmetric.pt"), "--json"});
  REQUIRE(outcome.exit_code == 0);
  CHECK(*at(json::parse(outcome.out), "/digests").if_bool() == false);
}

TEST_CASE("what Mono Quant's 4-bit files do not hold is said and not guessed") {
  struct Lost {
    const char* file;
    const char* reason;
  };
  for (const Lost& lost :
       {Lost{"int4_no_bias.safetensors", "number of outputs"}, Lost{"int4_no_bias.pt", "outputs"},
        Lost{"int4_odd.pt", "last code"}, Lost{"int4_groups_of_8.pt", "how many rows"}}) {
    CAPTURE(lost.file);
    const json::Value found = inspected(lost.file);
    CHECK(contains(text(found, "/quantization/lost/0.weight"), lost.reason));
    const TempFolder folder;
    const Outcome outcome =
        run_detent({"dequantize", sample(lost.file), (folder / "o.safetensors").string()});
    CHECK(outcome.exit_code == 5);
    CHECK(contains(outcome.err, lost.reason));
    CHECK(folder.names().empty());
    CHECK(run_detent({"verify", sample(lost.file)}).exit_code == 4);
    const QuantizedModel model = open_artifact(sample(lost.file), {.plugin_folders = {}});
    REQUIRE(model.warnings().size() == 1);
    CHECK(model.warnings()[0].code == "weight_lost");
  }
}

TEST_CASE("what is assumed or damaged in Mono Quant's 4-bit files is in the notes") {
  CHECK(contains(notes(inspected("int4_symmetric.pt")), "every negative weight"));
  CHECK(contains(notes(inspected("int4_symmetric.pt")), "default of Mono Quant"));
  CHECK(notes(inspected("int4_asymmetric.safetensors")).empty());
}

TEST_CASE("a layer that Mono Quant fell back to INT8 for is read from its codes") {
  // Mono Quant cannot read these itself. The codes are the INT8 ones of each row, symmetric.
  const std::string file = sample("int4_fallback.safetensors");
  const TempFolder folder;
  const std::string out = (folder / "floats.safetensors").string();
  REQUIRE(run_detent({"dequantize", file, out}).exit_code == 0);
  const auto stored = raw_tensors(file);
  const auto found = raw_tensors(out);
  const std::string& codes = stored.at("0._packed_weight").bytes;
  REQUIRE(codes.size() == 8 * 6);
  CHECK(found.at("0.weight").shape == std::vector<std::int64_t>{8, 6});
  for (std::size_t i = 0; i < codes.size(); ++i) {
    double scale = 0;
    float value = 0;
    std::memcpy(&scale, stored.at("0._scales").bytes.data() + i / 6 * 8, 8);
    std::memcpy(&value, found.at("0.weight").bytes.data() + i * 4, 4);
    REQUIRE(value ==
            static_cast<float>(static_cast<signed char>(codes[i])) * static_cast<float>(scale));
  }
  CHECK(contains(notes(inspected("int4_fallback.pt")), "fewer outputs than a group"));
}

TEST_CASE("a run refuses a model that is quantized already and says what to do") {
  const TempFolder folder;
  const std::string own = std::string(DETENT_TEST_DATA) + "/artefacts/format1/model.safetensors";
  for (const std::string& model : {sample("int8_asymmetric.safetensors"),
                                   sample("int8_asymmetric.pt"), sample("int4_odd.pt"), own}) {
    CAPTURE(model);
    write_file(folder / "p.json",
               fmt::format(
                   R"({{"model": {{"path": "{}"}}, "rules": [{{"weight": {{"quantizer": "int8"}}}}],
                   "outputs": [{{"serializer": "safetensors", "path": "q.safetensors"}}]}})",
                   model));
    for (const char* command : {"run", "plan"}) {
      const Outcome outcome = run_detent({command, (folder / "p.json").string()});
      CHECK(outcome.exit_code == 2);
      CHECK(contains(outcome.err, "quantized already"));
      CHECK(contains(outcome.err, "detent dequantize"));
    }
    CHECK(folder.names() == std::vector<std::string>{"p.json"});
  }
}

}  // namespace detent::test
