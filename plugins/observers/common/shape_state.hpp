// SPDX-License-Identifier: Apache-2.0
// write_shape, read_shape: the shape of the scales in an observer's state.
#pragma once
#include <cstdint>
#include <vector>

#include <detent/sdk.hpp>

namespace detent {

// u32 ndim, i64 extent[ndim]
inline void write_shape(sdk::Writer& out, const std::vector<std::int64_t>& shape) {
  out.pod(static_cast<std::uint32_t>(shape.size()));
  for (const std::int64_t extent : shape) out.pod(extent);
}

// What is wrong with the bytes, or nullptr. They are hostile, and so is has_started, which stands
// before them: 1 when there is a shape of so many dimensions, 0 when there is none. slots: the
// product of the extents, at most `most`; 0 without a shape.
inline const char* read_shape(sdk::Reader& in, std::uint32_t has_started, std::uint32_t dimensions,
                              std::uint64_t most, std::vector<std::int64_t>& shape,
                              std::uint64_t& slots) {
  std::uint32_t ndim = 0;
  if (!in.pod(ndim)) return "it is too short";
  if (has_started > 1 || ndim != (has_started != 0 ? dimensions : 0)) return "another granularity";
  slots = has_started;
  for (std::uint32_t d = 0; d < ndim; ++d) {
    std::int64_t extent = 0;
    if (!in.pod(extent)) return "it is too short";
    if (extent < 1 || static_cast<std::uint64_t>(extent) > most / slots)
      return "an extent is out of range";
    slots *= static_cast<std::uint64_t>(extent);
    shape.push_back(extent);
  }
  return nullptr;
}

}  // namespace detent
