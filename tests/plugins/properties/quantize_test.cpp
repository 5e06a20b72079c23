// SPDX-License-Identifier: Apache-2.0
// What quantizing and back does to any weight, for every type of code, mapping and granularity.
#include <cmath>
#include <limits>

#include "setups.hpp"

namespace detent::test {

// Half a step, for the values beyond the outermost codes too: a zero point is rounded by half a
// step at most. On top come three roundings to float32: scale, quotient and product, 2^-24 each.
TEST_CASE("Every value comes back within half a scale", "[properties]") {
  property("|x - x'| <= scale / 2 + 2^-23 (|x| + |x'|)", [] {
    const Setup s = any_setup();
    const auto x = any_weight(s.slot.size());
    Quantizer quantizer(s.id, s.params);
    const Results results = quantizer.quantize(Tensor::of(s.shape, x));
    const auto scales = results.values<float>("scale");
    const auto back = quantizer.dequantize(results, s.shape);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double rounding = 0x1p-23 * (std::abs(double{x[i]}) + std::abs(double{back[i]}));
      const double error = std::abs(double{x[i]} - double{back[i]});
      RC_ASSERT(error <= double{scales[s.slot[i]]} / 2 + rounding);
    }
  });
}

TEST_CASE("Zero comes back as zero", "[properties]") {
  property("x == 0 gives the zero point and x' == 0", [] {
    const Setup s = any_setup();
    auto x = any_weight(s.slot.size());
    const auto at = *rc::gen::inRange(std::size_t{0}, x.size());
    x[at] = *rc::gen::element(0.0F, -0.0F);
    Quantizer quantizer(s.id, s.params);
    const Results results = quantizer.quantize(Tensor::of(s.shape, x));
    RC_ASSERT(codes_of(results)[at] == zero_point_of(s, results, at));
    RC_ASSERT(quantizer.dequantize(results, s.shape)[at] == 0.0F);
  });
}

TEST_CASE("Codes are among those of the type, and so are zero points", "[properties]") {
  property("qmin <= q, zero_point <= qmax", [] {
    const Setup s = any_setup();
    const auto x = *rc::gen::container<std::vector<float>>(s.slot.size(), finite_float());
    const Results results = Quantizer(s.id, s.params).quantize(Tensor::of(s.shape, x));
    for (const std::int64_t code : codes_of(results)) RC_ASSERT(code >= s.qmin && code <= s.qmax);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::int64_t zero = zero_point_of(s, results, i);
      RC_ASSERT(zero >= s.qmin && zero <= s.qmax);
    }
  });
}

TEST_CASE("What comes back is finite, up to the largest float", "[properties]") {
  property("x finite gives x' finite", [] {
    const Setup s = any_setup();
    auto x = *rc::gen::container<std::vector<float>>(s.slot.size(), finite_float());
    const float most = std::numeric_limits<float>::max();
    x[*rc::gen::inRange(std::size_t{0}, x.size())] = *rc::gen::element(most, -most, most / 2);
    x[*rc::gen::inRange(std::size_t{0}, x.size())] = *rc::gen::element(most, -most, 0.99F * most);
    Quantizer quantizer(s.id, s.params);
    for (const float back :
         quantizer.dequantize(quantizer.quantize(Tensor::of(s.shape, x)), s.shape))
      RC_ASSERT(std::isfinite(back));
  });
}

TEST_CASE("Quantizing is monotone within a channel or group", "[properties]") {
  property("x <= y gives q(x) <= q(y)", [] {
    const Setup s = any_setup();
    const auto x = any_weight(s.slot.size());
    const auto codes = codes_of(Quantizer(s.id, s.params).quantize(Tensor::of(s.shape, x)));
    for (std::size_t i = 0; i < x.size(); ++i)
      for (std::size_t j = 0; j < i; ++j)
        if (s.slot[i] == s.slot[j])
          RC_ASSERT(!(x[i] <= x[j] && codes[i] > codes[j]) &&
                    !(x[i] >= x[j] && codes[i] < codes[j]));
  });
}

TEST_CASE("A dequantized tensor has the same codes when it is given the same scales",
          "[properties]") {
  property("q(x', s, z) == q(x, s, z), with any s and z of which all codes are finite", [] {
    const Setup s = any_setup();
    const auto x = any_weight(s.slot.size());
    Quantizer quantizer(s.id, s.params);
    const Results first = quantizer.quantize(Tensor::of(s.shape, x));
    const auto back = quantizer.dequantize(first, s.shape);
    const Results second = quantizer.quantize(Tensor::of(s.shape, back), stats_of(first));
    RC_ASSERT(codes_of(second) == codes_of(first));
    RC_ASSERT(quantizer.dequantize(second, s.shape) == back);
  });
}

// Asymmetric parameters found anew may differ: the outermost codes need not have been in use.
TEST_CASE("A dequantized tensor has the same codes when its scales are symmetric and found anew",
          "[properties]") {
  property("q(x') == q(x), and the scales differ by their last bit at most", [] {
    const Setup s = any_setup();
    RC_PRE(s.symmetric);
    Quantizer quantizer(s.id, s.params);
    const auto x = any_weight(s.slot.size());
    const Results first = quantizer.quantize(Tensor::of(s.shape, x));
    const auto back = quantizer.dequantize(first, s.shape);
    const Results second = quantizer.quantize(Tensor::of(s.shape, back));
    RC_ASSERT(codes_of(second) == codes_of(first));
    const auto before = first.values<float>("scale");
    const auto after = second.values<float>("scale");
    for (std::size_t i = 0; i < before.size(); ++i)
      RC_ASSERT(std::abs(after[i] - before[i]) <= std::nextafter(before[i], HUGE_VALF) - before[i]);
  });
}

}  // namespace detent::test
