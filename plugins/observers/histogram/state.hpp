// SPDX-License-Identifier: Apache-2.0
// HistogramState: what the histogram observer knows, its bytes, and the check of bytes from a file.
#pragma once
#include <cstdint>
#include <vector>

#include <detent/kernels/histogram.hpp>
#include <detent/sdk.hpp>

namespace detent {

// All counts of all slots together: 512 MiB. 32768 channels of 2048 bins are possible.
inline constexpr std::int64_t kMaxCounts = std::int64_t{1} << 26;

// Little-endian bytes, version 1:
//   u32 started, u32 ndim, i64 shape[ndim], i64 bins, u64 finite, u64 non_finite, then for each
//   slot f64 lo, f64 hi, i64 exponent, i64 first, u64 n, u64 counts[n]   (empty slot: +inf, -inf,
//   0, 0, 0)
struct HistogramState {
  bool started = false;  // a batch with elements was seen
  std::vector<std::int64_t> shape;
  std::uint64_t finite = 0;
  std::uint64_t non_finite = 0;
  std::vector<kernels::Histogram> slots;

  // Adds what other batches gave. Requires both to have the shape, unless this one has not started.
  //
  // Errors  NUMERIC: more than 2^62 values; the state is then what it was
  sdk::Status add(const HistogramState& other, std::int64_t bins);

  void save(sdk::Writer& out, std::int64_t bins) const;

  // What is wrong with the bytes, or nullptr. They are hostile: only a state that observing could
  // have made is taken, and no more memory is used than there are bytes.
  const char* load(sdk::Reader& in, std::int64_t bins, std::uint32_t ndim);
};

}  // namespace detent
