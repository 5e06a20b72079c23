// SPDX-License-Identifier: Apache-2.0
// MomentState: what the second_moment observer knows, its bytes, and the check of bytes from a
// file.
#pragma once
#include <cstdint>
#include <vector>

#include <detent/kernels/square_sum.hpp>
#include <detent/sdk.hpp>

namespace detent {

// Little-endian bytes, version 1:
//   u32 started, u32 ndim, i64 shape[ndim], then for each slot u64 finite, u64 non_finite,
//   u32 limbs[20]: the sum of squares in units of 2^-298, the lowest limb first
struct MomentState {
  bool started = false;  // a batch with elements was seen
  std::vector<std::int64_t> shape;
  std::vector<kernels::SquareSum> slots;  // carried

  // Requires both to have the shape, unless this one has not started.
  //
  // Errors  NUMERIC: more than 2^62 values; the state is then what it was
  sdk::Status add(const MomentState& other);

  std::uint64_t finite() const noexcept;
  std::uint64_t non_finite() const noexcept;

  void save(sdk::Writer& out) const;

  // What is wrong with the bytes, or nullptr. They are hostile: no more memory is used than there
  // are bytes, and no more is taken than so many squares can amount to.
  const char* load(sdk::Reader& in, std::uint32_t ndim);
};

}  // namespace detent
