// SPDX-License-Identifier: Apache-2.0
// Target, awkward_floats: what every kernel is tried with.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <hwy/targets.h>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace detent::test {

// While it lives, kernels run on this instruction set only.
class Target {
 public:
  explicit Target(std::int64_t target) { hwy::SetSupportedTargetsForTest(target); }
  ~Target() { hwy::SetSupportedTargetsForTest(0); }
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;
};

inline std::vector<std::int64_t> all_targets() { return hwy::SupportedAndGeneratedTargets(); }
inline std::string target_name(std::int64_t target) { return hwy::TargetName(target); }

// Around every vector length up to 16 lanes, and some that are several vectors and a tail.
inline std::vector<std::size_t> awkward_lengths() {
  return {0,  1,  2,  3,  7,  8,   9,    15,   16,   17,   31,
          32, 33, 63, 64, 65, 100, 1000, 1023, 1024, 1025, 2049};
}

// Of [0, 1]; the same numbers with every standard library.
inline double uniform(std::mt19937& random) { return static_cast<double>(random()) / 4294967295.0; }

// Ties, both zeros, subnormals, huge values and, unless finite_only, infinities and NaN, between
// ordinary ones; which comes where depends on the seed.
inline std::vector<float> awkward_floats(std::size_t n, unsigned seed, bool finite_only = false) {
  using Limits = std::numeric_limits<float>;
  std::vector<float> special = {0.0F,
                                -0.0F,
                                0.5F,
                                -0.5F,
                                1.5F,
                                -2.5F,
                                127.5F,
                                -128.5F,
                                7.5F,
                                -8.5F,
                                0.49999997F,
                                -0.49999997F,
                                Limits::denorm_min(),
                                -Limits::denorm_min(),
                                1e-40F,
                                Limits::min(),
                                Limits::max(),
                                Limits::lowest(),
                                65504.0F,
                                65519.996F,
                                65520.0F,
                                -65520.0F,
                                1e20F,
                                6e-8F,
                                2147483648.0F};
  if (!finite_only) {
    for (const float x :
         {Limits::infinity(), -Limits::infinity(), Limits::quiet_NaN(), -Limits::quiet_NaN()})
      special.push_back(x);
  }
  std::mt19937 random(seed);
  std::vector<float> values(n);
  for (float& value : values) {
    const float ordinary = static_cast<float>(uniform(random) - 0.5) * 300.0F;
    const auto kind = random() % 4;
    value = kind == 0 ? special[random() % special.size()]
                      : (kind == 1 ? std::floor(ordinary) + 0.5F : ordinary);
  }
  return values;
}

}  // namespace detent::test
