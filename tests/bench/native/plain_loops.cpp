// SPDX-License-Identifier: Apache-2.0
// INT4 in groups as anybody would write it, left to the compiler: -O3 -ffast-math for this machine.
// It multiplies by a reciprocal, so its codes can differ from a division's in ties, and it takes
// NaN for granted never to come.
#include <algorithm>
#include <cmath>

#include "works.hpp"

namespace detent::bench {
namespace {

template <std::size_t kGroup>
void quantize_groups(const float* x, std::size_t n, std::uint8_t* codes, float* scales) {
  for (std::size_t g = 0; g < n / kGroup; ++g, x += kGroup, codes += kGroup / 2) {
    float top = 0;
    for (std::size_t i = 0; i < kGroup; ++i) top = std::max(top, std::fabs(x[i]));
    const float scale = top / 7.5F;
    scales[g] = scale;
    const float inverse = scale > 0 ? 1 / scale : 0;
    std::uint8_t q[kGroup];
    for (std::size_t i = 0; i < kGroup; ++i) {
      const float code = std::min(std::nearbyint(x[i] * inverse), 7.F);
      q[i] = static_cast<std::uint8_t>(static_cast<std::int32_t>(code) & 15);
    }
    for (std::size_t i = 0; i < kGroup / 2; ++i)
      codes[i] = static_cast<std::uint8_t>(q[2 * i] | q[2 * i + 1] << 4);
  }
}

template <std::size_t kGroup>
void add(std::vector<Work>& works, const Size& size) {
  const auto n = static_cast<std::size_t>(size.rows * size.columns);
  works.push_back({work_name("plain_int4_g" + std::to_string(kGroup), DETENT_F32, size, 1), n * 4,
                   [size, n]() -> std::function<void()> {
                     auto x = weight(DETENT_F32, size);
                     auto codes = std::make_shared<std::vector<std::uint8_t>>(n / 2);
                     auto scales = std::make_shared<std::vector<float>>(n / kGroup);
                     return [x, n, codes, scales] {
                       quantize_groups<kGroup>(static_cast<const float*>(x->view().data), n,
                                               codes->data(), scales->data());
                     };
                   }});
}

}  // namespace

void add_plain_loops(std::vector<Work>& works) {
  for (const Size& size : {kLarge, kCached}) {
    add<128>(works, size);
    add<32>(works, size);
  }
}

}  // namespace detent::bench
