// SPDX-License-Identifier: Apache-2.0
#include "plugin/library.hpp"

#include <fmt/format.h>
#include <string>
#include <string_view>
#include <vector>

#include <boost/dll/shared_library.hpp>

#include "base/error.hpp"
#include "base/text.hpp"
#include "plugin/call_scope.hpp"
#include "plugin/handshake.hpp"

namespace detent {
namespace {

namespace fs = std::filesystem;

// Boost wraps what the loader said: "... (dlerror system message: REASON): Bad file descriptor
// ...".
std::string loader_reason(std::string_view what, const fs::path& path) {
  constexpr std::string_view kMark = "dlerror system message: ";
  const std::size_t begin = what.find(kMark);
  if (begin == std::string_view::npos) return std::string(what);
  const std::size_t end = what.rfind("): ");
  std::string_view reason = what.substr(begin + kMark.size());
  if (end != std::string_view::npos && end > begin + kMark.size()) {
    reason = what.substr(begin + kMark.size(), end - begin - kMark.size());
  }
  const std::string prefix = path.string() + ": ";
  if (reason.substr(0, prefix.size()) == prefix) reason.remove_prefix(prefix.size());
  return std::string(reason);
}

// Never closed, and reachable for ever, so that it is not reported as a leak either.
void keep_open(boost::dll::shared_library handle) {
  static std::mutex mutex;
  static auto& handles = *new std::vector<boost::dll::shared_library>;
  const std::lock_guard lock(mutex);
  handles.push_back(std::move(handle));
}

detent_entry_fn open_library(const fs::path& path) {
  boost::dll::shared_library handle;
  try {
    // The overload that throws: the other one says "Bad file descriptor" whatever happened.
    handle.load(path, boost::dll::load_mode::rtld_now | boost::dll::load_mode::rtld_local);
  } catch (const std::exception& e) {
    throw Error(ErrorCode::plugin, "cannot be loaded: " + printable(loader_reason(e.what(), path)));
  }
  detent_entry_fn entry = nullptr;
  if (handle.has(DETENT_ENTRY_SYMBOL)) {
    entry = &handle.get<const detent_library*(std::uint32_t)>(DETENT_ENTRY_SYMBOL);
  }
  keep_open(std::move(handle));
  if (entry == nullptr) {
    throw Error(ErrorCode::plugin, "exports no " DETENT_ENTRY_SYMBOL ": not a Detent plugin");
  }
  return entry;
}

}  // namespace

std::shared_ptr<const Library> Library::load(const fs::path& path,
                                             std::shared_ptr<HostServices> services,
                                             const fs::path& from) {
  const detent_entry_fn entry = open_library(from.empty() ? path : from);
  return std::make_shared<const Library>(shake_hands(entry), path, std::move(services));
}

Library::Library(const detent_library* library, fs::path path,
                 std::shared_ptr<HostServices> services, const void* link)
    : library_(library), host_(std::move(services), std::move(path), link) {}

Library::~Library() {
  if (!started_ || library_->deinit == nullptr) return;
  try {
    library_->deinit();
  } catch (...) {
    // It broke the contract after its last use: nothing depends on it any more.
  }
}

void Library::start(ThreadPool& pool) const {
  const std::lock_guard lock(mutex_);
  if (started_) return;
  if (library_->init != nullptr) {
    const PluginCall site{"plugin library", path().filename().string()};
    invoke(site, {"init"}, pool, services(),
           [&](const detent_call* call) { return library_->init(host(), call); });
  }
  started_ = true;
}

}  // namespace detent
