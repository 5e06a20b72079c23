// SPDX-License-Identifier: Apache-2.0
// Tensors and metadata that come from an observer or an artefact: checked before they are used.
//
// Errors    all throw sdk::Error. DETENT_E_UNSUPPORTED: missing, shorter than the shape says, or of
//           another type, shape or layout. DETENT_E_NUMERIC: a value that no quantization can have
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <detent/kernels/affine.hpp>
#include <detent/sdk/exchange.hpp>

namespace detent::quantizers {

using Shape = std::vector<std::int64_t>;

// The bytes of the tensor of that name: of this type and shape, compact, and all there.
const char* require_tensor(const sdk::Source& source, const char* name, detent_dtype dtype,
                           const Shape& shape);

// Scales, one for each element of shape: float32, finite and at least the smallest normal number.
std::vector<float> require_scales(const sdk::Source& source, const Shape& shape);

// Scales and zero points. `zero` is the type of the zero points and the codes they must be among;
// where there is no tensor "zero_point", `otherwise` is every zero point; it is refused without.
struct ZeroPoints {
  detent_dtype dtype;  // DETENT_I8 or DETENT_U8
  kernels::Codes codes;
  std::optional<std::int32_t> otherwise;
};
std::vector<kernels::AffineParams> require_params(const sdk::Source& source, const Shape& shape,
                                                  const ZeroPoints& zero);

// A JSON integer; nothing when there is none of that key.
std::optional<std::int64_t> integer_meta(const sdk::Source& source, const char* key);

// Where dequantize writes. DETENT_E_INVALID_ARG unless it is float32 with room for its shape.
float* require_output(const sdk::MutableTensor& out);

std::string to_text(const Shape& shape);  // "[8, 4, 3, 3]"

// For what sinks and planners answer: they have no text of their own.
void must(const sdk::Status& status);

}  // namespace detent::quantizers
