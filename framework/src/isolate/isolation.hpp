// SPDX-License-Identifier: Apache-2.0
// Which plugins run in a process of their own, and how such a plugin is made of a listed one.
#pragma once
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "plugin/isolation_limits.hpp"
#include "plugin/plugin_file.hpp"

namespace detent {

namespace isolate {
class ProcessPool;
}

// "auto" isolates what asks for it and what does not belong to the installation.
//
// wanted   "none", "process" or "auto"
// Errors   Error{plugin} with one reason: "process" is wanted of a plugin that needs the host's own
bool is_to_be_isolated(const Plugin& plugin, std::string_view wanted);
// Why it has to run in the host's process; empty when it has not.
std::string why_not_isolated(const Plugin& plugin);

// Threads  any
class IsolatedPlugins {
 public:
  explicit IsolatedPlugins(PluginSurroundings around) : around_(std::move(around)) {}
  // See Registry::isolated.
  const Plugin& of(const Plugin& plugin, const IsolationLimits& limits);

 private:
  class Source;

  PluginSurroundings around_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<isolate::ProcessPool>> pools_;  // by file and limits
  std::map<std::string, std::unique_ptr<Plugin>> plugins_;  // by kind, id, file and limits
};

// Has this installation a worker?
bool can_isolate();

// What the library says of its plugins (see plugin/description_bytes.hpp), to a process of its own.
//
// Errors  Error{plugin} with one reason that does not name the path: also what became of the
// process
std::string describe_elsewhere(const std::filesystem::path& library, const std::string& sha256,
                               bool sealed);

// What a plugin would be kept in here. "": there is no worker, or it does not start: why_not.
struct IsolationFacts {
  std::string isolation;
  std::string why_not;
};
IsolationFacts describe_isolation();

}  // namespace detent
