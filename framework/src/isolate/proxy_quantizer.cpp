// SPDX-License-Identifier: Apache-2.0
#include "isolate/proxies.hpp"

namespace detent::isolate {
namespace {

using Quantizer = detent_quantizer;

void DETENT_CALL destroy(Quantizer* q) noexcept { destroy_remote(reinterpret_cast<Remote*>(q)); }

std::int32_t DETENT_CALL plan(Quantizer* q, const detent_call* c, const detent_tensor_info* info,
                              const detent_plan_sink* sink) noexcept {
  return at_table(c, [&] {
    Call call(remote_of(q), Op::plan, "plan");
    call.put_spec(*info->tensor);
    for (const char* text : {info->layer, info->layer_type, info->param}) call.args().text(text);
    call.args().number(info->layer_params);
    const std::int32_t status = call.run(c);
    // Also when it fails: the sink knows what was wrong with the calls before.
    call.deliver_plan(sink);
    return status;
  });
}

std::int32_t DETENT_CALL quantize(Quantizer* q, const detent_call* c, const detent_tensor* weight,
                                  const detent_tensor_source* stats,
                                  const detent_tensor_sink* sink) noexcept {
  return at_table(c, [&] {
    Call call(remote_of(q), Op::quantize, "quantize");
    call.put(*weight);
    call.put_source(stats);
    const std::int32_t status = call.run(c);
    return status == DETENT_OK ? call.deliver(sink) : status;
  });
}

std::int32_t DETENT_CALL dequantize(Quantizer* q, const detent_call* c,
                                    const detent_tensor_source* quantized,
                                    const detent_tensor* out) noexcept {
  return at_table(c, [&] {
    Call call(remote_of(q), Op::dequantize, "dequantize");
    call.put_source(quantized);
    call.put_spec({"", out->shape, out->ndim, out->dtype});
    const std::int32_t status = call.run(c);
    if (status == DETENT_OK) call.copy_tensor(*out);
    return status;
  });
}

}  // namespace

const void* quantizer_table() {
  static const detent_quantizer_vtbl table = [] {
    detent_quantizer_vtbl made{};
    made.struct_size = sizeof made;
    made.create = create_remote<Quantizer>;
    made.destroy = destroy;
    made.plan = plan;
    made.quantize = quantize;
    made.dequantize = dequantize;
    return made;
  }();
  return &table;
}

}  // namespace detent::isolate
