// SPDX-License-Identifier: Apache-2.0
// load_config: file, overrides, layout, and then each part in types.
#include <algorithm>
#include <fmt/format.h>
#include <utility>

#include "base/file.hpp"
#include "base/text.hpp"
#include "config/check_layout.hpp"
#include "config/complete.hpp"
#include "config/config.hpp"
#include "config/layout.hpp"
#include "config/message.hpp"
#include "config/overrides.hpp"
#include "config/paths.hpp"
#include "config/reader.hpp"
#include "json/parse.hpp"

namespace detent {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kLargestFile = std::uint64_t{16} << 20;  // bytes

// file: what messages call the text.
json::Value parse_document(std::string_view body, const fs::path& file) {
  if (body.starts_with("\xEF\xBB\xBF")) body.remove_prefix(3);  // editors on Windows write it
  try {
    return json::parse(body, {.comments_and_trailing_commas = true});
  } catch (const json::ParseError& e) {
    throw Error(ErrorCode::config, e.what(), "",
                {.file = file.string(), .line = e.position().line, .column = e.position().column});
  }
}

// Paths are relative to the file that names them, so that a folder can be moved.
fs::path resolve(const Config& config, const std::string& path) {
  return path.empty() ? fs::path() : config.file.parent_path() / fs::path(path);
}

std::vector<fs::path> read_paths(const Config& config, const Cursor& at) {
  std::vector<fs::path> paths;
  for (const Cursor& item : at.one_or_items()) paths.push_back(resolve(config, item.text()));
  return paths;
}

// "sha256:<64 hexadecimal digits>" without its prefix, in lower case; empty when it is not that.
std::string read_sha256(const std::string& text) {
  constexpr std::string_view kPrefix = "sha256:";
  if (!text.starts_with(kPrefix)) return "";
  std::string digits = text.substr(kPrefix.size());
  const bool good = digits.size() == 64 &&
                    digits.find_first_not_of("0123456789abcdefABCDEF") == std::string::npos;
  if (!good) return "";
  for (char& c : digits) c = c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
  return digits;
}

void read_pins(Config& config, const Cursor& at) {
  for (const auto& [id, hash] : at.members()) {
    if (!hash.is_string() || hash.text().empty()) continue;
    std::string digits = read_sha256(hash.text());
    const auto same = [&, &name = id](const auto& pin) {
      return normalise_name(pin.first) == normalise_name(name);
    };
    if (digits.empty()) {
      hash.problem(fmt::format("{} is not a hash", quote_abridged(hash.text())),
                   "\"sha256:\" and 64 hexadecimal digits, as `detent plugins list --json` gives "
                   "them");
    } else if (std::any_of(config.pins.begin(), config.pins.end(), same)) {
      hash.problem(fmt::format("{} is pinned twice", quote_abridged(id)),
                   "case, _ and - do not count in the names of plugins");
    } else {
      config.pins.emplace_back(id, std::move(digits));
    }
  }
}

void read_model(Config& config, const Cursor& at) {
  config.model_path = resolve(config, at["path"].text());
  for (const auto& [glob, type] : at["types"].members())
    config.model_options.types.emplace_back(glob, type.text());
}

void read_calibration(Config& config, const Cursor& at) {
  config.has_calibration = static_cast<bool>(at);
  config.calibration_data = read_paths(config, at["data"]);
  if (const auto samples = at["samples"].integer()) config.calibration_samples = *samples;
  if (const auto size = at["batch_size"].integer()) config.calibration_batch_size = *size;
  if (const auto fraction = at["clip_warning"].number()) config.clip_warning = *fraction;
}

void read_outputs(Config& config, const Cursor& at) {
  for (const Cursor& item : at.items()) {
    Output output;
    output.serializer = read_plugin(item["serializer"]);
    output.path = resolve(config, item["path"].text());
    output.pointer = item.pointer();
    output.position = item["path"].position();
    config.outputs.push_back(std::move(output));
  }
}

void read_validation(Config& config, const Cursor& at) {
  for (const Cursor& item : at["validators"].items())
    config.validators.push_back(read_plugin(item));
  const std::string on_failure = at["on_failure"].text();
  if (on_failure == "warn") config.on_failure = OnFailure::warn;
  if (on_failure == "ignore") config.on_failure = OnFailure::ignore;
}

void read_runtime(Config& config, const Cursor& at) {
  config.threads =
      static_cast<unsigned>(std::clamp<std::int64_t>(at["threads"].integer().value_or(0), 0, 1024));
  config.isolation = at["isolation"].text();
  if (const auto seconds = at["plugin_timeout"].integer()) config.plugin_timeout = *seconds;
  config.plugin_memory = static_cast<std::uint64_t>(
      std::max<std::int64_t>(at["plugin_memory"].integer().value_or(0), 0));
  if (at["on_plugin_failure"].text() == "skip_layer")
    config.on_plugin_failure = OnPluginFailure::skip_layer;
  if (const auto threads = at["model_threads"].integer())
    config.model_threads = static_cast<unsigned>(std::clamp<std::int64_t>(*threads, 1, 1024));
  if (const auto seconds = at["model_timeout"].integer()) config.model_timeout = *seconds;
  config.memory_limit = static_cast<std::uint64_t>(
      std::max<std::int64_t>(at["memory_limit"].integer().value_or(0), 0));
  config.seed = at["seed"].integer().value_or(0);
}

void read_config(Config& config, const Cursor& root) {
  read_model(config, root["model"]);
  config.plugin_search = read_paths(config, root["plugins"]["search"]);
  config.only_pinned = root["plugins"]["trust"].text() == "pinned";
  read_pins(config, root["plugins"]["pin"]);
  read_calibration(config, root["calibration"]);
  config.rules = read_rules(root["rules"]);
  config.modules_to_not_convert = read_patterns(root["modules_to_not_convert"]);
  read_outputs(config, root["outputs"]);
  read_validation(config, root["validation"]);
  if (root["report"]["path"]) config.report_path = resolve(config, root["report"]["path"].text());
  read_runtime(config, root["runtime"]);
  config.sha256_provenance = root["provenance"].text() == "sha256";
}

void read_checked(Config& config, const Layout& layout, Problems& problems) {
  check_layout(config.document, layout, "", problems);
  const json::Value whole = complete_document(config.document, layout);
  read_config(config, Cursor(&whole, "", problems));
}

}  // namespace

Config load_config(const fs::path& file, const std::vector<ConfigOverride>& overrides) {
  Config config;
  config.file = file;
  config.document = parse_document(read_text_file(file, kLargestFile), file);
  std::vector<Problem> bad_overrides;
  config.overrides = apply_overrides(config.document, overrides, bad_overrides);

  Problems problems({file.string(), config.overrides});
  for (Problem& p : bad_overrides) problems.add(std::move(p));
  read_checked(config, pipeline_layout(), problems);
  check_paths(config, problems);
  problems.throw_if_any();
  return config;
}

Config parse_rules(std::string_view text) {
  Config config;
  config.file = "rules";
  config.document = parse_document(text, config.file);
  Problems problems({config.file.string(), {}});
  read_checked(config, rules_layout(), problems);
  problems.throw_if_any();
  return config;
}

}  // namespace detent
