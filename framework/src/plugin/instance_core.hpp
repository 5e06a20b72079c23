// SPDX-License-Identifier: Apache-2.0
// InstanceCore: what the four kinds of instances have in common. Private to this folder.
#pragma once
#include <memory>
#include <utility>

#include "plugin/call_scope.hpp"
#include "plugin/instance.hpp"
#include "plugin/library.hpp"
#include "plugin/params.hpp"

namespace detent {

class InstanceCore {
 public:
  // Loads and starts the library. Error{unexpected} when the plugin is of another kind.
  InstanceCore(const Plugin& plugin, PluginKind kind, ThreadPool& pool,
               const InstanceConfig& config);

  template <class Vtbl>
  const Vtbl& vtbl() const {
    return *static_cast<const Vtbl*>(vtbl_);
  }
  const PluginCall& site() const { return site_; }
  // The same plugin at work on another thing.
  PluginCall site_on(const std::string& tensor) const;

  void call(const Operation& operation,
            const std::function<std::int32_t(const detent_call*)>& function) const {
    call_on(site_, operation, function);
  }
  void call_on(const PluginCall& site, const Operation& operation,
               const std::function<std::int32_t(const detent_call*)>& function) const {
    invoke(site, operation, *pool_, library_->services(), function);
  }
  [[noreturn]] void throw_broken(const std::string& what) const {
    throw_broken_contract(site_, what);
  }

  // The plugin's own object; vtbl's create makes it.
  template <class Handle, class Vtbl>
  Handle* create(const InstanceConfig& config) const {
    Handle* made = nullptr;
    create_with(config,
                [&](const detent_host* host, const detent_call* c, const detent_config* given) {
                  return vtbl<Vtbl>().create(host, c, given, &made);
                });
    if (made == nullptr) throw_broken("create made no instance and did not say why");
    return made;
  }

  // destroy never fails; what a broken one throws is dropped.
  template <class Vtbl, class Handle>
  void destroy(Handle* handle) const noexcept {
    try {
      if (handle != nullptr) vtbl<Vtbl>().destroy(handle);
    } catch (...) {
    }
  }

 private:
  using Create =
      std::function<std::int32_t(const detent_host*, const detent_call*, const detent_config*)>;
  InstanceCore(const Plugin& plugin, PluginCode code, PluginKind kind, ThreadPool& pool,
               const InstanceConfig& config);
  void create_with(const InstanceConfig& config, const Create& create) const;

  std::shared_ptr<const Library> library_;
  const void* vtbl_;
  ThreadPool* pool_;
  PluginCall site_;
};

}  // namespace detent
