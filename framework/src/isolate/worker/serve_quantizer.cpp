// SPDX-License-Identifier: Apache-2.0
#include "isolate/worker/plan_record.hpp"
#include "isolate/worker/session.hpp"

namespace detent::isolate {
namespace {

using Table = detent_quantizer_vtbl;

detent_quantizer* handle_of(void* handle) { return static_cast<detent_quantizer*>(handle); }

detent_tensor compact(const detent_tensor_spec& spec, const std::vector<std::int64_t>& strides,
                      std::uint64_t nbytes, std::byte* data) {
  return {nbytes != 0 ? data : nullptr,
          DETENT_DEVICE_CPU,
          0,
          spec.ndim,
          spec.dtype,
          spec.shape,
          spec.ndim > 0 ? strides.data() : nullptr,
          0,
          nbytes,
          0};
}

}  // namespace

CallOutcome Session::quantize(const Work& work) {
  const Table& t = table<Table>(*work.instance);
  detent_quantizer* q = handle_of(work.instance->handle);
  if (work.op == Op::plan) return plan(work);
  if (work.op == Op::quantize) {
    const detent_tensor* weight = work.in.tensor();
    const detent_tensor_source* stats = work.in.source();
    CallOutcome outcome = call("quantize", [&](const detent_call* c) {
      return t.quantize(q, c, weight, stats, results_.sink());
    });
    if (outcome.status == DETENT_OK) results_.write(work.out);
    return outcome;
  }
  const detent_tensor_source* quantized = work.in.source();
  const detent_tensor_spec& spec = *work.in.spec();
  const std::vector<std::int64_t> strides = row_major_strides({spec.shape, spec.shape + spec.ndim});
  const std::uint64_t nbytes = detent_nbytes(spec.dtype, spec.ndim, spec.shape);
  const Results::Place place = results_.take_named("out", nbytes);
  if (place.data == nullptr) return {DETENT_E_NO_MEMORY, "", ""};
  const detent_tensor out = compact(spec, strides, nbytes, place.data);
  CallOutcome outcome = call("dequantize", [&](const detent_call* c) {
    return t.dequantize(q, c, quantized, &out);
  });
  work.out.number(place.segment);
  work.out.number(place.offset);
  return outcome;
}

CallOutcome Session::plan(const Work& work) {
  const detent_tensor_spec* tensor = work.in.spec();
  detent_tensor_info info{};
  info.struct_size = sizeof info;
  info.tensor = tensor;
  info.layer = work.in.c_text();
  info.layer_type = work.in.c_text();
  info.param = work.in.c_text();
  info.layer_params = work.in.number();
  PlanRecord record(static_cast<std::size_t>(tensor->ndim), work.instance->role);
  const CallOutcome outcome = call("plan", [&](const detent_call* c) {
    return table<Table>(*work.instance).plan(handle_of(work.instance->handle), c, &info,
                                             record.c());
  });
  record.write(work.out);
  return outcome;
}

}  // namespace detent::isolate
