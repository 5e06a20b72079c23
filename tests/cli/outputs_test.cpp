// SPDX-License-Identifier: Apache-2.0
// What a run may write, from what, and what it tells of values that its format cannot hold.
#include <filesystem>

#include "support/catch.hpp"
#include "support/json_at.hpp"
#include "support/program.hpp"
#include "support/tiny_model.hpp"

namespace detent::test {
namespace {

std::string pipeline(const std::string& quantizer, const std::string& serializer,
                     const std::string& path) {
  return R"({"model": {"path": "model.safetensors"},
             "rules": [{"match": {"type": "Linear"}, "weight": {"quantizer": )" +
         quantizer + R"(}}], "outputs": [{"serializer": ")" + serializer + R"(", "path": ")" +
         path + R"("}], "report": {"path": "out"}})";
}

struct Job {
  TempFolder folder;

  explicit Job(const std::string& quantizer = R"("int8")",
               const std::string& serializer = "safetensors",
               const std::string& path = "out/q.safetensors") {
    write_safetensors(folder / "model.safetensors", tiny_network());
    write_file(folder / "p.json", pipeline(quantizer, serializer, path));
  }
  std::string path(const std::string& name) const { return (folder / name).string(); }
  Outcome run(std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"run", path("p.json")});
    return run_detent(more);
  }
};

bool says(const Outcome& outcome, const std::string& words) {
  return outcome.err.find(words) != std::string::npos;
}

}  // namespace

TEST_CASE("an output's extension must be one that its serializer writes", "[cli][outputs]") {
  struct Case {
    const char* serializer;
    const char* path;
    const char* message;
    const char* hint;
  };
  const Case cases[] = {
      {"safetensors", "out/q.onnx", "unsupported file extension \".onnx\" for serializer",
       "it writes .safetensors"},
      {"safetensors", "out/q.pt", "unsupported file extension \".pt\" for serializer",
       ".pt files are written by \"state_dict\" or \"torchscript\""},
      {"safetensors", "out/q", "\"q\" has no file extension", "it writes .safetensors"},
      {"state_dict", "out/q.safetensors", "unsupported file extension \".safetensors\"",
       "it writes .pt, .pth or .bin; .safetensors files are written by \"safetensors\""},
      {"torchscript", "out/q.pth", "unsupported file extension \".pth\"", "it writes .pt"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.serializer, c.path);
    const Job job(R"("int8")", c.serializer, c.path);
    std::filesystem::remove(job.folder / "model.safetensors");  // it is not even looked for
    const Outcome outcome = job.run();
    INFO(outcome.err);
    CHECK(outcome.exit_code == 2);
    CHECK(says(outcome, "p.json:2:"));
    CHECK(says(outcome, "/outputs/0/path"));
    CHECK(says(outcome, c.message));
    CHECK(says(outcome, c.hint));
    CHECK(job.folder.names() == std::vector<std::string>{"p.json"});
  }
}

TEST_CASE("an extension is the same in capitals, and a folder needs none", "[cli][outputs]") {
  CHECK(Job(R"("int8")", "safetensors", "out/Q.SAFETENSORS").run().exit_code == 0);
  CHECK(Job(R"("int8")", "state_dict", "out/q.bin").run().exit_code == 0);
  const Job folder(R"("int8")", "safetensors", "out/v1.0/");
  CHECK(folder.run().exit_code == 0);
  CHECK(std::filesystem::exists(folder.folder / "out/v1.0/model.safetensors"));
}

TEST_CASE("float weights go to files that a serializer writes and nowhere else", "[cli][outputs]") {
  const Job job;
  REQUIRE(job.run().exit_code == 0);
  for (const char* name : {"float.onnx", "float"}) {
    CAPTURE(name);
    const Outcome outcome =
        run_detent({"dequantize", job.path("out/q.safetensors"), job.path(name)});
    CHECK(outcome.exit_code == 2);
    CHECK(says(outcome, ".safetensors or .pt"));
    CHECK_FALSE(std::filesystem::exists(job.folder / name));
  }
}

