// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "kernels/awkward.hpp"
#include "kernels/simd_targets.hpp"
#include "support/catch.hpp"
#include <detent/kernels/non_finite.hpp>

namespace detent::kernels {

TEMPLATE_TEST_CASE("count_non_finite gives the reference's number on every SIMD target",
                   "[per-target]", float, double, Half, BFloat16) {
  for (const std::int64_t target : test::all_targets()) {
    const test::Target on(target);
    for (std::size_t n = 0; n < 140; ++n) {
      INFO(test::target_name(target) << ", " << n);
      const auto x = test::awkward_values<TestType>(n, static_cast<unsigned>(n));
      std::vector<char> bytes(n * sizeof(TestType) + 1);  // aligned to nothing
      if (n != 0) std::memcpy(bytes.data() + 1, x.data(), n * sizeof(TestType));
      const auto* const unaligned = reinterpret_cast<const TestType*>(bytes.data() + 1);
      REQUIRE(count_non_finite(unaligned, n) == count_non_finite_ref(x.data(), n));
    }
  }
}

TEST_CASE("more elements are counted than a lane of 16 bits counts", "[per-target]") {
  for (const std::int64_t target : test::all_targets()) {
    const test::Target on(target);
    INFO(test::target_name(target));
    const std::vector<Half> nan(3000000, Half{0x7E00});
    CHECK(count_non_finite(nan.data(), nan.size()) == 3000000);
  }
}

TEST_CASE("infinities and NaN of either sign are not finite, the largest numbers are",
          "[kernels][non_finite]") {
  const std::uint16_t halfs[] = {0x7C00, 0xFC00, 0x7C01, 0xFFFF, 0x7BFF, 0xFBFF, 0, 0x8001};
  const std::uint16_t bfloats[] = {0x7F80, 0xFF80, 0x7F81, 0xFFFF, 0x7F7F, 0xFF7F, 0, 0x8001};
  std::vector<Half> half;
  std::vector<BFloat16> bfloat;
  for (int copies = 0; copies < 9; ++copies)
    for (std::size_t i = 0; i < std::size(halfs); ++i) {
      half.push_back({halfs[i]});
      bfloat.push_back({bfloats[i]});
    }
  CHECK(count_non_finite(half.data(), half.size()) == 36);
  CHECK(count_non_finite(bfloat.data(), bfloat.size()) == 36);
}

}  // namespace detent::kernels
