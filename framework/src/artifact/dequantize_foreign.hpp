// SPDX-License-Identifier: Apache-2.0
// The values of weights that another program quantized.
#pragma once
#include "artifact/record.hpp"
#include "plugin/tensor_store.hpp"

namespace detent {

// (code - zero_point) * scale in float32, scale rounded to float32 before: what Mono Quant
// computes. The record is checked against its file. out: float32, of the record's shape.
void dequantize_foreign(const TensorRecord& record, const TensorStore& stored, HostTensor& out);

}  // namespace detent
