// SPDX-License-Identifier: Apache-2.0
// The quantizers and minmax against plain loops that share nothing with the kernels: the formulas
// of docs/numerics.md, written down once more.
#include <array>

#include "plugins/all_observers.hpp"
#include "setups.hpp"

namespace detent::test {
namespace {

double round_half_even(double v) {
  const double below = std::floor(v);
  const double rest = v - below;
  if (rest != 0.5) return rest < 0.5 ? below : below + 1;
  return std::fmod(below, 2) == 0 ? below : below + 1;
}

struct Mapped {
  float scale;
  double zero;
};

Mapped map_range(double lo, double hi, const Setup& s) {
  lo = std::min(lo, 0.0);
  hi = std::max(hi, 0.0);
  const auto qmin = static_cast<double>(s.qmin);
  const auto qmax = static_cast<double>(s.qmax);
  const auto otherwise = static_cast<double>(s.otherwise);
  const double scale =
      s.symmetric ? std::max(-lo, hi) / (qmax - otherwise) : (hi - lo) / (qmax - qmin);
  if (scale < 1.1754943508222875e-38)
    return {1.0F, s.symmetric ? otherwise : std::clamp(0.0, qmin, qmax)};
  if (s.symmetric) return {static_cast<float>(scale), otherwise};
  return {static_cast<float>(scale), std::clamp(round_half_even(qmin - lo / scale), qmin, qmax)};
}

struct Expected {
  std::vector<float> scales;
  std::vector<double> zeros;
  std::vector<std::int64_t> codes;
};

Expected quantize_slowly(const std::vector<float>& x, const Setup& s) {
  Expected e;
  const std::size_t slots = 1 + *std::max_element(s.slot.begin(), s.slot.end());
  for (std::size_t slot = 0; slot < slots; ++slot) {
    double lo = 0, hi = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (s.slot[i] != slot) continue;
      lo = std::min(lo, double{x[i]});
      hi = std::max(hi, double{x[i]});
    }
    const Mapped mapped = map_range(lo, hi, s);
    e.scales.push_back(mapped.scale);
    e.zeros.push_back(mapped.zero);
  }
  for (std::size_t i = 0; i < x.size(); ++i) {
    const float quotient = x[i] / e.scales[s.slot[i]];
    const double code = round_half_even(double{quotient}) + e.zeros[s.slot[i]];
    e.codes.push_back(static_cast<std::int64_t>(
        std::clamp(code, static_cast<double>(s.qmin), static_cast<double>(s.qmax))));
  }
  return e;
}

// Rows of nibbles, each row on bytes of its own, the first code low, the last high nibble zero.
std::vector<std::uint8_t> pack_slowly(const std::vector<std::int64_t>& codes, std::size_t row) {
  std::vector<std::uint8_t> bytes;
  for (std::size_t begin = 0; begin < codes.size(); begin += row)
    for (std::size_t c = 0; c < row; c += 2) {
      const std::int64_t low = (codes[begin + c] + 16) % 16;
      const std::int64_t high = c + 1 < row ? (codes[begin + c + 1] + 16) % 16 : 0;
      bytes.push_back(static_cast<std::uint8_t>(low + 16 * high));
    }
  return bytes;
}

}  // namespace

TEST_CASE("Scales, zero points, codes and what comes back are those of plain loops",
          "[properties]") {
  property("quantizer == plain loops", [] {
    const Setup s = any_setup();
    const auto x = any_weight(s.slot.size());
    Quantizer quantizer(s.id, s.params);
    const Results results = quantizer.quantize(Tensor::of(s.shape, x));
    const Expected expected = quantize_slowly(x, s);
    RC_ASSERT(results.values<float>("scale") == expected.scales);
    RC_ASSERT(results.has("zero_point") == !s.symmetric);
    RC_ASSERT(codes_of(results) == expected.codes);
    const auto back = quantizer.dequantize(results, s.shape);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double zero = expected.zeros[s.slot[i]];
      RC_ASSERT(static_cast<double>(zero_point_of(s, results, i)) == zero);
      const auto steps = static_cast<float>(static_cast<double>(expected.codes[i]) - zero);
      RC_ASSERT(back[i] == steps * expected.scales[s.slot[i]]);
    }
  });
}

TEST_CASE("4-bit codes lie in bytes as plain loops put them", "[properties]") {
  property("packed == plain loops", [] {
    const Setup s = any_int4();
    const auto x = any_weight(s.slot.size());
    const Results results = Quantizer(s.id, s.params).quantize(Tensor::of(s.shape, x));
    const std::size_t row = x.size() / static_cast<std::size_t>(s.shape[0]);
    RC_ASSERT(results.tensor("qweight").bytes() == pack_slowly(quantize_slowly(x, s).codes, row));
  });
}

TEST_CASE("minmax as a weight's observer gives the quantizer's own scales and zero points",
          "[properties]") {
  property("minmax == quantizer", [] {
    const Setup s = any_setup();
    const auto x = any_weight(s.slot.size());
    const Tensor weight = Tensor::of(s.shape, x);
    Quantizer quantizer(s.id, s.params);
    const detent_qspec spec = *quantizer.plan(s.shape).target;
    const Results observed = saw(all_observers()[0], {weight}, spec).qparams();
    const Results own = quantizer.quantize(weight);
    RC_ASSERT(observed.tensor("scale").shape() == own.tensor("scale").shape());
    RC_ASSERT(observed.values<float>("scale") == own.values<float>("scale"));
    if (own.has("zero_point")) RC_ASSERT(zero_points_of(observed) == zero_points_of(own));
    RC_ASSERT(all_bytes(quantizer.quantize(weight, observed)) == all_bytes(own));
  });
}

}  // namespace detent::test
