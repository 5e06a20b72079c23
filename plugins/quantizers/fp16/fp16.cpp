// SPDX-License-Identifier: Apache-2.0
// Fp16: every floating-point tensor of a layer as IEEE binary16: weights, biases and buffers alike.
//
// Shapes    qweight: the tensor's, of type float16. No scale, no zero point, no observer's target
// Rounding  to the nearest, ties to even, and once, also from float64
// Overflow  values beyond +-65504 are counted: quantize reports "overflow_count", which the host
//           turns into a warning. "warn" leaves them to the rounding (infinite from 65520 on),
//           "clamp" makes them +-65504, "error" refuses the tensor
// Metadata  scheme, dtype, bits, overflow
#include <algorithm>
#include <numeric>

#include "common/block_reader.hpp"
#include "common/layer_rules.hpp"
#include "common/stored.hpp"
#include "common/tasks.hpp"
#include <detent/kernels/convert.hpp>
#include <detent/sdk.hpp>

namespace detent::quantizers {
namespace {

using kernels::Half;
using kernels::HalfOverflow;

constexpr std::int64_t kBlock = 1024;

// f(first, count) for the blocks of one task.
template <class F>
void for_each_block(std::int64_t task, std::int64_t numel, F f) {
  const std::int64_t end = std::min((task + 1) * kTaskElements, numel);
  for (std::int64_t at = task * kTaskElements; at < end; at += kBlock)
    f(at, static_cast<std::size_t>(std::min(kBlock, end - at)));
}

template <class Real>
std::uint64_t cast_block(const BlockReader& reader, std::int64_t first, std::size_t count,
                         HalfOverflow overflow, Half* to) {
  Real from[kBlock];
  reader.read(first, std::span(from, count));
  return kernels::to_half(std::span<const Real>(from, count), overflow, to);
}

// The elements of one task.
std::uint64_t cast_task(const BlockReader& reader, std::int64_t task, HalfOverflow overflow,
                        Half* to) {
  const std::int64_t begin = task * kTaskElements;
  const std::int64_t end = std::min(begin + kTaskElements, reader.numel());
  std::uint64_t beyond = 0;
  const bool in_place = reader.with_elements([&]<class T>(const T* x) {
    if constexpr (std::is_floating_point_v<T>)
      beyond = kernels::to_half(std::span(x + begin, x + end), overflow, to + begin);
  });
  if (in_place && (reader.dtype() == DETENT_F32 || reader.dtype() == DETENT_F64)) return beyond;
  for_each_block(task, reader.numel(), [&](std::int64_t first, std::size_t count) {
    const auto cast = reader.dtype() == DETENT_F64 ? &cast_block<double> : &cast_block<float>;
    beyond += cast(reader, first, count, overflow, to + first);
  });
  return beyond;
}

constexpr const char* kSchema = R"json({
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "overflow": {
      "type": "string",
      "enum": ["warn", "clamp", "error"],
      "default": "warn",
      "title": "Values beyond 65504",
      "description": "Counted always. warn: rounded, so infinite; clamp: 65504; error: refused."
    }
  }
})json";

class Fp16 : public sdk::Quantizer {
 public:
  static constexpr const char* id = "fp16";
  static constexpr const char* version = "0.1.0";
  static constexpr const char* name = "FP16";
  static constexpr const char* description = "Half precision for all floating-point tensors";
  static constexpr const char* vendor = "Detent";
  static constexpr const char* license = "Apache-2.0";
  static constexpr uint64_t flags = DETENT_PLUGIN_DETERMINISTIC | DETENT_PLUGIN_ROWWISE;
  static constexpr const char* provides[] = {"scheme:detent.cast/1", nullptr};
  static constexpr const char* schema = kSchema;
  static constexpr const char* capabilities = R"({
    "tensor": {"properties": {"dtype": {"enum": ["F32", "F16", "BF16", "F64"]}}}
  })";

  explicit Fp16(const sdk::Config& config) {
    require_weight_role(config, "fp16");
    overflow_ = config.params.get("/overflow", "warn");
  }

  sdk::Status plan(const sdk::TensorInfo& tensor, const sdk::Planner& planner) override {
    if (tensor.dtype == DETENT_F16) return planner.decline("already F16");
    if (!sdk::is_floating_point(tensor.dtype))
      return planner.decline("not a floating-point tensor");
    if (tensor.numel() == 0) return planner.decline("no elements");
    must(planner.output("qweight", DETENT_F16, tensor.shape));
    must(planner.meta("scheme", "\"detent.cast/1\""));
    must(planner.meta("dtype", "\"float16\""));
    must(planner.meta("bits", "16"));
    return planner.meta("overflow", "\"" + overflow_ + "\"");
  }

  sdk::Status quantize(const sdk::TensorView& weight, const sdk::Source&, const sdk::Sink& out,
                       const sdk::Call& call) override {
    const BlockReader reader(weight);
    sdk::MutableTensor q;
    must(out.create("qweight", DETENT_F16, weight.shape(), q));
    const std::int64_t tasks = divide_up(reader.numel(), kTaskElements);
    std::vector<std::uint64_t> beyond(static_cast<std::size_t>(tasks));
    auto* const to = static_cast<Half*>(q.bytes());
    must(run_tasks(call, tasks, [&](std::int64_t task) {
      beyond[static_cast<std::size_t>(task)] = cast_task(reader, task, on_overflow(), to);
    }));
    const auto total = std::accumulate(beyond.begin(), beyond.end(), std::uint64_t{0});
    if (total != 0 && overflow_ == "error") return refuse(total, reader.numel());
    return out.meta("overflow_count", std::to_string(total).c_str());
  }

  sdk::Status dequantize(const sdk::Source& quantized, const sdk::MutableTensor& out,
                         const sdk::Call& call) override {
    float* x = require_output(out);
    const std::int64_t numel = out.view().numel();
    const char* from = require_tensor(quantized, "qweight", DETENT_F16, out.view().shape());
    const auto* const halfs = reinterpret_cast<const Half*>(from);
    return run_tasks(call, divide_up(numel, kTaskElements), [&](std::int64_t task) {
      const std::int64_t begin = task * kTaskElements;
      const std::int64_t end = std::min(begin + kTaskElements, numel);
      kernels::to_float(std::span(halfs + begin, halfs + end), x + begin);
    });
  }

 private:
  HalfOverflow on_overflow() const {
    return overflow_ == "clamp" ? HalfOverflow::clamp : HalfOverflow::infinity;
  }

  static sdk::Status refuse(std::uint64_t beyond, std::int64_t numel) {
    return {
        DETENT_E_NUMERIC,
        std::to_string(beyond) + " of " + std::to_string(numel) +
            " values lie beyond 65504, the largest float16\nuse \"overflow\": \"clamp\", or keep "
            "this layer as it is"};
  }

  std::string overflow_;
};

}  // namespace
}  // namespace detent::quantizers

DETENT_LIBRARY(detent::quantizers::Fp16);
