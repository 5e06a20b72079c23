// SPDX-License-Identifier: Apache-2.0
#include "stored.hpp"

#include <string>

namespace detent::serializers {

Stored stored_as(const detent_tensor_spec& spec) {
  Stored stored{spec.dtype,
                {spec.shape, spec.shape + spec.ndim},
                detent_nbytes(spec.dtype, spec.ndim, spec.shape)};
  if (stored.nbytes == UINT64_MAX)
    throw sdk::Error(DETENT_E_INVALID_ARG, "tensor \"" + std::string(spec.name) +
                                               "\": its shape is negative or too large");
  if (spec.dtype != DETENT_I4 && spec.dtype != DETENT_U4) return stored;
  stored.dtype = DETENT_U8;
  if (!stored.shape.empty())
    stored.shape.back() = stored.shape.back() / 2 + stored.shape.back() % 2;
  return stored;
}

std::string describe_dtype(detent_dtype dtype) {
  return "its dtype (code " + std::to_string(DETENT_DTYPE_CODE(dtype)) + ", " +
         std::to_string(DETENT_DTYPE_BITS(dtype)) + " bits)";
}

}  // namespace detent::serializers
