// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <string>

#include "config/config.hpp"
#include "support/catch.hpp"
#include "support/temp_folder.hpp"

namespace detent {
namespace {

namespace fs = std::filesystem;
using test::TempFolder;

// The first message for one output path, "" when it is accepted. The file lies in <folder>/conf.
std::string message(const TempFolder& folder, const std::string& output,
                    const std::string& model = "../model.safetensors") {
  const std::string text = R"({"model":{"path":")" + model +
                           R"("},"calibration":{"data":["../data.safetensors"]},
                           "outputs":[{"serializer":"s","path":")" +
                           output + R"("}]})";
  try {
    load_config(folder.write("conf/p.json", text), {});
    return "";
  } catch (const Error& e) {
    CHECK(e.code() == ErrorCode::config);
    return e.problems()[0].message;
  }
}

constexpr const char* kModel = "the output would overwrite the model";

TEST_CASE("an output may not be the model however its path is spelt") {
  const TempFolder temp;
  temp.write("model.safetensors", "model");
  fs::create_directory(temp / "real");
  fs::create_directory_symlink(temp / "real/..", temp / "link");
  fs::create_symlink(temp / "model.safetensors", temp / "alias.safetensors");
  fs::create_hard_link(temp / "model.safetensors", temp / "twin.safetensors");
  CHECK(message(temp, "../model.safetensors") == kModel);
  CHECK(message(temp, "../conf/.././model.safetensors") == kModel);
  CHECK(message(temp, (temp / "model.safetensors").string()) == kModel);
  CHECK(message(temp, "../link/model.safetensors") == kModel);
  CHECK(message(temp, "../alias.safetensors") == kModel);
  CHECK(message(temp, "../twin.safetensors") == kModel);
  CHECK(message(temp, "model.safetensors") == "");
  CHECK(message(temp, "../out/model.safetensors") == "");
}

TEST_CASE("paths are compared before anything exists") {
  const TempFolder temp;
  CHECK(message(temp, "../x/../model.safetensors") == kModel);
  CHECK(message(temp, "../model.safetensors2") == "");
}

TEST_CASE("an output may not be a weight file of a model folder") {
  const TempFolder temp;
  temp.write("hf/model-00001-of-00002.safetensors", "shard");
  CHECK(message(temp, "../hf/model-00001-of-00002.safetensors", "../hf") == kModel);
  CHECK(message(temp, "../hf/model.safetensors", "../hf/") == kModel);
  CHECK(message(temp, "../hf/int8.safetensors", "../hf") == "");
  CHECK(message(temp, "../hf", "../hf/") == kModel);
}

TEST_CASE("an output may not be the configuration or the calibration data") {
  const TempFolder temp;
  CHECK(message(temp, "p.json") == "the output would overwrite this configuration");
  CHECK(message(temp, "../data.safetensors") == "the output would overwrite the calibration data");
}

TEST_CASE("a relative configuration path is resolved from the working folder") {
  const TempFolder temp;
  const fs::path before = fs::current_path();
  temp.write("p.json",
             R"({"model":{"path":"m.st"},"outputs":[{"serializer":"s","path":"./m.st"}]})");
  fs::current_path(temp.path());
  std::string text;
  try {
    load_config("p.json", {});
  } catch (const Error& e) {
    text = e.what();
  }
  fs::current_path(before);
  CHECK(text.find("p.json:1:62: /outputs/0/path: the output would overwrite the model") == 0);
}

}  // namespace
}  // namespace detent
