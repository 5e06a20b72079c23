// SPDX-License-Identifier: Apache-2.0
#include "plain_loops.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

namespace detent::bench {
namespace {

constexpr std::size_t kLanes = 8;  // that the compiler makes vectors of

float largest_magnitude(const float* x, std::size_t n) {
  float most[kLanes] = {};
  for (std::size_t i = 0; i < n; i += kLanes)
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const float size = std::fabs(x[i + lane]);
      most[lane] = most[lane] < size ? size : most[lane];
    }
  return *std::max_element(most, most + kLanes);
}

}  // namespace

std::uint64_t plain_read(const float* x, std::size_t n) {
  std::uint32_t sums[8 * kLanes] = {};
  for (std::size_t i = 0; i + 8 * kLanes <= n; i += 8 * kLanes)
    for (std::size_t lane = 0; lane < 8 * kLanes; ++lane)
      sums[lane] += std::bit_cast<std::uint32_t>(x[i + lane]);
  return std::accumulate(sums, sums + 8 * kLanes, std::uint64_t{0});
}

void plain_int4(const float* x, std::size_t n, std::size_t group, float* scales,
                std::uint8_t* packed) {
  constexpr float kRound = 12582912.0F;  // 1.5 * 2^23: what is added to it loses its fraction
  for (std::size_t g = 0; g < n / group; ++g) {
    const float* const from = x + g * group;
    const float most = largest_magnitude(from, group);
    const float scale = most / 7;
    const float inverse = scale > 0 ? 1 / scale : 0;
    scales[g] = scale;
    std::uint8_t* const to = packed + g * group / 2;
    for (std::size_t i = 0; i < group / 2; ++i) {
      const auto low = static_cast<std::int32_t>(from[2 * i] * inverse + kRound - kRound);
      const auto high = static_cast<std::int32_t>(from[2 * i + 1] * inverse + kRound - kRound);
      to[i] = static_cast<std::uint8_t>((low & 15) | (high & 15) << 4);
    }
  }
}

}  // namespace detent::bench
