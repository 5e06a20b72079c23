// SPDX-License-Identifier: Apache-2.0
// property: what must hold for values that rapidcheck makes up; a failure is shrunk to a small one.
//
// ctest gives a fixed seed, so that a run says the same twice. Run the program by hand for new
// values, or with RC_PARAMS="seed=1 max_success=100000".
#pragma once
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <rapidcheck.h>
#include <string>
#include <utility>
#include <vector>

#include "support/catch.hpp"

namespace detent::test {

template <class F>
void property(const std::string& sentence, F&& holds) {
  CHECK(rc::check(sentence, std::forward<F>(holds)));
}

// Half of them near one, the others of any exponent, subnormal ones too.
inline rc::Gen<float> finite_float() {
  return rc::gen::oneOf(rc::gen::map(rc::gen::inRange(-1000, 1001),
                                     [](int v) { return static_cast<float>(v) / 64.0F; }),
                        rc::gen::map(rc::gen::arbitrary<std::uint32_t>(), [](std::uint32_t bits) {
                          const auto value = std::bit_cast<float>(bits);
                          return std::isfinite(value) ? value : 0.0F;
                        }));
}

// One in five is a value that breaks things.
inline rc::Gen<float> any_float() {
  using Limits = std::numeric_limits<float>;
  return rc::gen::weightedOneOf<float>(
      {{4, finite_float()},
       {1, rc::gen::element(Limits::quiet_NaN(), Limits::infinity(), -Limits::infinity(), -0.0F,
                            Limits::denorm_min(), Limits::min(), Limits::max(), -Limits::max())}});
}

// Of one size, which differs from call to call by up to 60 decades: what a layer looks like.
inline std::vector<float> layer_values(std::size_t n) {
  const int decade = *rc::gen::inRange(-30, 31);
  const int shift = *rc::gen::element(0, 0, 0, 3000, -3000);
  const auto values = *rc::gen::container<std::vector<int>>(n, rc::gen::inRange(-1000, 1001));
  std::vector<float> out;
  for (const int v : values)
    out.push_back(static_cast<float>((v + shift) / 256.0 * std::pow(10.0, decade)));
  return out;
}

}  // namespace detent::test
