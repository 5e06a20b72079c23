// SPDX-License-Identifier: Apache-2.0
#include "plugin/instance.hpp"

namespace detent {

// A copy of a target has its own text: the pointer is set where it is needed, and only when it is
// not right yet, so that threads that share a target read it at the same time.
const detent_qspec* QuantTarget::c() const {
  if (spec.scheme != scheme.c_str()) spec.scheme = scheme.c_str();
  return &spec;
}

std::uint64_t PlannedTensor::nbytes() const {
  return detent_nbytes(dtype, static_cast<std::int32_t>(shape.size()), shape.data());
}

}  // namespace detent
