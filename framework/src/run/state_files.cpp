// SPDX-License-Identifier: Apache-2.0
#include "run/state_files.hpp"

#include <algorithm>
#include <fmt/format.h>

#include "base/error.hpp"
#include "base/file.hpp"

namespace detent {
namespace fs = std::filesystem;
namespace {

constexpr const char* kExtension = ".state";

std::vector<fs::path> states_in(const fs::path& folder) {
  std::error_code ec;
  std::vector<fs::path> files;
  for (fs::directory_iterator it(folder, ec), end; !ec && it != end; it.increment(ec))
    if (it->path().extension() == kExtension) files.push_back(it->path());
  if (ec || files.empty())
    throw Error(ErrorCode::io,
                fmt::format("{}: {}", folder.string(),
                            ec ? system_reason(ec.value()) : "holds no states of observers"),
                "`detent observe CONFIG --state FOLDER` writes them", {.file = folder.string()});
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

std::string state_name(const Shard& shard) {
  return fmt::format("part-{}-of-{}{}", shard.index, shard.shards, kExtension);
}

std::vector<fs::path> state_files(const std::vector<fs::path>& given) {
  std::vector<fs::path> files;
  for (const fs::path& path : given) {
    if (fs::is_regular_file(path)) {
      files.push_back(path);
    } else {
      const std::vector<fs::path> in_folder = states_in(path);
      files.insert(files.end(), in_folder.begin(), in_folder.end());
    }
  }
  return files;
}

std::vector<ObserverState> read_state_files(const std::vector<fs::path>& given) {
  std::vector<ObserverState> all;
  for (const fs::path& one : given) {
    std::vector<ObserverState> states;
    for (const fs::path& file : state_files({one}))
      states.push_back(parse_state(read_text_file(file, kMaxStateBytes), file.string()));
    std::stable_sort(states.begin(), states.end(), [](const auto& a, const auto& b) {
      return a.origin.shard.index < b.origin.shard.index;
    });
    std::move(states.begin(), states.end(), std::back_inserter(all));
  }
  return all;
}

}  // namespace detent
