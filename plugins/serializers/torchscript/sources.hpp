// SPDX-License-Identifier: Apache-2.0
// The TorchScript functions that take the place of operators and of reads. A text for each family;
// the functions of one text call only one another.
//
// Shapes    `trailing`: dimensions behind the channels' own, -1 for one scale for all
// Types     `dtype`: number of the result's type in c10::ScalarType, -1 for that of the scales, so
//           that a float32 model can be made half as a whole. Arithmetic is done in the scales'
//           type
// Memory    a weight is unpacked into one new tensor and changed in place: the time goes into
//           touching fresh memory
// Loads in  PyTorch 1.13 and later, the fast families apart
#pragma once
#include <array>
#include <string>

namespace detent::torchscript {

struct Source {
  const char* name;
  const char* text;
};

extern const Source kAffine;      // codes of 8 bits
extern const Source kCast;        // a smaller floating-point type
extern const Source kInt4;        // two codes to a byte, scales of groups
extern const Source kActivation;  // quantize and dequantize what flows
extern const Source kFastInt8;    // needs quantized::linear_dynamic
extern const Source kFastInt4;    // needs _weight_int4pack_mm_for_cpu

// Functions of kInt4 give matrices; this one gives the weight's own shape, of `dimensions` extents:
// NAME(q, scale[, zero], columns, group, e0, e1, ..., dtype). It stands in one text with kInt4.
std::string int4_name(std::size_t dimensions, bool zero);
std::string int4_text(std::size_t dimensions, bool zero);

}  // namespace detent::torchscript
