// SPDX-License-Identifier: Apache-2.0
// Files through the API: run, open_artifact, and their agreement with quantize.
#include <cstdio>
#include <fcntl.h>
#include <fstream>
#include <unistd.h>

#include "support/catch.hpp"
#include "support/program.hpp"
#include "tensors.hpp"

using namespace detent;
using namespace detent::test;

namespace {

// The tiny network with rules that use three quantizers, to one output.
class Job {
 public:
  explicit Job(const std::string& serializer, const std::string& file) : output(folder / file) {
    write_safetensors(folder / "model.safetensors", network);
    write_file(folder / "pipeline.json", R"({"model": {"path": "model.safetensors"}, "rules": )" +
                                             std::string(kMixedRules) +
                                             R"(, "outputs": [{"serializer": ")" + serializer +
                                             R"(", "path": ")" + file + R"("}]})");
    request.config = folder / "pipeline.json";
    request.plugin_folders = {DETENT_TEST_PLUGINS};
  }

  TempFolder folder;
  std::vector<TinyTensor> network = tiny_network();
  std::filesystem::path output;
  RunRequest request;
};

OpenOptions with_plugins() { return {.plugin_folders = {DETENT_TEST_PLUGINS}}; }

ErrorCode code_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& e) {
    return e.code();
  }
  throw std::logic_error("no error");
}

void check_same(const QuantizedModel& a, const QuantizedModel& b) {
  CHECK(a.tensors().size() == b.tensors().size());
  for (const QuantizedTensor& t : a.tensors()) {
    INFO(t.name);
    const QuantizedTensor* other = b.find(t.name);
    REQUIRE(other != nullptr);
    CHECK(t.quantizer == other->quantizer);
    CHECK(t.dtype == other->dtype);
    CHECK(t.shape == other->shape);
    REQUIRE(t.stored.size() == other->stored.size());
    for (const OwnedTensor& s : t.stored) {
      const OwnedTensor* same = stored(b, t.name, s.name);
      REQUIRE(same != nullptr);
      CHECK(same->dtype == s.dtype);
      CHECK(same->shape == s.shape);
      CHECK(text_of(same->bytes) == text_of(s.bytes));
    }
    CHECK(text_of(a.dequantize(t.name).bytes) == text_of(b.dequantize(t.name).bytes));
  }
}

}  // namespace

TEST_CASE("what is quantized in memory has the bytes that a run writes for the same weights") {
  for (const auto& [serializer, file] :
       {std::pair("safetensors", "out.safetensors"), std::pair("state_dict", "out.pt")}) {
    INFO(serializer);
    const Job job(serializer, file);
    const RunResult result = run(job.request);
    CHECK(result.outputs == std::vector<std::filesystem::path>{job.output});
    const QuantizedModel written = open_artifact(job.output, with_plugins());
    const QuantizedModel in_memory =
        quantize(lend(job.network), with_rules(R"({"rules": )" + std::string(kMixedRules) + "}"));
    check_same(in_memory, written);
    CHECK(written.find("fc1.weight")->sqnr_db.value() ==
          Approx(in_memory.find("fc1.weight")->sqnr_db.value()).margin(1e-3));
    // Not by our own reader: the codes lie in the file as they are in memory.
    const std::string codes = text_of(stored(in_memory, "fc1.weight", "fc1.weight")->bytes);
    CHECK(read_file(job.output).find(codes) != std::string::npos);
  }
}

TEST_CASE("a file that is read back gives the float model under the original's names") {
  const Job job("safetensors", "out.safetensors");
  run(job.request);
  const auto floats = open_artifact(job.output, with_plugins()).dequantize();
  CHECK(floats.size() == job.network.size());
  for (const TinyTensor& t : job.network) {
    INFO(t.name);
    REQUIRE(floats.contains(t.name));
    CHECK(floats.at(t.name).shape == t.shape);
    if (t.dtype == "F32") CHECK(floats.at(t.name).dtype == DETENT_F32);
  }
}

