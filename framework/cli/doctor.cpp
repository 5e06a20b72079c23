// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fstream>
#include <sstream>

#include "base/text.hpp"
#include "base/thread_pool.hpp"
#include "base/version.hpp"
#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "isolate/isolation.hpp"
#include "plugin/search_path.hpp"
#include "program/worker_process.hpp"

namespace detent::cli {
namespace {

// The instruction sets that kernels choose from, of those the processor has.
std::vector<std::string> cpu_features() {
  std::ifstream info("/proc/cpuinfo");
  std::string line;
  std::vector<std::string> found;
  while (std::getline(info, line)) {
    if (!line.starts_with("flags") && !line.starts_with("Features")) continue;
    std::istringstream words(line.substr(line.find(':') + 1));
    for (std::string word; words >> word;)
      for (const char* known : {"ssse3", "sse4_2", "avx2", "fma", "f16c", "avx512f", "avx512bw",
                                "avx512_vnni", "avx512_bf16", "asimd", "sve"})
        if (word == known) found.push_back(word);
    break;
  }
  return found;
}

// What runs models; why it does not, in the place of its version.
WorkerFacts torch_here() {
  try {
    return describe_worker().value_or(WorkerFacts{});
  } catch (const Error& e) {
    return {worker_executable(), e.problems()[0].message, "", ""};
  }
}

// What plugins can be kept in.
json::Array isolations_here(const IsolationFacts& facts) {
  json::Array all{"none"};
  if (!facts.isolation.empty()) all.push_back(facts.isolation);
  return all;
}

}  // namespace

int doctor(const Globals& globals) {
  const auto folders = plugin_search_path({}, globals.plugin_path);
  const Registry registry = installed_plugins(globals);
  json::Array search;
  for (const SearchFolder& f : folders)
    search.push_back(json::Object{{"path", f.path.string()},
                                  {"origin", f.origin},
                                  {"exists", std::filesystem::is_directory(f.path)}});
  const auto features = cpu_features();
  const WorkerFacts torch = torch_here();
  const IsolationFacts plugins = describe_isolation();
  const PluginCacheFile cache = plugin_cache_file();
  const json::Object facts{
      {"detent", kVersion},
      {"sdk_abi", fmt::format("{}.{}", DETENT_ABI_MAJOR, DETENT_ABI_MINOR)},
      {"compiler", __VERSION__},
      {"libtorch", torch.runtime.empty() ? json::Value() : torch.runtime},
      {"torch_worker", torch.path.empty() ? json::Value() : torch.path.string()},
      {"model_isolation", torch.isolation.empty() ? json::Value() : torch.isolation},
      {"cpu_features", json::Array(features.begin(), features.end())},
      {"threads", static_cast<std::int64_t>(ThreadPool().threads())},
      {"isolation", isolations_here(plugins)},
      {"isolation_missing", plugins.why_not.empty() ? json::Value() : plugins.why_not},
      {"plugins", registry.plugins().size()},
      {"plugin_problems", registry.problems().size()},
      {"plugin_cache", cache.path.empty() ? json::Value() : cache.path.string()},
      {"plugin_files_from_cache", registry.work().from_cache.load()},
      {"plugin_files_loaded", registry.work().loaded.load()},
      {"plugin_search", std::move(search)}};
  if (globals.json) {
    print_json(facts);
    return 0;
  }
  for (const json::Member& m : facts) {
    if (m.key == "plugin_search") continue;
    print_text(fmt::format("{:<23} {}\n", m.key, json::dump(m.value)));
  }
  for (const SearchFolder& f : folders)
    print_text(fmt::format("plugin folder           {} ({}{})\n", f.path.string(), f.origin,
                           std::filesystem::is_directory(f.path) ? "" : ", does not exist"));
  return 0;
}

}  // namespace detent::cli
