// SPDX-License-Identifier: Apache-2.0
#include "model/hf_folder.hpp"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <fmt/format.h>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "base/file.hpp"
#include "base/text.hpp"
#include "json/parse.hpp"
#include "model/bounded_json.hpp"
#include "model/refuse.hpp"
#include "model/shard_index.hpp"

namespace detent {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSingle = "model.safetensors";
constexpr std::string_view kIndex = "model.safetensors.index.json";
constexpr std::string_view kConfig = "config.json";
constexpr std::uint64_t kMaxIndexBytes = 100'000'000;
constexpr std::uint64_t kMaxConfigBytes = 10'000'000;
constexpr std::size_t kMaxFiles = 100'000;

// The folder as files are opened in it: below a root that nothing may lead out of.
class Folder {
 public:
  explicit Folder(const fs::path& path) : path_(path), root_(path), inside_(".") {
    std::error_code ec;
    const fs::path real = fs::canonical(path, ec);
    if (ec) refuse(path.string(), "cannot open: " + system_reason(ec.value()));
    const fs::path snapshots = real.parent_path();
    const fs::path repository = snapshots.parent_path();
    if (snapshots.filename() == "snapshots" &&
        repository.filename().string().starts_with("models--")) {
      root_ = repository;
      inside_ = real.lexically_relative(repository);
    }
    list();
  }

  std::string name() const { return path_.string(); }
  std::string path_of(std::string_view file) const { return (path_ / file).string(); }
  const std::set<std::string>& names() const { return names_; }
  bool has(std::string_view file) const { return names_.contains(std::string(file)); }
  File open(std::string_view file) const {
    return File::open_beneath(root_, inside_ == "." ? fs::path(file) : inside_ / file);
  }

 private:
  void list() {
    std::error_code ec;
    fs::directory_iterator it(path_, ec);
    for (; !ec && it != fs::directory_iterator(); it.increment(ec)) {
      names_.insert(it->path().filename().string());
      if (names_.size() > kMaxFiles)
        refuse(name(), fmt::format("holds more than {} files", grouped(kMaxFiles)));
    }
    if (ec) refuse(name(), "cannot list the folder: " + system_reason(ec.value()));
  }

  fs::path path_;
  fs::path root_;
  fs::path inside_;  // relative to root_
  std::set<std::string> names_;
};

bool all_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == text.npos;
}

// "model.safetensors" and "model-00001-of-00003.safetensors": files that belong to the model.
bool is_model_file(std::string_view name) {
  if (name == kSingle) return true;
  constexpr std::string_view kPrefix = "model-", kOf = "-of-", kSuffix = ".safetensors";
  if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) return false;
  if (name.size() < kPrefix.size() + kSuffix.size()) return false;
  name.remove_prefix(kPrefix.size());
  name.remove_suffix(kSuffix.size());
  const std::size_t of = name.find(kOf);
  return of != name.npos && all_digits(name.substr(0, of)) &&
         all_digits(name.substr(of + kOf.size()));
}

[[noreturn]] void refuse_without_model(const Folder& folder) {
  std::vector<std::string> found;
  for (const std::string& name : folder.names())
    if (name.ends_with(".safetensors") && found.size() < 4) found.push_back(shown(name));
  const bool has_torch =
      std::any_of(folder.names().begin(), folder.names().end(), [](const std::string& name) {
        return name.starts_with("pytorch_model") && name.ends_with(".bin");
      });
  std::string hint;
  if (std::any_of(folder.names().begin(), folder.names().end(), is_model_file)) {
    hint = "the index is missing: the shards alone do not say whether they are complete";
  } else if (!found.empty()) {
    hint = fmt::format("the folder holds {}: give the path of the file", join_words(found));
  } else if (has_torch) {
    hint = "the folder holds pytorch_model.bin: give the path of that file, if there is only one";
  }
  refuse(folder.name(), fmt::format("no model: there is neither {} nor {}", kSingle, kIndex), hint);
}

void open_shards(const Folder& folder, ModelParts* parts) {
  const File file = folder.open(kIndex);
  const ShardIndex index =
      parse_shard_index(file.read_text(kMaxIndexBytes), folder.path_of(kIndex));
  for (const std::string& shard : index.shards)
    if (!folder.has(shard))
      refuse(folder.name(),
             fmt::format("the shard {}, which the index lists, is missing", shown(shard)),
             "download the model again");
  for (const std::string& name : folder.names())
    if (is_model_file(name) && !std::binary_search(index.shards.begin(), index.shards.end(), name))
      refuse(folder.name(), fmt::format("the index does not list the file {}", shown(name)),
             "remove the file when it is a left-over; otherwise the index is not this model's");
  for (const std::string& shard : index.shards)
    parts->files.push_back(read_safetensors(folder.open(shard)));
  check_shards(index, parts->files, folder.path_of(kIndex));
  parts->other_files.push_back(file.path());
}

// Only a help for guessing types, and some are not strict JSON (Mamba-2 has "Infinity"): what
// cannot be understood is left out, and said.
void read_config(const Folder& folder, ModelParts* parts) {
  const File file = folder.open(kConfig);
  const std::string text = file.read_text(kMaxConfigBytes);
  parts->other_files.push_back(file.path());
  try {
    parts->config = parse_bounded(text, {.depth = 64, .children = 500'000, .values = 500'000});
  } catch (const json::ParseError& e) {
    parts->notes.push_back(fmt::format("{}:{}:{}: not used to infer layer types: {}",
                                       printable(file.path().string()), e.position().line,
                                       e.position().column, shortened(e.what(), 400)));
  }
}

}  // namespace

ModelParts open_hf_folder(const fs::path& path) {
  const Folder folder(path);
  ModelParts parts;
  if (folder.has(kIndex)) {
    parts.format = "safetensors-sharded";
    open_shards(folder, &parts);
  } else if (folder.has(kSingle)) {
    parts.format = "safetensors";
    parts.files.push_back(read_safetensors(folder.open(kSingle)));
    for (const std::string& name : folder.names())
      if (is_model_file(name) && name != kSingle)
        refuse(folder.name(),
               fmt::format("holds both {} and the shard {}, and no index", kSingle, shown(name)),
               "remove the file that is a left-over, or give the path of the file");
  } else {
    refuse_without_model(folder);
  }
  if (folder.has(kConfig)) read_config(folder, &parts);
  return parts;
}

}  // namespace detent