TEST_CASE("further names of a shared weight find it") {
  const Job job("safetensors", "out.safetensors");
  const std::filesystem::path file = job.folder / "tied.safetensors";
  write_safetensors(
      file, {random_f32("embed.weight", {4, 4}, 5)},
      R"({"quantization":"{\"format_version\":1,\"layers\":{},\"schemes\":[],\"tensors\":{}}",)"
      R"("aliases":"{\"lm_head.weight\":\"embed.weight\"}"})");
  const QuantizedModel model = open_artifact(file, with_plugins());
  REQUIRE(model.find("lm_head.weight") != nullptr);
  CHECK(model.find("lm_head.weight")->name == "embed.weight");
  const auto floats = model.dequantize();
  REQUIRE(floats.contains("lm_head.weight"));
  CHECK(floats.at("lm_head.weight").name == "lm_head.weight");
  CHECK(text_of(floats.at("lm_head.weight").bytes) == text_of(floats.at("embed.weight").bytes));
}

TEST_CASE("the library prints nothing, whatever comes of a run") {
  const TempFolder streams;
  int kept[2];
  std::fflush(nullptr);
  for (const int fd : {1, 2}) {
    kept[fd - 1] = ::dup(fd);
    const int file = ::open((streams / std::to_string(fd)).c_str(), O_WRONLY | O_CREAT, 0600);
    ::dup2(file, fd);
    ::close(file);
  }
  const Job job("safetensors", "out.safetensors");
  run(job.request);
  const ErrorCode refused = code_of([&] { run(job.request); });
  std::fflush(nullptr);
  for (const int fd : {1, 2}) {
    ::dup2(kept[fd - 1], fd);
    ::close(kept[fd - 1]);
  }
  CHECK(refused == ErrorCode::io);
  CHECK(read_file(streams / "1").empty());
  CHECK(read_file(streams / "2").empty());
}

TEST_CASE("a run tells of its stages and gives the report as JSON text") {
  Job job("safetensors", "out.safetensors");
  std::vector<std::string> stages;
  job.request.progress = [&](const std::string& stage, std::uint64_t, std::uint64_t) {
    if (stages.empty() || stages.back() != stage) stages.push_back(stage);
  };
  const RunResult result = run(job.request);
  CHECK(std::ranges::count(stages, "quantize") == 1);
  CHECK(result.report.find("\"schema_version\"") != std::string::npos);
  CHECK(result.report.find("int4_groupwise") != std::string::npos);
}

TEST_CASE("a run sets what the request says and refuses what is there already") {
  Job job("safetensors", "out.safetensors");
  job.request.set = {{"/outputs/0/path", "\"other.safetensors\""}};
  CHECK(run(job.request).outputs.front() == job.folder / "other.safetensors");
  CHECK_FALSE(std::filesystem::exists(job.output));
  CHECK(code_of([&] { run(job.request); }) == ErrorCode::io);
  job.request.overwrite = true;
  CHECK(run(job.request).outputs.size() == 1);
}

TEST_CASE("files that are missing or corrupt are errors of input, not of the program") {
  const Job job("safetensors", "out.safetensors");
  CHECK(code_of([&] { open_artifact(job.folder / "none.safetensors"); }) == ErrorCode::io);
  write_file(job.folder / "bad.safetensors", "no model");
  CHECK(code_of([&] { open_artifact(job.folder / "bad.safetensors"); }) == ErrorCode::io);
  CHECK(code_of([&] { run({.config = job.folder / "none.json"}); }) == ErrorCode::io);
}

TEST_CASE("a file whose quantizer is not installed is read, and dequantizing it says so") {
  const Job job("safetensors", "out.safetensors");
  run(job.request);
  std::string bytes = read_file(job.output);
  const std::string id = "int4_groupwise";
  for (std::size_t at = bytes.find(id); at != std::string::npos; at = bytes.find(id, at))
    bytes.replace(at, id.size(), "nobodys_plugin");
  write_file(job.output, bytes);
  const QuantizedModel model = open_artifact(job.output, with_plugins());
  CHECK(model.find("fc1.weight")->quantizer == "nobodys_plugin");
  CHECK(code_of([&] { model.dequantize("fc1.weight"); }) == ErrorCode::plugin);
  CHECK(model.dequantize("conv1.weight").dtype == DETENT_F32);
}