TEST_CASE("an artefact is no model to quantize", "[cli][outputs]") {
  for (const auto& [serializer, name] :
       {std::pair("safetensors", "out/q.safetensors"), std::pair("state_dict", "out/q.pt")}) {
    CAPTURE(serializer);
    const Job job(R"("int8")", serializer, name);
    REQUIRE(job.run().exit_code == 0);
    for (const char* command : {"run", "plan"}) {
      const Outcome outcome =
          run_detent({command, job.path("p.json"), "--set", "/model/path=" + std::string(name),
                      "--set", "/outputs/0/path=again/" + std::string(name)});
      INFO(outcome.err);
      CHECK(outcome.exit_code == 2);
      CHECK(says(outcome, "is quantized already"));
      CHECK(says(outcome, "detent dequantize"));
      CHECK_FALSE(std::filesystem::exists(job.folder / "again"));
    }
  }
}

TEST_CASE("metadata that only share the artefacts' key are the author's", "[cli][outputs]") {
  for (const char* value : {R"("by hand")", R"("{\"bits\": 8}")"}) {
    CAPTURE(value);
    const Job job;
    write_safetensors(job.folder / "model.safetensors", tiny_network(),
                      R"({"quantization":)" + std::string(value) + "}");
    CHECK(job.run().exit_code == 0);
  }
}

TEST_CASE("the configuration in a report gives the same bytes again", "[cli][outputs]") {
  const Job job(R"("int4_groupwise", "params": {"group_size": 32, "search": "mse"})");
  REQUIRE(job.run({"--set", "/runtime/seed=7"}).exit_code == 0);
  const std::string bytes = read_file(job.folder / "out/q.safetensors");
  const json::Value report = json::parse(read_file(job.folder / "out/report.json"));
  write_file(job.folder / "p.json", json::dump(at(report, "/config/value")));
  const Outcome again = job.run({"--overwrite"});
  INFO(again.err);
  REQUIRE(again.exit_code == 0);
  CHECK(read_file(job.folder / "out/q.safetensors") == bytes);
}

TEST_CASE("a value beyond float16 is told with its layer, and refused with --strict",
          "[cli][outputs]") {
  const Job job(R"("fp16")");
  std::vector<float> values(16 * 64, 0.5F);
  values[100] = 1e6F;
  write_safetensors(job.folder / "model.safetensors", {f32("fc1.weight", {16, 64}, values)});
  const Outcome strict = job.run({"--strict"});
  CHECK(strict.exit_code == 3);
  CHECK_FALSE(std::filesystem::exists(job.folder / "out"));
  const Outcome warned = job.run();
  INFO(warned.err);
  CHECK(warned.exit_code == 0);
  for (const char* words : {"warning:", "fc1", "1 values", "beyond the range"})
    CHECK(says(warned, words));
  const Outcome refused =
      job.run({"--overwrite", "--set", R"(/rules/0/weight/params={"overflow": "error"})"});
  CHECK(refused.exit_code == 3);
  CHECK(says(refused, "fc1"));
}

TEST_CASE("ordinary weights in float16 have 60 dB at least", "[cli][outputs]") {
  const Job job(R"("fp16")");
  REQUIRE(job.run().exit_code == 0);
  const json::Value report = json::parse(read_file(job.folder / "out/report.json"));
  for (const char* layer : {"fc1", "lm_head"})
    CHECK(number(item(report, "/layers", "name", layer), "/sqnr_db") > 60);
}

TEST_CASE("models without a tensor in common are not said to be equal", "[cli][outputs]") {
  const TempFolder folder;
  write_safetensors(folder / "a.safetensors", {f32("a", {1}, {1})});
  write_safetensors(folder / "b.safetensors", {f32("b", {1}, {1})});
  const auto compare = [&](const char* x, const char* y) {
    return run_detent({"compare", (folder / x).string(), (folder / y).string()}).out;
  };
  CHECK(compare("a.safetensors", "b.safetensors").find("no tensor is in both") !=
        std::string::npos);
  CHECK(compare("a.safetensors", "a.safetensors").find("no tensor differs") != std::string::npos);
}

}  // namespace detent::test
