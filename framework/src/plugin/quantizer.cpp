// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "plugin/answer_check.hpp"
#include "plugin/instance_core.hpp"
#include "plugin/plan_sink.hpp"

namespace detent {
namespace {

constexpr Operation kPlan{"plan", Operation::Params::bad_fit, true};
constexpr Operation kQuantize{"quantize", Operation::Params::broken, true};
constexpr Operation kDequantize{"dequantize", Operation::Params::broken, true};

}  // namespace

struct Quantizer::Impl {
  using Vtbl = detent_quantizer_vtbl;

  Impl(const Plugin& plugin, ThreadPool& pool, const InstanceConfig& config)
      : core(plugin, PluginKind::quantizer, pool, config),
        role(config.role),
        handle(core.create<detent_quantizer, Vtbl>(config)) {}
  ~Impl() { core.destroy<Vtbl>(handle); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  const Vtbl& vtbl() const { return core.vtbl<Vtbl>(); }

  InstanceCore core;
  std::uint32_t role;
  detent_quantizer* handle;
  std::optional<QuantizerPlan> planned;  // the last plan
};

Quantizer::Quantizer(const Plugin& plugin, ThreadPool& pool, const InstanceConfig& config)
    : impl_(std::make_unique<Impl>(plugin, pool, config)) {}
Quantizer::~Quantizer() = default;
Quantizer::Quantizer(Quantizer&&) noexcept = default;

QuantizerPlan Quantizer::plan(const QuantizerInput& input) {
  impl_->planned.reset();
  const detent_tensor_spec tensor{input.name.c_str(),
                                  input.shape.empty() ? nullptr : input.shape.data(),
                                  static_cast<std::int32_t>(input.shape.size()), input.dtype};
  const detent_tensor_info info{sizeof info,         &tensor,
                                input.layer.c_str(), input.layer_type.c_str(),
                                input.param.c_str(), input.layer_params};
  PlanSink sink(input.shape.size(), impl_->role);
  try {
    impl_->core.call(kPlan, [&](const detent_call* c) {
      return impl_->vtbl().plan(impl_->handle, c, &info, sink.c());
    });
  } catch (const Error& e) {
    // A plugin that hands on what the sink answered does not know why; the sink does.
    const bool handed_on = e.code() == ErrorCode::plugin || e.code() == ErrorCode::quantization;
    if (sink.mistake().empty() || !handed_on) throw;
  }
  sink.check_whole();
  if (sink.is_unsupported()) throw_refused(impl_->core.site(), sink.mistake());
  if (!sink.mistake().empty()) impl_->core.throw_broken("plan: " + sink.mistake());
  impl_->planned = sink.take();
  return *impl_->planned;
}

void Quantizer::quantize(const detent_tensor& weight, const TensorStore& stats, TensorStore& out) {
  if (!impl_->planned || !impl_->planned->declined.empty()) {
    throw Error(ErrorCode::unexpected,
                fmt::format("\"{}\" is to be quantized without a plan", impl_->core.site().target));
  }
  out.clear();
  impl_->core.call(kQuantize, [&](const detent_call* c) {
    return impl_->vtbl().quantize(impl_->handle, c, &weight, stats.source(), out.sink());
  });
  const std::string wrong = wrong_in_quantized(*impl_->planned, out);
  if (!wrong.empty()) impl_->core.throw_broken("quantize: " + wrong);
  for (const auto& [key, value] : impl_->planned->meta) out.set_meta(key, value);
}

void Quantizer::dequantize(const TensorStore& quantized, const detent_tensor& out) {
  impl_->core.call(kDequantize, [&](const detent_call* c) {
    return impl_->vtbl().dequantize(impl_->handle, c, quantized.source(), &out);
  });
}

}  // namespace detent
