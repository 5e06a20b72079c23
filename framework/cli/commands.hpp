// SPDX-License-Identifier: Apache-2.0
// The commands: plain functions over their options. parser.cpp binds them to the command line.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "plugin/registry.hpp"

namespace detent::cli {

enum class ProgressAs { bar, json, none };

struct Globals {
  bool json = false;
  bool quiet = false;
  bool verbose = false;
  std::vector<std::filesystem::path> plugin_path;
};

struct PipelineOptions {  // run, plan, observe, config check
  std::filesystem::path config;
  std::vector<std::string> set;  // "/json/pointer=value"
  std::optional<unsigned> threads;
  std::optional<std::uint64_t> memory_limit;
  bool overwrite = false;
  bool strict = false;
  bool trust_model = false;
  ProgressAs progress = ProgressAs::bar;
  std::vector<std::filesystem::path> states;  // run: to read; observe: the folder to write to
  std::string shard;                          // observe: "1/2"
};

struct TryOptions {
  std::string id;
  std::filesystem::path data;
  std::string params = "{}";
  std::string target;
  std::filesystem::path html;
};

struct NewOptions {
  std::string kind;
  std::string name;
  std::string lang = "c++";
  std::string id;  // empty: org.example.NAME
  std::string vendor = "Example";
  std::filesystem::path folder;  // empty: ./NAME
};

struct CheckPluginOptions {  // plugins check
  std::filesystem::path file;
  std::string id;
  std::string only;
  std::string params = "{}";
  std::filesystem::path junit;
  std::uint64_t seed = 1;
  double timeout_s = 30;
  bool list = false;
  bool in_process = false;
};

// Each returns an exit code or throws Error.
int run(const Globals& globals, const PipelineOptions& options);
int plan(const Globals& globals, const PipelineOptions& options);
int observe(const Globals& globals, const PipelineOptions& options);
int config_check(const Globals& globals, const PipelineOptions& options);
int config_schema(const Globals& globals);
int plugins_list(const Globals& globals);
int plugins_show(const Globals& globals, const std::string& id);
int plugins_new(const Globals& globals, NewOptions options);
int plugins_try(const Globals& globals, const TryOptions& options);
int plugins_check(const Globals& globals, const CheckPluginOptions& options);
int inspect(const Globals& globals, const std::filesystem::path& model);
int compare(const Globals& globals, const std::filesystem::path& original,
            const std::filesystem::path& quantized);
int dequantize(const Globals& globals, const std::filesystem::path& quantized,
               const std::filesystem::path& out, bool overwrite);
int verify(const Globals& globals, const std::filesystem::path& quantized);
int report(const Globals& globals, const std::filesystem::path& folder);
int doctor(const Globals& globals);

// What several commands start with.
Registry installed_plugins(const Globals& globals);

// The same, looked for when they are first asked for.
class InstalledPlugins {
 public:
  explicit InstalledPlugins(const Globals& globals) : globals_(globals) {}
  InstalledPlugins(const InstalledPlugins&) = delete;
  InstalledPlugins& operator=(const InstalledPlugins&) = delete;
  const Registry& operator()() const {
    if (!found_) found_ = installed_plugins(globals_);
    return *found_;
  }

 private:
  const Globals& globals_;
  mutable std::optional<Registry> found_;
};
struct Pipeline {  // the Config's plugins live in the registry
  Registry registry;
  Config config;
};
Pipeline load_pipeline(const Globals& globals, const PipelineOptions& options);

}  // namespace detent::cli
