// SPDX-License-Identifier: Apache-2.0
// Config: a pipeline file, checked and in types. Reading it opens no model.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "json/value.hpp"
#include "model/model.hpp"
#include "plugin/plugin.hpp"

namespace detent {

// A plugin as the file names it, with its parameters as given. Resolved by check_plugins.
struct PluginUse {
  std::string name;                // as written
  json::Object params;             // as given; after check_plugins complete with defaults
  std::string pointer;             // of the plugin in the document
  std::string name_pointer;        // of its name: the same, or with "/id" behind it
  std::string params_pointer;      // of its params
  json::Position position;         // of its name
  std::string isolation;           // as written; "": that of the run
  const Plugin* plugin = nullptr;  // set by check_plugins
  bool chosen_by_auto = false;
};

// A pattern on names: a glob, or "re:" and an ECMAScript regular expression for the whole name. It
// compiles (see pattern.hpp).
struct NamePattern {
  std::string text;
  json::Position position;
  std::string pointer;
};

// All keys given must hold; a list means any of.
struct Match {
  std::vector<NamePattern> names;
  std::vector<NamePattern> types;
  std::optional<std::int64_t> min_params;
  std::optional<std::int64_t> max_params;
  std::vector<detent_dtype> dtypes;
};

enum class Observe { input, output, both };  // of a layer's operator

struct TensorScheme {
  std::optional<PluginUse> observer;  // none for an activation: quantized dynamically
  PluginUse quantizer;
  Observe observe = Observe::input;  // of an activation
};

struct Rule {
  Match match;
  std::vector<Match> exclude;
  bool keep = false;
  std::optional<TensorScheme> weight;
  std::optional<TensorScheme> activation;
  std::string pointer;  // "/rules/0"
  json::Position position;
};

struct Output {
  PluginUse serializer;
  std::filesystem::path path;  // resolved against the configuration's folder
  std::string pointer;
  json::Position position;
};

struct ConfigOverride {
  std::string pointer;  // "/rules/0/weight/params/group_size"
  std::string value;    // JSON, or a bare word taken as a string
};

// What an override did to the document.
struct AppliedOverride {
  std::string given;   // the pointer as given: "/rules/-/keep"
  std::string target;  // the pointer that it set: "/rules/2/keep"
  std::string root;    // the outermost thing that it made: "/rules/2"
};

enum class OnFailure { error, warn, ignore };
enum class OnPluginFailure { error, skip_layer };

struct Config {
  std::filesystem::path file;  // "" when it came from elsewhere
  std::filesystem::path model_path;
  ModelOptions model_options;
  std::vector<std::filesystem::path> plugin_search;
  std::vector<std::pair<std::string, std::string>> pins;  // id, sha256 in hexadecimal
  bool only_pinned = false;      // of the libraries outside the installation
  bool has_calibration = false;  // "calibration" is given
  std::vector<std::filesystem::path> calibration_data;
  std::int64_t calibration_samples = 150;
  std::int64_t calibration_batch_size = 1;
  double clip_warning = 0.01;  // a fraction of an activation's values
  std::vector<Rule> rules;
  std::vector<NamePattern> modules_to_not_convert;
  std::vector<Output> outputs;
  std::vector<PluginUse> validators;
  OnFailure on_failure = OnFailure::error;
  std::optional<std::filesystem::path> report_path;  // a folder
  unsigned threads = 0;
  std::string isolation = "auto";     // of plugins: "none", "process"
  std::int64_t plugin_timeout = 600;  // seconds, of one call of an isolated plugin
  std::uint64_t plugin_memory = 0;    // bytes, of an isolated plugin; 0: by what it works on
  OnPluginFailure on_plugin_failure = OnPluginFailure::error;
  unsigned model_threads = 1;        // of a model that runs; its numbers may depend on it
  std::int64_t model_timeout = 600;  // seconds, of one step of a model that runs
  std::int64_t seed = 0;
  std::uint64_t memory_limit = 0;  // bytes; 0: none
  bool sha256_provenance = false;

  // Of each statistic that an installed observer provides ("stat:..."), the one of lowest id, with
  // its default parameters for activations. Set by check_plugins.
  std::map<std::string, PluginUse> statistic_providers;

  json::Value document;  // the file with --set applied
  std::vector<AppliedOverride> overrides;
};

// Reads, applies the overrides, checks everything that needs no plugin.
//
// Errors  Error{config} with all mistakes, each with file:line:column, pointer, what is allowed,
// the
//         nearest name; Error{io} when the file cannot be read
Config load_config(const std::filesystem::path& file, const std::vector<ConfigOverride>& overrides);

// The same of a text that is no file: the keys of a pipeline that say what becomes of tensors
// (rules_layout). Folders are relative to the working directory.
//
// Errors  Error{config}; the text is called "rules" in messages
Config parse_rules(std::string_view text);

class Registry;
enum class PluginTrust;
enum class PluginListing;
PluginTrust trust_of(const Config& config);
PluginListing listing_of(const Config& config);

// Finds every plugin and checks its parameters against its schema, then fills in the defaults, and
// finds who provides statistics. All mistakes at once; an unknown plugin is Error{config}, one that
// was refused Error{plugin}.
void check_plugins(Config& config, const Registry& registry);

// The effective configuration: every key with its value and where it came from
// ("file:line:column", "--set", "default", "plugin default"): {"value": ..., "origins": {pointer:
// ...}}.
json::Value effective_config(const Config& config);

// JSON Schema (2020-12) of the pipeline file, with the parameters of every installed plugin.
json::Value config_schema(const Registry& registry);

}  // namespace detent
