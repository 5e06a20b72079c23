// SPDX-License-Identifier: Apache-2.0
// Every class of mistake has its exit code and its words, and leaves nothing behind.
#include <cmath>
#include <functional>
#include <limits>

#include "json/parse.hpp"
#include "support/catch.hpp"
#include "support/program.hpp"
#include "support/tiny_model.hpp"

namespace detent::test {
namespace {

constexpr const char* kPipeline = R"({
  "model": {"path": "model.safetensors"},
  "rules": [{"match": {"type": "Linear"}, "weight": {"quantizer": "int8"}}],
  "outputs": [{"serializer": "safetensors", "path": "out/model.safetensors"}],
  "report": {"path": "out"}
})";

struct Mistake {
  const char* name;
  int exit_code;
  std::vector<std::string> words;  // all of them in the message
  std::function<void(const TempFolder&)> make;
};

void model(const TempFolder& folder, const std::vector<TinyTensor>& tensors) {
  write_safetensors(folder / "model.safetensors", tensors);
}

// The tiny network, its file then changed.
std::function<void(const TempFolder&)> damaged(std::function<std::string(std::string)> change) {
  return [change](const TempFolder& folder) {
    model(folder, tiny_network());
    write_file(folder / "p.json", kPipeline);
    write_file(folder / "model.safetensors", change(read_file(folder / "model.safetensors")));
  };
}

std::function<void(const TempFolder&)> raw(const std::string& header, const std::string& data) {
  return [=](const TempFolder& folder) {
    write_raw_safetensors(folder / "model.safetensors", header, data);
    write_file(folder / "p.json", kPipeline);
  };
}

std::function<void(const TempFolder&)> pipeline(const std::string& text) {
  return [=](const TempFolder& folder) {
    model(folder, tiny_network());
    write_file(folder / "p.json", text);
  };
}

std::string with_rule(const std::string& rule) {
  return R"({"model": {"path": "model.safetensors"}, "rules": [)" + rule +
         R"(], "outputs": [{"serializer": "safetensors", "path": "out/model.safetensors"}]})";
}

const std::string kF32Tensor = R"("a.weight":{"dtype":"F32","shape":[2,2],"data_offsets":)";

