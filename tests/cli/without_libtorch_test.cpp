// SPDX-License-Identifier: Apache-2.0
// The program where there is no LibTorch: everything but running a model.
#include <fstream>
#include <sstream>

#include "json/parse.hpp"
#include "support/catch.hpp"
#include "support/program.hpp"

using namespace detent;

namespace {

const std::vector<std::string> kWithout = {"DETENT_TORCH_WORKER=/nowhere"};
const std::string kExamples = DETENT_CONFIG_EXAMPLES;

test::Outcome run(const test::TempFolder& folder, const std::string& config,
                  const std::string& output = "out.safetensors") {
  const std::vector<std::string> arguments{
      "run",
      config,
      "--overwrite",
      "--set",
      "/outputs/0/path=" + (folder / output).string(),
      "--set",
      R"(/report={"path": ")" + (folder / "report").string() + "\"}"};
  return test::run_detent(arguments, kWithout);
}

// A pipeline on the TorchScript model of the digits, with these rules and this output.
std::string pipeline(const test::TempFolder& folder, const std::string& rule,
                     const std::string& serializer) {
  const auto path = folder / "pipeline.json";
  test::write_file(path, R"({"model": {"path": ")" + kExamples + R"(/digits/model.pt"},
    "rules": [)" + rule + R"(],
    "outputs": [{"serializer": ")" +
                             serializer + R"(", "path": "x"}]})");
  return path.string();
}

}  // namespace

TEST_CASE("the program is not linked to LibTorch") {
  // What the dynamic linker would load stands in the file as a text.
  std::ifstream file(DETENT_PROGRAM, std::ios::binary);
  std::stringstream bytes;
  bytes << file.rdbuf();
  CHECK(bytes.str().find("libc.so") != std::string::npos);
  CHECK(bytes.str().find("libtorch_cpu.so") == std::string::npos);
  CHECK(bytes.str().find("libc10.so") == std::string::npos);
}

TEST_CASE("without LibTorch weights are quantized, also those of a TorchScript file") {
  const test::TempFolder folder;
  CHECK(run(folder, kExamples + "/digits_int8.json").exit_code == 0);
  const test::TempFolder second;
  const std::string rule =
      R"({"match": {"type": ["Linear", "Conv2d"]}, "weight": {"quantizer": "int8"}})";
  for (const auto& [serializer, output] :
       {std::pair("safetensors", "out.safetensors"), std::pair("state_dict", "out.pt")}) {
    const auto outcome = run(second, pipeline(second, rule, serializer), output);
    INFO(outcome.err);
    CHECK(outcome.exit_code == 0);
  }
  CHECK(test::run_detent({"inspect", kExamples + "/digits/model.pt"}, kWithout).exit_code == 0);
}

TEST_CASE("without LibTorch what needs a model that runs is refused, and says why") {
  const test::TempFolder folder;
  const std::string weight = R"("weight": {"quantizer": "int8"})";
  const auto activation = run(
      folder,
      pipeline(folder, "{" + weight + R"(, "activation": {"quantizer": "int8"}})", "safetensors"));
  CHECK(activation.exit_code == 2);
  CHECK(activation.err.find("this installation has no LibTorch") != std::string::npos);
  const auto program =
      run(folder, pipeline(folder, "{" + weight + "}", "torchscript"), "out.pt");
  CHECK(program.exit_code == 2);
  CHECK(program.err.find("this installation has no LibTorch") != std::string::npos);
  CHECK(folder.names() == std::vector<std::string>{"pipeline.json"});
}

TEST_CASE("the doctor tells whether models can run") {
  const auto without = test::run_detent({"doctor", "--json"}, kWithout);
  CHECK(without.exit_code == 0);
  CHECK(json::parse(without.out).at_pointer("/libtorch")->is_null());
}
