// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "plugin/answer_check.hpp"
#include "plugin/instance_core.hpp"
#include "plugin/state_stream.hpp"

namespace detent {
namespace {

constexpr Operation kObserve{"observe", Operation::Params::broken, true};
constexpr Operation kComputeQparams{"compute_qparams", Operation::Params::broken, true};
constexpr Operation kComputeStat{"compute_stat", Operation::Params::broken, true};
constexpr Operation kLoadState{"load_state", Operation::Params::broken, false, true};

}  // namespace

struct Observer::Impl {
  using Vtbl = detent_observer_vtbl;

  Impl(const Plugin& plugin, ThreadPool& pool, const InstanceConfig& config)
      : core(plugin, PluginKind::observer, pool, config),
        handle(core.create<detent_observer, Vtbl>(config)),
        provides(plugin.provides) {}
  ~Impl() { core.destroy<Vtbl>(handle); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  const Vtbl& vtbl() const { return core.vtbl<Vtbl>(); }

  InstanceCore core;
  detent_observer* handle;
  std::vector<std::string> provides;
};

Observer::Observer(const Plugin& plugin, ThreadPool& pool, const InstanceConfig& config)
    : impl_(std::make_unique<Impl>(plugin, pool, config)) {}
Observer::~Observer() = default;
Observer::Observer(Observer&&) noexcept = default;

void Observer::observe(const detent_tensor& x) {
  impl_->core.call(
      kObserve, [&](const detent_call* c) { return impl_->vtbl().observe(impl_->handle, c, &x); });
}

bool takes_importance(const Plugin& observer) {
  const PluginCode code = observer.code();
  const auto* vtbl = static_cast<const detent_observer_vtbl*>(code.vtbl);
  return DETENT_HAS(vtbl, detent_observer_vtbl, observe_weighted);
}

void Observer::observe_weighted(const detent_tensor& x, const detent_tensor& importance) {
  impl_->core.call(kObserve, [&](const detent_call* c) {
    return impl_->vtbl().observe_weighted(impl_->handle, c, &x, &importance);
  });
}

void Observer::reset() {
  impl_->core.call({"reset"},
                   [&](const detent_call* c) { return impl_->vtbl().reset(impl_->handle, c); });
}

bool Observer::can_merge() const { return impl_->vtbl().merge != nullptr; }

void Observer::merge(const Observer& other) {
  if (!can_merge()) {
    throw Error(
        ErrorCode::quantization,
        fmt::format("observer \"{}\" cannot be merged: its result is defined by the order of all "
                    "batches",
                    impl_->core.site().id),
        "calibrate in one process");
  }
  impl_->core.call({"merge"}, [&](const detent_call* c) {
    return impl_->vtbl().merge(impl_->handle, c, other.impl_->handle);
  });
}

std::string Observer::save_state() const {
  std::string bytes;
  const detent_ostream stream = state_writer(bytes);
  impl_->core.call({"save_state"}, [&](const detent_call* c) {
    return impl_->vtbl().save_state(impl_->handle, c, &stream);
  });
  return bytes;
}

void Observer::load_state(std::string_view bytes) {
  const detent_istream stream = state_reader(bytes);
  impl_->core.call(kLoadState, [&](const detent_call* c) {
    return impl_->vtbl().load_state(impl_->handle, c, &stream);
  });
}

void Observer::compute_qparams(const QuantTarget& target, TensorStore& out) const {
  out.clear();
  const detent_qspec* spec = target.c();
  impl_->core.call(kComputeQparams, [&](const detent_call* c) {
    return impl_->vtbl().compute_qparams(impl_->handle, c, spec, out.sink());
  });
  const std::string wrong = wrong_in_qparams(target, out);
  if (!wrong.empty()) impl_->core.throw_broken("compute_qparams: " + wrong);
}

void Observer::compute_stat(const std::string& id, TensorStore& out) const {
  if (!provides(id)) {
    throw Error(ErrorCode::config,
                fmt::format("observer \"{}\" has no \"{}\"", impl_->core.site().id, id));
  }
  impl_->core.call(kComputeStat, [&](const detent_call* c) {
    return impl_->vtbl().compute_stat(impl_->handle, c, id.c_str(), out.sink());
  });
}

bool Observer::provides(std::string_view stat_id) const {
  return DETENT_HAS(&impl_->vtbl(), detent_observer_vtbl, compute_stat) &&
         lists(impl_->provides, stat_id);
}

}  // namespace detent