std::vector<Mistake> mistakes() {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  return {
      {"missing model",
       5,
       {"model.safetensors", "No such file"},
       [](const TempFolder& f) { write_file(f / "p.json", kPipeline); }},
      {"missing configuration", 5, {"p.json", "No such file"}, [](const TempFolder&) {}},
      {"empty model", 5, {"model.safetensors"}, damaged([](auto) { return std::string(); })},
      {"truncated model", 5, {"model.safetensors", "truncated"}, damaged([](std::string s) {
         return s.substr(0, s.size() - 100);
       })},
      {"header larger than the file",
       5,
       {"model.safetensors", "header"},
       damaged([](std::string s) {
         return s.replace(0, 8, std::string("\xff\xff\xff\0\0\0\0\0", 8));
       })},
      {"hole between tensors",
       5,
       {"\"b"},
       raw("{" + kF32Tensor + R"([0,16]},"b":{"dtype":"F32","shape":[1],"data_offsets":[20,24]}})",
           std::string(24, '\0'))},
      {"overlapping tensors",
       5,
       {"\"b"},
       raw("{" + kF32Tensor + R"([0,16]},"b":{"dtype":"F32","shape":[1],"data_offsets":[12,16]}})",
           std::string(16, '\0'))},
      {"tensor beyond the file",
       5,
       {"\"a.weight\""},
       raw("{" + kF32Tensor + "[0,16]}}", std::string(8, '\0'))},
      {"shape and size disagree",
       5,
       {"\"a.weight\"", "[2, 2]"},
       raw("{" + kF32Tensor + "[0,20]}}", std::string(20, '\0'))},
      {"shape that overflows",
       5,
       {"\"a\""},
       raw(R"({"a":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,16]}})",
           std::string(16, '\0'))},
      {"duplicate tensor",
       5,
       {"duplicate key", "a.weight"},
       raw("{" + kF32Tensor + "[0,16]}," + kF32Tensor + "[0,16]}}", std::string(16, '\0'))},
      {"header 100,000 levels deep",
       5,
       {"levels"},
       raw("{\"a\":" + std::string(100000, '[') + std::string(100000, ']') + "}", "")},
      {"no weights at all but text", 5, {"model.safetensors"}, damaged([](auto) {
         return std::string("hello, this is a text file");
       })},
      {"unknown key",
       2,
       {"p.json:", "modle", "did you mean \"model\""},
       pipeline(R"({"modle": {"path": "model.safetensors"}, "outputs": []})")},
      {"duplicate key in the configuration",
       2,
       {"p.json:1:", "duplicate key"},
       pipeline(R"({"model": {"path": "a", "path": "b"}})")},
      {"number beyond a double",
       2,
       {"p.json:1:", "range"},
       pipeline(R"({"model": {"path": "model.safetensors"}, "version": 1e400})")},
      {"configuration 100,000 levels deep",
       2,
       {"levels"},
       pipeline(std::string(100000, '[') + std::string(100000, ']'))},
      {"wrong type",
       2,
       {"p.json:", "/runtime/threads", "integer"},
       pipeline(
           R"({"model": {"path": "model.safetensors"}, "outputs": [{"serializer": "safetensors", "path": "o"}], "runtime": {"threads": "two"}})")},
      {"unknown plugin",
       2,
       {"int9", "int8"},
       pipeline(with_rule(R"({"match": {}, "weight": {"quantizer": "int9"}})"))},
      {"group_size 0",
       2,
       {"group_size", "p.json:1:"},
       pipeline(with_rule(
           R"({"match": {"type": "Linear"}, "weight": {"quantizer": "int4_groupwise", "params": {"group_size": 0}}})"))},
      {"unknown parameter",
       2,
       {"grup_size", "group_size"},
       pipeline(with_rule(
           R"({"match": {}, "weight": {"quantizer": "int4_groupwise", "params": {"grup_size": 32}}})"))},
      {"groups that do not fit",
       3,
       {"group_size 128", "fc1", "64", "hint:"},
       pipeline(with_rule(
           R"({"match": {"name": "fc1"}, "weight": {"quantizer": "int4_groupwise", "params": {"tail": "error"}}})"))},
      {"activation of weights only",
       2,
       {"p.json:1:", "activations"},
       pipeline(with_rule(
           R"({"match": {"type": "Linear"}, "activation": {"observer": "minmax", "quantizer": "int8"}})"))},
      {"isolation of what changes programs",
       2,
       {"/outputs/0/serializer", "torchscript", "process of its own"},
       pipeline(
           R"({"model": {"path": "model.safetensors"}, "rules": [], "outputs": [{"serializer": "torchscript", "path": "o.pt"}], "runtime": {"isolation": "process"}})")},
      {"output equal to input",
       2,
       {"model"},
       pipeline(
           R"({"model": {"path": "model.safetensors"}, "rules": [], "outputs": [{"serializer": "safetensors", "path": "./model.safetensors"}]})")},
      {"output below a file",
       5,
       {"p.json", "Not a directory"},
       pipeline(
           R"({"model": {"path": "model.safetensors"}, "rules": [], "outputs": [{"serializer": "safetensors", "path": "p.json/out.safetensors"}]})")},
      {"NaN in a weight",
       3,
       {"fc1.weight", "not finite", "keep"},
       [nan](const TempFolder& f) {
         model(f, {f32("fc1.weight", {16, 64}, [&] {
                 std::vector<float> v(16 * 64, 1.0F);
                 v[77] = nan;
                 return v;
               }())});
         write_file(f / "p.json", kPipeline);
       }},
      {"validation that fails",
       4,
       {"sqnr", "fc1.weight"},
       pipeline(R"({"model": {"path": "model.safetensors"},
                    "rules": [{"match": {"name": "fc1"}, "weight": {"quantizer": "int8"}}],
                    "outputs": [{"serializer": "safetensors", "path": "out/model.safetensors"}],
                    "validation": {"validators": [{"id": "sqnr", "params": {"critical_db": 90, "warn_db": 99}}]}})")},
  };
}

}  // namespace

