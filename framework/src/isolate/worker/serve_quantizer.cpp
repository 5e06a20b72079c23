// SPDX-License-Identifier: Apache-2.0
#include "isolate/worker/plan_record.hpp"
#include "isolate/worker/session.hpp"

namespace detent::isolate {
namespace {

using Table = detent_quantizer_vtbl;

detent_quantizer* handle_of(void* handle) { return static_cast<detent_quantizer*>(handle); }

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
  return call_for_tensor("dequantize", work, [&](const detent_call* c, const detent_tensor* out) {
    return t.dequantize(q, c, quantized, out);
  });
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
    return table<Table>(*work.instance)
        .plan(handle_of(work.instance->handle), c, &info, record.c());
  });
  record.write(work.out);
  return outcome;
}

}  // namespace detent::isolate
