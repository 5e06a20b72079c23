// SPDX-License-Identifier: Apache-2.0
// Every file of config_examples is checked, and run where its model is part of the repository.
#include "support/catch.hpp"
#include "support/json_at.hpp"
#include "support/program.hpp"

namespace detent::test {
namespace {

std::vector<std::filesystem::path> examples() {
  std::vector<std::filesystem::path> found;
  for (const auto& entry : std::filesystem::directory_iterator(DETENT_CONFIG_EXAMPLES))
    if (entry.path().extension() == ".json") found.push_back(entry.path());
  std::sort(found.begin(), found.end());
  return found;
}

bool runs_models() {
  return !at(json::parse(run_detent({"doctor", "--json"}).out), "/libtorch").is_null();
}

// Calibration and program need a build with LibTorch; weights alone do not.
bool can_run(const std::filesystem::path& example, const json::Value& config) {
  const std::filesystem::path model = example.parent_path() / text(config, "/model/path");
  return std::filesystem::exists(model) && (model.extension() != ".pt" || runs_models());
}

}  // namespace

TEST_CASE("every example is a correct configuration", "[cli][examples]") {
  REQUIRE(examples().size() >= 7);
  for (const auto& example : examples()) {
    DYNAMIC_SECTION(example.filename().string()) {
      const Outcome outcome = run_detent({"config", "check", example.string()});
      INFO(outcome.err);
      CHECK(outcome.exit_code == 0);
    }
  }
}

TEST_CASE("every example whose model is here runs and quantizes something", "[cli][examples]") {
  std::size_t ran = 0;
  for (const auto& example : examples()) {
    const json::Value config =
        json::parse(read_file(example), {.comments_and_trailing_commas = true, .max_depth = 64});
    if (!can_run(example, config)) continue;
    ++ran;
    DYNAMIC_SECTION(example.filename().string()) {
      const TempFolder folder;
      std::vector<std::string> arguments{"run", example.string(), "--json", "--strict"};
      for (std::size_t i = 0; i < list(config, "/outputs").size(); ++i) {
        arguments.push_back("--set");
        const std::string pointer = "/outputs/" + std::to_string(i) + "/path";
        const auto extension = std::filesystem::path(text(config, pointer)).extension();
        arguments.push_back(pointer + "=" + (folder / "model").string() + std::to_string(i) +
                            extension.string());
      }
      if (config.at_pointer("/report") != nullptr)
        arguments.insert(arguments.end(), {"--set", "/report/path=" + folder.path().string()});
      const Outcome outcome = run_detent(arguments);
      INFO(outcome.err);
      REQUIRE(outcome.exit_code == 0);
      CHECK_FALSE(list(json::parse(outcome.out), "/selected").empty());
      CHECK(run_detent({"verify", (folder / "model0.safetensors").string()}).exit_code == 0);
    }
  }
  CHECK(ran >= 5);
}

}  // namespace detent::test
