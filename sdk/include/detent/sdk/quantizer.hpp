// SPDX-License-Identifier: Apache-2.0
// Quantizer: derive, implement, and name the class in DETENT_LIBRARY.
#pragma once
#include "exchange.hpp"
#include "plugin_info.hpp"

namespace detent {
namespace sdk DETENT_HIDDEN {

// The tensor a plan is asked for.
struct TensorInfo {
  std::string_view name;
  std::vector<int64_t> shape;
  detent_dtype dtype;
  std::string_view layer;
  std::string_view layer_type;  // "Linear", "Conv2d", ...; empty when unknown
  std::string_view param;       // "weight", "bias", ...
  uint64_t layer_params;

  int64_t numel() const noexcept {
    int64_t n = 1;
    for (const int64_t extent : shape) n *= extent;
    return n;
  }
};

// What plan fills: either decline, or target (if the quantizer takes parameters from observers) and
// every output.
class Planner {
 public:
  explicit Planner(const detent_plan_sink* sink) noexcept : sink_(sink) {}
  Status target(const detent_qspec& spec) const noexcept { return Status(sink_->target(sink_, &spec)); }
  Status output(const char* name, detent_dtype dtype, const std::vector<int64_t>& shape) const noexcept {
    const detent_tensor_spec spec{name, shape.empty() ? nullptr : shape.data(),
                                  static_cast<int32_t>(shape.size()), dtype};
    return Status(sink_->output(sink_, &spec, 0));
  }
  Status decline(const std::string& reason) const noexcept {
    return Status(sink_->decline(sink_, reason.c_str()));
  }
  Status require_stat(const char* id, const char* tensor) const noexcept {
    return Status(sink_->require_stat(sink_, id, tensor));
  }
  Status memory(uint64_t peak_bytes) const noexcept {
    return Status(sink_->memory(sink_, peak_bytes));
  }
  // Stored with the codes; json is one JSON value. "scheme" is needed.
  Status meta(const char* key, const std::string& json) const noexcept {
    return Status(sink_->meta(sink_, key, json.c_str()));
  }
  Status warn(const char* code, const std::string& message) const noexcept {
    return Status(sink_->warn(sink_, code, message.c_str()));
  }

 private:
  const detent_plan_sink* sink_;
};

// The contract of each method is in abi/quantizer.h.
class Quantizer : public PluginInfo {
 public:
  virtual ~Quantizer() = default;
  virtual Status plan(const TensorInfo& tensor, const Planner& planner) = 0;
  virtual Status quantize(const TensorView& weight, const Source& stats, const Sink& out,
                          const Call& call) = 0;
  virtual Status dequantize(const Source& quantized, const MutableTensor& out,
                            const Call& call) = 0;
};

namespace detail {
template <class T>
struct QuantizerThunks {
  static T* self(detent_quantizer* q) noexcept { return reinterpret_cast<T*>(q); }

  static int32_t DETENT_CALL create(const detent_host*, const detent_call* c,
                                    const detent_config* config, detent_quantizer** out) noexcept {
    return detail::create<T>(c, config, out);
  }
  static void DETENT_CALL destroy(detent_quantizer* q) noexcept { delete self(q); }
  static int32_t DETENT_CALL plan(detent_quantizer* q, const detent_call* c,
                                  const detent_tensor_info* i, const detent_plan_sink* s) noexcept {
    DETENT_TRY {
      const detent_tensor_spec& t = *i->tensor;
      const TensorInfo info{t.name,        {t.shape, t.shape + t.ndim}, t.dtype,        i->layer,
                            i->layer_type, i->param,                    i->layer_params};
      return finish(c, self(q)->plan(info, Planner(s)));
    }
    DETENT_CATCH_ALL(c)
  }
  static int32_t DETENT_CALL quantize(detent_quantizer* q, const detent_call* c,
                                      const detent_tensor* w, const detent_tensor_source* stats,
                                      const detent_tensor_sink* s) noexcept {
    DETENT_TRY { return finish(c, self(q)->quantize(TensorView(*w), Source(stats), Sink(s), Call(c))); }
    DETENT_CATCH_ALL(c)
  }
  static int32_t DETENT_CALL dequantize(detent_quantizer* q, const detent_call* c,
                                        const detent_tensor_source* s,
                                        const detent_tensor* out) noexcept {
    DETENT_TRY { return finish(c, self(q)->dequantize(Source(s), MutableTensor(*out), Call(c))); }
    DETENT_CATCH_ALL(c)
  }

  static constexpr uint32_t kind = DETENT_KIND_QUANTIZER;
  static constexpr detent_quantizer_vtbl vtbl{
      sizeof(detent_quantizer_vtbl), &create, &destroy, &plan, &quantize, &dequantize, nullptr};
};
template <class T>
struct thunks_of<T, std::enable_if_t<std::is_base_of_v<Quantizer, T>>> {
  using type = QuantizerThunks<T>;
};
}  // namespace detail

}  // namespace sdk DETENT_HIDDEN
}  // namespace detent
