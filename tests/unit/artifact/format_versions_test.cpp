// SPDX-License-Identifier: Apache-2.0
// Files of earlier versions are read for good; those of later ones are refused with a reason.
#include <fmt/format.h>

#include "artifact/artifact.hpp"
#include "raw.hpp"
#include "support/catch.hpp"
#include "support/refusal.hpp"

namespace detent::test {
namespace {

std::string kept_file(const std::string& name) {
  return std::string(DETENT_TEST_DATA) + "/artefacts/format1/" + name;
}

// model.safetensors of version 1 with another "format_version".
std::string with_version(const TempFolder& folder, const std::string& version) {
  RawSafetensors raw = read_raw_safetensors(kept_file("model.safetensors"));
  const std::string key = R"(\"format_version\":)";
  const std::size_t at = raw.header.find(key + "1");
  REQUIRE(at != std::string::npos);
  raw.header.replace(at, key.size() + 1, key + version);
  const std::string path = (folder / "model.safetensors").string();
  write_raw_safetensors(path, raw.header, raw.data);
  return path;
}

}  // namespace

TEST_CASE("files of format version 1 are read and give the floats that they stand for") {
  const auto expected = raw_tensors(kept_file("expected.safetensors"));
  for (const char* file : {"model.safetensors", "model.pt"}) {
    CAPTURE(file);
    const TempFolder folder;
    const std::string out = (folder / "floats.safetensors").string();
    const Outcome outcome = run_detent({"dequantize", kept_file(file), out});
    INFO(outcome.err);
    REQUIRE(outcome.exit_code == 0);
    const auto found = raw_tensors(out);
    REQUIRE(found.size() == expected.size());
    for (const auto& [name, tensor] : expected) {
      INFO(name);
      CHECK(found.at(name).shape == tensor.shape);
      CHECK(found.at(name).bytes == tensor.bytes);
    }
    CHECK(run_detent({"verify", kept_file(file)}).exit_code == 0);
  }
}

TEST_CASE("what files of format version 1 say of their layers is read") {
  const Artifact artifact = Artifact::open(kept_file("model.safetensors"));
  REQUIRE(artifact.records().size() == 3);
  const TensorRecord* fc2 = artifact.record("fc2.weight");
  REQUIRE(fc2 != nullptr);
  CHECK(fc2->layer_type == "Linear");
  CHECK(fc2->scheme.quantizer.id == "int4_groupwise");
  CHECK(fc2->scheme.target->spec.group_size == 5);
  CHECK(fc2->code_shape == std::vector<std::int64_t>{12, 16});
  CHECK(artifact.record("fc1.weight")->scheme.observer->id == "minmax");
  CHECK(artifact.record("norm.weight")->scheme.code_dtype == DETENT_F16);
}

TEST_CASE("activations in files of format version 1 are read") {
  const Artifact artifact = Artifact::open(kept_file("activations.safetensors"));
  REQUIRE(artifact.activations().size() == 4);
  const ActivationRecord& input = artifact.activations()[0];
  CHECK(input.site == "fc1");
  CHECK(input.observer->id == "histogram");
  CHECK(input.target.spec.qdtype == DETENT_I8);
  CHECK(input.stored() == std::vector<std::string>{"fc1.input_scale", "fc1.input_zero_point"});
  CHECK(artifact.kept().size() == 2);
  CHECK(run_detent({"verify", kept_file("activations.safetensors")}).exit_code == 0);
}

TEST_CASE("a later format version is refused, with both versions and what to do") {
  const TempFolder folder;
  const std::string path = with_version(folder, "2");
  const std::string out = (folder / "out.safetensors").string();
  for (const std::vector<std::string>& command : {std::vector<std::string>{"inspect", path},
                                                  {"verify", path},
                                                  {"dequantize", path, out},
                                                  {"compare", path, path}}) {
    CAPTURE(command[0]);
    const Outcome outcome = run_detent(command);
    CHECK(outcome.exit_code == 5);
    CHECK(contains(outcome.err, "format version 2"));
    CHECK(contains(outcome.err, "reads version 1"));
    CHECK(contains(outcome.err, "a later one"));
  }
}

TEST_CASE("a version is refused before what it may have changed is looked at") {
  const TempFolder folder;
  write_safetensors(folder / "m.safetensors", {random_f32("fc.weight", {2, 2}, 1)},
                    R"({"quantization": "{\"format_version\": 7, \"layers\": 3}"})");
  const Outcome outcome = run_detent({"inspect", (folder / "m.safetensors").string()});
  CHECK(outcome.exit_code == 5);
  CHECK(contains(outcome.err, "format version 7"));
}

TEST_CASE("what is no version is damage") {
  for (const char* bad : {"0", "-1", "null", "[]", "1.5", "9223372036854775808"}) {
    CAPTURE(bad);
    const TempFolder folder;
    const Outcome outcome = run_detent({"inspect", with_version(folder, bad)});
    CHECK(outcome.exit_code == 5);
    CHECK(contains(outcome.err, "damaged"));
  }
}

}  // namespace detent::test
