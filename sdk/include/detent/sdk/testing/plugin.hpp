// SPDX-License-Identifier: Apache-2.0
// testing::Library loads a plugin library; Instance is a plugin made by its vtbl; Findings is what
// a validator reports.
#pragma once
#if !defined(_WIN32)
#include <dlfcn.h>
#endif
#include <string>
#include <vector>

#include "call.hpp"

namespace detent {
namespace sdk DETENT_HIDDEN {
namespace testing {

// Throws Error with the reason when the library cannot be loaded. It stays loaded, as in a host.
class Library {
 public:
  explicit Library(const detent_library* linked) : library_(linked) { begin(); }
#if !defined(_WIN32)
  explicit Library(const std::string& path) {
    void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) throw Error(DETENT_E_NOT_FOUND, dlerror());
    void* symbol = dlsym(handle, DETENT_ENTRY_SYMBOL);
    if (symbol == nullptr) throw Error(DETENT_E_NOT_FOUND, path + " has no " DETENT_ENTRY_SYMBOL);
    library_ = reinterpret_cast<detent_entry_fn>(symbol)(DETENT_ABI_MAJOR);
    begin();
  }
#endif
  ~Library() { library_->deinit(); }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  const detent_plugin& plugin(const std::string& id) const {
    for (uint64_t i = 0; i < library_->plugin_count(); ++i)
      if (library_->plugin_at(i)->id == id) return *library_->plugin_at(i);
    throw Error(DETENT_E_NOT_FOUND, "the library has no plugin \"" + id + "\"");
  }
  const detent_library& raw() const noexcept { return *library_; }

 private:
  void begin() {
    if (library_ == nullptr || library_->abi_min_minor > DETENT_ABI_MINOR)
      throw Error(DETENT_E_UNSUPPORTED, "the library speaks another version of the ABI");
    if (library_->init(host_, call_) != DETENT_OK) throw Error(call_.code, call_.message);
  }

  const detent_library* library_ = nullptr;
  Host host_;
  Call call_;
};

// Instance<detent_observer_vtbl, detent_observer> o(library.plugin("acme.x"), params.config());
// o->observe(o, call, x). Throws Error with the plugin's own code and text when create fails.
template <class Vtbl, class Handle>
class Instance {
 public:
  Instance(const detent_plugin& plugin, const detent_config& config)
      : vtbl_(static_cast<const Vtbl*>(plugin.vtbl)) {
    Call call;
    const int32_t status = vtbl_->create(host_, call, &config, &handle_);
    if (status != DETENT_OK) throw Error(status, call.message);
  }
  ~Instance() { vtbl_->destroy(handle_); }
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;
  const Vtbl* operator->() const noexcept { return vtbl_; }
  operator Handle*() const noexcept { return handle_; }

 private:
  Host host_;
  const Vtbl* vtbl_;
  Handle* handle_ = nullptr;
};
using Observer = Instance<detent_observer_vtbl, detent_observer>;
using Quantizer = Instance<detent_quantizer_vtbl, detent_quantizer>;
using Serializer = Instance<detent_serializer_vtbl, detent_serializer>;
using Validator = Instance<detent_validator_vtbl, detent_validator>;

struct Finding {
  std::string target;
  std::string metric;
  double value;
  double threshold;
  int32_t severity;
  std::string message;
};

class Findings {
 public:
  Findings() {
    sink_ = {sizeof sink_, this,
             [](const detent_finding_sink* s, const detent_finding* f) -> int32_t {
               static_cast<Findings*>(s->ctx)->all.push_back(
                   {f->target, f->metric, f->value, f->threshold, f->severity, f->message});
               return DETENT_OK;
             }};
  }
  Findings(const Findings&) = delete;
  Findings& operator=(const Findings&) = delete;
  operator const detent_finding_sink*() const noexcept { return &sink_; }
  // The first of that metric; throws when there is none.
  const Finding& at(const std::string& metric) const {
    for (const Finding& f : all)
      if (f.metric == metric) return f;
    throw Error(DETENT_E_NOT_FOUND, "no finding \"" + metric + "\"");
  }
  std::vector<Finding> all;

 private:
  detent_finding_sink sink_{};
};

}  // namespace testing
}  // namespace DETENT_HIDDEN
}  // namespace detent
