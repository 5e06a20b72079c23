// SPDX-License-Identifier: Apache-2.0
// Quantizing and dequantizing an activation with tensor operations, for the simulation.
#pragma once
#include <cstdint>
#include <torch/script.h>

namespace detent::torch_worker {

struct Quantization {
  bool dynamic = false;
  bool symmetric = false;
  std::int64_t axis = -1;  // of the channels; -1: per tensor
  std::int64_t qmin = -128;
  std::int64_t qmax = 127;
  std::int64_t symmetric_zero = 0;  // the code of 0 where codes are unsigned
  double min_scale = 0;             // dynamic: of detent_qspec, and
  std::uint64_t rules = 0;          // the DETENT_AFFINE_ flags
  at::Tensor scale;                 // static: F32, [] or [channels]
  at::Tensor zero_point;            // static: F32, of scale's shape
};

// (clamp(round(x / scale) + zero_point, qmin, qmax) - zero_point) * scale, in x's dtype.
at::Tensor quantize_dequantize(const at::Tensor& x, const Quantization& q);

}  // namespace detent::torch_worker
