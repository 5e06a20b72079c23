// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <string>
#include <sys/stat.h>
#include <vector>

#include "model/model.hpp"
#include "model/shard_index.hpp"
#include "support/temp_folder.hpp"
#include "unit/model/model_files.hpp"

namespace detent {
namespace {

namespace fs = std::filesystem;
using test::contains;
using test::open_refusal;
using test::safetensors;
using test::TempFolder;

constexpr const char* kShard1 = "model-00001-of-00002.safetensors";
constexpr const char* kShard2 = "model-00002-of-00002.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";

// A file with one U8 tensor of 4 bytes for each name.
std::string file_with(const std::vector<std::string>& names) {
  std::string header = R"({"__metadata__":{"format":"pt"})";
  for (std::size_t i = 0; i < names.size(); ++i)
    header += ",\"" + names[i] + R"(":{"dtype":"U8","shape":[4],"data_offsets":[)" +
              std::to_string(4 * i) + "," + std::to_string(4 * i + 4) + "]}";
  return safetensors(header + "}", 4 * names.size());
}

std::string index_of(const std::vector<std::pair<std::string, std::string>>& map) {
  std::string text = R"({"metadata":{"total_size":12},"weight_map":{)";
  for (std::size_t i = 0; i < map.size(); ++i)
    text += (i == 0 ? "\"" : ",\"") + map[i].first + "\":\"" + map[i].second + "\"";
  return text + "}}";
}

std::string good_index() { return index_of({{"c", kShard2}, {"a", kShard1}, {"b", kShard1}}); }

void write_sharded(const TempFolder& folder) {
  folder.write(kIndex, good_index());
  folder.write(kShard1, file_with({"a", "b"}));
  folder.write(kShard2, file_with({"c"}));
}

}  // namespace

TEST_CASE("A folder with one file is opened as that file") {
  const TempFolder folder;
  folder.write("model.safetensors", file_with({"a"}));
  folder.write("config.json", "{}");
  folder.write("optimizer.safetensors", "not looked at");
  const auto model = open_model(folder.path(), {});
  CHECK(model->format() == "safetensors");
  CHECK(model->files() ==
        std::vector<fs::path>{folder / "model.safetensors", folder / "config.json"});
  CHECK(model->notes().empty());
}

TEST_CASE("Shards are opened in the order of their names, and read") {
  const TempFolder folder;
  write_sharded(folder);
  const auto model = open_model(folder.path(), {});
  CHECK(model->format() == "safetensors-sharded");
  CHECK(model->files() ==
        std::vector<fs::path>{folder / kShard1, folder / kShard2, folder / kIndex});
  REQUIRE(model->tensors().size() == 3);
  CHECK(model->tensors()[2].name == "c");
  CHECK(model->tensors()[2].file == 1);
  CHECK(model->metadata().size() == 1);  // both shards have it
  std::vector<std::byte> out(4);
  model->read(*model->find("b"), out);
  CHECK(std::to_integer<int>(out[0]) == 4);
}

TEST_CASE("A folder without a model says what is in it instead") {
  const TempFolder folder;
  CHECK(contains(open_refusal(folder.path()),
                 "no model: there is neither model.safetensors nor model.safetensors.index.json"));
  folder.write("pytorch_model.bin", "x");
  CHECK(contains(open_refusal(folder.path()), "give the path of that file"));
  folder.write("adapter_model.safetensors", "x");
  CHECK(
      contains(open_refusal(folder.path()), "holds \"adapter_model.safetensors\": give the path"));
  folder.write(kShard1, "x");
  CHECK(contains(open_refusal(folder.path()), "the index is missing"));
}

TEST_CASE("Index and shards must agree, both ways") {
  const TempFolder folder;
  write_sharded(folder);
  const auto error = [&] { return open_refusal(folder.path()); };
  CHECK(error() == "accepted");
  SECTION("a shard is missing") {
    fs::remove(folder / kShard2);
    CHECK(contains(error(),
                   "the shard \"model-00002-of-00002.safetensors\", which the index lists"
                   ", is missing"));
  }
  SECTION("a shard is not listed") {
    folder.write("model-00003-of-00003.safetensors", file_with({"d"}));
    CHECK(contains(error(), "the index does not list the file \"model-00003-of-00003.safetensors"));
  }
  SECTION("a whole model lies beside the shards") {
    folder.write("model.safetensors", file_with({"a"}));
    CHECK(contains(error(), "the index does not list the file \"model.safetensors\""));
  }
  SECTION("a tensor is in another shard than the index says") {
    folder.write(kIndex, index_of({{"a", kShard1}, {"b", kShard2}, {"c", kShard2}}));
    CHECK(contains(error(), "tensor \"b\" is here, but the index places it in \"model-00002"));
  }
  SECTION("a tensor is not in the index") {
    folder.write(kShard2, file_with({"c", "d"}));
    CHECK(contains(error(), "tensor \"d\" is not in the index"));
  }
  SECTION("tensors are in no shard") {
    folder.write(
        kIndex,
        index_of({{"a", kShard1}, {"z", kShard2}, {"b", kShard1}, {"c", kShard2}, {"y", kShard1}}));
    CHECK(contains(error(),
                   "tensor \"y\" should be in \"model-00001-of-00002.safetensors\", which "
                   "does not hold it (1 more are missing)"));
  }
  SECTION("a tensor is in two shards") {
    folder.write(kShard2, file_with({"c", "a"}));
    CHECK(contains(error(), "tensor \"a\" is also in \"model-00001"));
  }
  SECTION("a shard is another one under a second name") {
    fs::remove(folder / kShard2);
    fs::create_symlink(kShard1, folder / kShard2);
    CHECK(contains(error(), "tensor \"a\" is also in"));
  }
  SECTION("a shard is damaged") {
    fs::resize_file(folder / kShard2, fs::file_size(folder / kShard2) - 1);
    CHECK(contains(error(), "truncated?"));
    CHECK(contains(error(), kShard2));
  }
}

TEST_CASE("Shards without an index beside a whole model are refused") {
  const TempFolder folder;
  folder.write("model.safetensors", file_with({"a"}));
  folder.write(kShard1, file_with({"a"}));
  CHECK(contains(open_refusal(folder.path()), "holds both model.safetensors and the shard"));
}

TEST_CASE("An index that is none is refused with its place") {
  const TempFolder folder;
  write_sharded(folder);
  const auto error = [&](const std::string& text) {
    folder.write(kIndex, text);
    return open_refusal(folder.path());
  };
  CHECK(contains(error(""), "index.json:1:1: not valid JSON"));
  CHECK(contains(error("[]"), "there is no \"weight_map\""));
  CHECK(contains(error("{}"), "there is no \"weight_map\""));
  CHECK(contains(error("{\n \"weight_map\": []}"), "index.json:2:16: \"weight_map\" is an array"));
  CHECK(contains(error(R"({"weight_map":{}})"), "lists no tensors"));
  CHECK(contains(error(R"({"weight_map":{"a":1}})"), "the shard of tensor \"a\" is an integer"));
  CHECK(contains(error(R"({"weight_map":{"a":"x","a":"x"}})"), "duplicate key"));
  CHECK(contains(error("{\"weight_map\":" + std::string(100'000, '[')), "16 levels"));
}

TEST_CASE("A shard's name is a plain file name that ends in .safetensors") {
  CHECK(shard_name_fault("model-00001-of-00002.safetensors").empty());
  CHECK(shard_name_fault("x..y.safetensors").empty());
  for (const std::string& name :
       {std::string(), std::string("../x.safetensors"), std::string("/etc/x.safetensors"),
        std::string("a/b.safetensors"), std::string("a\\b.safetensors"), std::string(".."),
        std::string("."), std::string(".x.safetensors"), std::string(".safetensors"),
        std::string("x.bin"), std::string("x.safetensors "), std::string("X.SAFETENSORS"),
        std::string("x\0.safetensors", 14), std::string("x.safetensors\0", 14),
        std::string(250, 'x') + ".safetensors"}) {
    INFO(name);
    CHECK_FALSE(shard_name_fault(name).empty());
  }
  const TempFolder folder;
  write_sharded(folder);
  folder.write(kIndex, index_of({{"a", "../../etc/passwd"}}));
  CHECK(contains(open_refusal(folder.path()),
                 "the shard name \"../../etc/passwd\" is a path: shards lie in the folder"));
  folder.write(kIndex, index_of({{"a", "x\\u0000.safetensors"}}));
  CHECK(contains(open_refusal(folder.path()), "holds a NUL character"));
}

TEST_CASE("No link leads out of the folder") {
  const TempFolder outside;
  outside.write("c.safetensors", file_with({"c"}));
  const TempFolder folder;
  write_sharded(folder);
  const auto relink = [&](const fs::path& name, const fs::path& target) {
    fs::remove(folder / name);
    fs::create_symlink(target, folder / name);
  };
  SECTION("absolute") { relink(kShard2, outside / "c.safetensors"); }
  SECTION("relative") {
    relink(kShard2, "../" + outside.path().filename().string() + "/c.safetensors");
  }
  SECTION("by two steps") {
    fs::create_symlink(outside / "c.safetensors", folder / "step");
    relink(kShard2, "step");
  }
  SECTION("the index itself") {
    outside.write("index", good_index());
    relink(kIndex, outside / "index");
  }
  SECTION("the configuration") {
    outside.write("config", "{}");
    fs::create_symlink(outside / "config", folder / "config.json");
  }
  CHECK(contains(open_refusal(folder.path()), "leads out of the folder"));
}

TEST_CASE("Links within the folder are followed; FIFOs and folders are no shards") {
  const TempFolder folder;
  write_sharded(folder);
  fs::rename(folder / kShard2, folder / "data");
  fs::create_symlink("data", folder / kShard2);
  CHECK(open_refusal(folder.path()) == "accepted");
  fs::remove(folder / "data");
  REQUIRE(::mkfifo((folder / "data").c_str(), 0600) == 0);
  CHECK(contains(open_refusal(folder.path()), "is a FIFO"));
  fs::remove(folder / "data");
  fs::create_directory(folder / "data");
  CHECK(contains(open_refusal(folder.path()), "is a folder"));
}

TEST_CASE("A snapshot in the Hugging Face cache links to its blobs, and no further") {
  const TempFolder cache;
  cache.write("models--o--n/blobs/11", file_with({"a", "b"}));
  cache.write("models--o--n/blobs/22", file_with({"c"}));
  cache.write("models--o--n/blobs/33", good_index());
  cache.write("secret", file_with({"c"}));
  const fs::path snapshot = cache / "models--o--n/snapshots/abc";
  fs::create_directories(snapshot);
  fs::create_symlink("../../blobs/11", snapshot / kShard1);
  fs::create_symlink("../../blobs/22", snapshot / kShard2);
  fs::create_symlink("../../blobs/33", snapshot / kIndex);
  CHECK(open_refusal(snapshot) == "accepted");
  CHECK(open_refusal(snapshot / "") == "accepted");
  fs::create_symlink(snapshot, cache / "short");
  CHECK(open_refusal(cache / "short") == "accepted");
  fs::remove(snapshot / kShard2);
  fs::create_symlink("../../../secret", snapshot / kShard2);
  CHECK(contains(open_refusal(snapshot), "leads out of the folder"));
}

TEST_CASE("A config.json that is no strict JSON is left out, and that is noted") {
  const TempFolder folder;
  folder.write("model.safetensors", file_with({"a"}));
  folder.write("config.json", "{\"time_step_limit\": [0.0, Infinity]}");
  const auto model = open_model(folder.path(), {});
  REQUIRE(model->notes().size() == 1);
  CHECK(contains(model->notes()[0], "config.json:1:"));
  CHECK(contains(model->notes()[0], "not used to infer layer types"));
}

}  // namespace detent