TEST_CASE("a mistake gives its exit code, says what and where, and leaves no trace",
          "[cli][errors]") {
  for (const Mistake& m : mistakes()) {
    DYNAMIC_SECTION(m.name) {
      const TempFolder folder;
      m.make(folder);
      const auto before = folder.names();
      const Outcome outcome = run_detent({"run", (folder / "p.json").string()});
      INFO(outcome.err);
      CHECK(outcome.exit_code == m.exit_code);
      CHECK(outcome.err.find("error: ") != std::string::npos);
      for (const std::string& word : m.words) {
        INFO(word);
        CHECK(outcome.err.find(word) != std::string::npos);
      }
      CHECK(outcome.out.empty());
      CHECK(folder.names() == before);
    }
  }
}

TEST_CASE("--json reports a failure as one document on stdout", "[cli][errors]") {
  const TempFolder folder;
  write_file(folder / "p.json", kPipeline);
  const Outcome outcome = run_detent({"run", (folder / "p.json").string(), "--json"});
  CHECK(outcome.exit_code == 5);
  const json::Value document = json::parse(outcome.out);
  std::int64_t code = 0;
  REQUIRE(document.at_pointer("/error/code") != nullptr);
  CHECK(document.at_pointer("/error/code")->to_int(&code));
  CHECK(code == 5);
  CHECK(document.at_pointer("/error/message")->if_string()->find("No such file") !=
        std::string::npos);
  CHECK(*document.at_pointer("/error/where/file")->if_string() ==
        (folder / "model.safetensors").string());
  CHECK(document.at_pointer("/error/hint") != nullptr);
  CHECK(document.at_pointer("/error/where") != nullptr);
}

TEST_CASE("all mistakes of a configuration are reported at once", "[cli][errors]") {
  const TempFolder folder;
  pipeline(R"({
  "model": {"path": 3},
  "rules": [{"match": {"tpye": "Linear"}, "weight": {"quantizer": "int8"}}],
  "outputs": [{"serializer": "safetensors", "path": "o"}],
  "runtime": {"threads": -1}
})")(folder);
  const Outcome outcome = run_detent({"config", "check", (folder / "p.json").string()});
  INFO(outcome.err);
  CHECK(outcome.exit_code == 2);
  CHECK(outcome.err.find("p.json:2:") != std::string::npos);
  CHECK(outcome.err.find("p.json:3:") != std::string::npos);
  CHECK(outcome.err.find("p.json:5:") != std::string::npos);
}

TEST_CASE("a rule that matches nothing is a warning, and with --strict an error", "[cli][errors]") {
  const TempFolder folder;
  pipeline(with_rule(R"({"match": {"type": "Linear"}, "weight": {"quantizer": "int8"}},
                        {"match": {"name": "nothing.*"}, "weight": {"quantizer": "int8"}})"))(
      folder);
  const Outcome lenient = run_detent({"plan", (folder / "p.json").string()});
  CHECK(lenient.exit_code == 0);
  CHECK(lenient.err.find("nothing.*") != std::string::npos);
  const Outcome strict = run_detent({"run", (folder / "p.json").string(), "--strict"});
  CHECK(strict.exit_code == 2);
  CHECK(strict.err.find("nothing.*") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(folder / "out"));
}

TEST_CASE("mistakes on the command line have exit code 2 and a hint", "[cli][errors]") {
  CHECK(run_detent({"runn"}).exit_code == 2);
  CHECK(run_detent({"runn"}).err.find("did you mean \"detent run\"") != std::string::npos);
  CHECK(run_detent({"run"}).exit_code == 2);
  CHECK(run_detent({"run", "x.json", "--no-such-flag"}).exit_code == 2);
  CHECK(run_detent({"--help"}).exit_code == 0);
  CHECK(run_detent({"--version"}).out.find("detent 0.") == 0);
}

}  // namespace detent::test
