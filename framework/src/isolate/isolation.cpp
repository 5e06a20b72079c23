// SPDX-License-Identifier: Apache-2.0
#include "isolate/isolation.hpp"

#include <detent/abi/program.h>
#include <fmt/format.h>
#include <vector>

#include "base/error.hpp"
#include "isolate/proxies.hpp"
#include "plugin/description_bytes.hpp"
#include "plugin/library.hpp"
#include "plugin/pins.hpp"
#include "plugin/registry.hpp"

namespace detent {
namespace {

// What the host's side of a plugin that runs elsewhere says of itself: nothing is asked of it.
constexpr detent_library kFarLibrary{
    DETENT_MAGIC, DETENT_ABI_MAJOR, DETENT_ABI_MINOR, DETENT_ABI_MINOR, sizeof(detent_library),
    "",           nullptr,          nullptr,          nullptr,          nullptr,
    nullptr};

const void* table_of(PluginKind kind, std::uint64_t functions) {
  switch (kind) {
    case PluginKind::observer: return isolate::observer_table(functions);
    case PluginKind::quantizer: return isolate::quantizer_table();
    case PluginKind::serializer: return isolate::serializer_table(functions);
    case PluginKind::validator: return isolate::validator_table(functions);
  }
  return nullptr;
}

std::string place(const Plugin& plugin, const IsolationLimits& limits) {
  return fmt::format("{}\n{}\n{}\n{}", plugin.path.string(), plugin.sha256, limits.timeout.count(),
                     limits.memory);
}

}  // namespace

// A plugin whose library is in processes of their own.
class IsolatedPlugins::Source : public PluginSource {
 public:
  Source(std::shared_ptr<isolate::ProcessPool> pool, const Plugin& listed)
      : pool_(std::move(pool)), listed_(description_bytes({listed})) {}

  PluginCode code(std::size_t index) const override {
    const isolate::Greeting greeting = pool_->greeting();
    const std::vector<Plugin> plugins = plugins_of(greeting.description);
    const bool same = index < plugins.size() && plugins.size() == greeting.functions.size() &&
                      description_bytes({plugins[index]}) == listed_;
    if (!same) throw Error(ErrorCode::plugin, "describes its plugins otherwise than it was listed");
    const auto far = std::make_shared<Far>(pool_, index);
    const std::shared_ptr<const Library> library(far, &far->library);
    return {library, table_of(plugins[index].kind, greeting.functions[index])};
  }

  std::string isolation() const override {
    return pool_->has_started() ? pool_->greeting().isolation : "process";
  }

 private:
  struct Far {
    Far(std::shared_ptr<isolate::ProcessPool> pool, std::size_t index)
        : link{std::move(pool), index},
          library(&kFarLibrary, link.pool->spec().library, link.pool->shared_services(), &link) {}
    isolate::PluginLink link;
    Library library;
  };

  std::shared_ptr<isolate::ProcessPool> pool_;
  std::string listed_;
};

std::string why_not_isolated(const Plugin& plugin) {
  if (plugin.kind == PluginKind::serializer && lists(plugin.requirements, DETENT_NEEDS_PROGRAM))
    return "it writes models that run, and changes them in the host's process";
  return "";
}

bool is_to_be_isolated(const Plugin& plugin, std::string_view wanted) {
  if (wanted == "none") return false;
  const std::string why_not = why_not_isolated(plugin);
  if (wanted == "process") {
    if (why_not.empty()) return true;
    throw Error(ErrorCode::plugin, fmt::format("{} \"{}\" cannot run in a process of its own: {}",
                                               to_string(plugin.kind), plugin.id, why_not));
  }
  const bool asks = (plugin.flags & DETENT_PLUGIN_WANTS_ISOLATION) != 0 || !plugin.builtin;
  return asks && why_not.empty() && can_isolate();
}

const Plugin& IsolatedPlugins::of(const Plugin& plugin, const IsolationLimits& limits) {
  const std::lock_guard lock(mutex_);
  const std::string where = place(plugin, limits);
  std::unique_ptr<Plugin>& known =
      plugins_[fmt::format("{} {} {}", to_string(plugin.kind), plugin.id, where)];
  if (known != nullptr) return *known;
  std::shared_ptr<isolate::ProcessPool>& pool = pools_[where];
  if (pool == nullptr)
    pool = std::make_shared<isolate::ProcessPool>(
        isolate::ProcessSpec{plugin.path, plugin.sha256,
                             load_from(around_, plugin.sha256) == LoadFrom::sealed_copy, limits},
        around_.services);
  known = std::make_unique<Plugin>(plugin);
  known->source = std::make_shared<const Source>(pool, plugin);
  return *known;
}

bool can_isolate() { return !isolate::worker_program().empty(); }

std::string describe_elsewhere(const std::filesystem::path& library, const std::string& sha256,
                               bool sealed) {
  constexpr std::chrono::seconds kMost{10};
  const isolate::Process process({library, sha256, sealed, {kMost, 0}});
  if (process.greeting().sha256 != sha256)
    throw Error(ErrorCode::plugin, "was changed by somebody while it was being loaded");
  return process.greeting().description;
}

IsolationFacts describe_isolation() {
  if (!can_isolate()) return {"", "this installation has no detent-plugin-worker"};
  try {
    const isolate::Process process({});
    return {process.greeting().isolation, process.greeting().why_not};
  } catch (const Error& e) {
    return {"", e.problems()[0].message};
  }
}

const Plugin& Registry::isolated(const Plugin& plugin, const IsolationLimits& limits) const {
  return isolated_->of(plugin, limits);
}

}  // namespace detent
