// SPDX-License-Identifier: Apache-2.0
// Hugging Face folders: one file or shards with an index, and what can be wrong with these.
#include <filesystem>

#include "support/catch.hpp"
#include "support/json_at.hpp"
#include "support/program.hpp"
#include "support/tiny_model.hpp"

namespace detent::test {
namespace {

constexpr const char* kFirst = "model-00001-of-00002.safetensors";
constexpr const char* kSecond = "model-00002-of-00002.safetensors";

// The tiny network in two shards, and a pipeline that quantizes it.
struct Folder {
  TempFolder temp;

  Folder() {
    const std::vector<TinyTensor> all = tiny_network();
    const auto middle = all.begin() + 4;
    write_safetensors(temp / "model" / kFirst, {all.begin(), middle});
    write_safetensors(temp / "model" / kSecond, {middle, all.end()});
    std::string map;
    for (auto it = all.begin(); it != all.end(); ++it)
      map += (map.empty() ? "\"" : ",\"") + it->name + "\":\"" + (it < middle ? kFirst : kSecond) +
             "\"";
    index(map);
    write_file(temp / "p.json",
               R"({"model": {"path": "model"}, "rules": [{"match": {"type": "Linear"},
               "weight": {"quantizer": "int8"}}], "outputs": [{"serializer": "safetensors", "path": "q.safetensors"}]})");
  }
  void index(const std::string& map) const {
    write_file(temp / "model/model.safetensors.index.json",
               R"({"metadata": {"total_size": 1}, "weight_map": {)" + map + "}}");
  }
  std::string index_text() const { return read_file(temp / "model/model.safetensors.index.json"); }
  void replace_in_index(const std::string& from, const std::string& to) const {
    std::string text = index_text();
    const std::size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    write_file(temp / "model/model.safetensors.index.json", text.replace(at, from.size(), to));
  }
  Outcome run() const { return run_detent({"run", (temp / "p.json").string()}); }
};

}  // namespace

TEST_CASE("a folder of shards gives the tensors that one file would", "[cli][folders]") {
  const Folder folder;
  const Outcome outcome = folder.run();
  INFO(outcome.err);
  REQUIRE(outcome.exit_code == 0);
  const TempFolder single;
  write_safetensors(single / "model/model.safetensors", tiny_network());
  write_file(single / "p.json", read_file(folder.temp / "p.json"));
  REQUIRE(run_detent({"run", (single / "p.json").string()}).exit_code == 0);
  CHECK(read_raw_safetensors(folder.temp / "q.safetensors").data ==
        read_raw_safetensors(single / "q.safetensors").data);
}

TEST_CASE("a missing shard is named", "[cli][folders]") {
  const Folder folder;
  std::filesystem::remove(folder.temp / "model" / kSecond);
  const Outcome outcome = folder.run();
  CHECK(outcome.exit_code == 5);
  CHECK(outcome.err.find(kSecond) != std::string::npos);
}

TEST_CASE("a shard that the index does not know is refused", "[cli][folders]") {
  const Folder folder;
  write_safetensors(folder.temp / "model/model-00003-of-00003.safetensors",
                    {random_f32("x", {4}, 9)});
  const Outcome outcome = folder.run();
  CHECK(outcome.exit_code == 5);
  CHECK(outcome.err.find("model-00003-of-00003.safetensors") != std::string::npos);
}

TEST_CASE("an index that leads out of the folder is refused", "[cli][folders]") {
  for (const char* path :
       {"../outside.safetensors", "/etc/passwd", "a/../../outside.safetensors"}) {
    DYNAMIC_SECTION(path) {
      const Folder folder;
      write_safetensors(folder.temp / "outside.safetensors", tiny_network());
      folder.replace_in_index(kFirst, path);
      const Outcome outcome = folder.run();
      CHECK(outcome.exit_code == 5);
      CHECK_FALSE(std::filesystem::exists(folder.temp / "q.safetensors"));
    }
  }
}

TEST_CASE("a link that leads out of the folder is refused", "[cli][folders]") {
  const Folder folder;
  std::filesystem::rename(folder.temp / "model" / kSecond, folder.temp / "outside.safetensors");
  std::filesystem::create_symlink("../outside.safetensors", folder.temp / "model" / kSecond);
  const Outcome outcome = folder.run();
  CHECK(outcome.exit_code == 5);
  CHECK(outcome.err.find(kSecond) != std::string::npos);
}

TEST_CASE("an index that contradicts its shards is refused", "[cli][folders]") {
  const Folder folder;
  folder.replace_in_index("\"conv1.weight\":\"" + std::string(kFirst),
                          "\"conv1.weight\":\"" + std::string(kSecond));
  const Outcome outcome = folder.run();
  CHECK(outcome.exit_code == 5);
  CHECK(outcome.err.find("conv1.weight") != std::string::npos);
}

}  // namespace detent::test
