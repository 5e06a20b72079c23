// SPDX-License-Identifier: Apache-2.0
#include "config/paths.hpp"

#include <fmt/format.h>
#include <system_error>

#include "base/text.hpp"
#include "config/message.hpp"

namespace detent {
namespace {

namespace fs = std::filesystem;

// The same file however it is spelt: through "..", symbolic links, or a second hard link. What the
// system refuses to look at is compared as text.
bool is_same_file(const fs::path& a, const fs::path& b) {
  std::error_code ec;
  if (fs::equivalent(a, b, ec) && !ec) return true;
  const auto canonical = [](const fs::path& path) {
    std::error_code failed;
    fs::path result = fs::weakly_canonical(fs::absolute(path, failed), failed);
    if (failed) result = path.lexically_normal();
    return result.has_filename() ? result : result.parent_path();  // "out/" is "out"
  };
  return canonical(a) == canonical(b);
}

// A file that a model folder's weights are read from.
bool is_weight_file(const fs::path& path, const fs::path& folder) {
  std::error_code ec;
  if (!fs::is_directory(folder, ec) || !is_same_file(path.parent_path(), folder)) return false;
  const std::string name = path.filename().string();
  return name == "config.json" || glob_match("model*.safetensors", name) ||
         glob_match("*.index.json", name);
}

std::string overwrites(const fs::path& output, const Config& config) {
  if (is_same_file(output, config.model_path) || is_weight_file(output, config.model_path))
    return "the model";
  if (!config.file.empty() && is_same_file(output, config.file)) return "this configuration";
  for (const fs::path& data : config.calibration_data) {
    if (is_same_file(output, data)) return "the calibration data";
  }
  return "";
}

}  // namespace

void check_paths(const Config& config, Problems& problems) {
  for (std::size_t i = 0; i < config.outputs.size(); ++i) {
    const Output& output = config.outputs[i];
    if (output.path.empty()) continue;  // known already
    const std::string at = output.pointer + "/path";
    if (const std::string what = overwrites(output.path, config); !what.empty())
      problems.add(at, output.position, fmt::format("the output would overwrite {}", what),
                   "write to another path");
    for (std::size_t j = 0; j < i; ++j) {
      if (!is_same_file(output.path, config.outputs[j].path)) continue;
      problems.add(at, output.position,
                   fmt::format("{} writes to the same path", config.outputs[j].pointer),
                   "give each output a path of its own");
      break;
    }
  }
}

}  // namespace detent
