// SPDX-License-Identifier: Apache-2.0
#include "quantize/measure.hpp"

#include <cmath>
#include <limits>

#include "support/catch.hpp"

namespace detent::test {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

QuantizationError error_of(const std::vector<float>& x, const std::vector<float>& y,
                           unsigned threads = 1) {
  ThreadPool pool(threads);
  return measure_error(DETENT_F32, std::as_bytes(std::span(x)), y, pool);
}

}  // namespace

TEST_CASE("SQNR, MSE, largest error and cosine are those worked out by hand") {
  // x = (3, 4, 0), x' = (3, 3, 1): signal 25, noise 2, product 21, |x'|^2 19
  const QuantizationError e = error_of({3, 4, 0}, {3, 3, 1});
  CHECK(e.sqnr_db() == Approx(10.969100130080564));
  CHECK(e.mse() == Approx(2.0 / 3).epsilon(1e-15));
  CHECK(e.max_abs_error == 1);
  CHECK(e.cosine() == Approx(0.9635460822563594).epsilon(1e-14));
}

TEST_CASE("SQNR knows no small: weights of a millionth have the figure of ordinary ones") {
  constexpr float kSmall = 0x1p-20F;
  CHECK(error_of({3 * kSmall, 4 * kSmall, 0}, {3 * kSmall, 3 * kSmall, kSmall}).sqnr_db() ==
        Approx(10.969100130080564));
}

TEST_CASE("what is equal has no error, and what became zero has no direction") {
  const QuantizationError same = error_of({1, -2}, {1, -2});
  CHECK(same.sqnr_db() == kInfinity);
  CHECK(same.cosine() == 1);
  CHECK(same.mse() == 0);
  CHECK(error_of({0, 0}, {0, 0}).cosine() == 1);
  CHECK(error_of({1, -2}, {0, 0}).cosine() == 0);
  CHECK(error_of({1, -2}, {0, 0}).sqnr_db() == 0);
  CHECK(error_of({0, 0}, {1, 0}).cosine() == 0);
  CHECK(error_of({0, 0}, {1, 0}).sqnr_db() == -kInfinity);
  CHECK(error_of({1, 2}, {-1, -2}).cosine() == Approx(-1));
  CHECK(error_of({}, {}).mse() == 0);
}

TEST_CASE("the gain is the ratio of the noises") {
  const QuantizationError one = error_of({1, 1}, {1, 2});
  const QuantizationError hundred = error_of({1, 1}, {1, 11});
  const QuantizationError none = error_of({1, 1}, {1, 1});
  CHECK(gain_db(one, hundred) == Approx(20));
  CHECK(gain_db(hundred, one) == Approx(-20));
  CHECK(gain_db(one, one) == 0);
  CHECK(gain_db(none, none) == 0);
  CHECK(gain_db(none, one) == kInfinity);
  CHECK(gain_db(one, none) == -kInfinity);
}

TEST_CASE("the sums of many blocks are right, and the same for any number of threads") {
  constexpr std::size_t kN = 3 * 65536 + 7;
  std::vector<float> x(kN);
  std::vector<float> y(kN);
  long double signal = 0, noise = 0, product = 0, restored = 0;
  for (std::size_t i = 0; i < kN; ++i) {
    x[i] = std::sin(static_cast<float>(i));
    y[i] = x[i] + 0.01F * std::cos(static_cast<float>(3 * i));
    const long double a = x[i], b = y[i];
    signal += a * a, noise += (a - b) * (a - b), product += a * b, restored += b * b;
  }
  const QuantizationError e = error_of(x, y);
  CHECK(e.signal == Approx(static_cast<double>(signal)).epsilon(1e-13));
  CHECK(e.noise == Approx(static_cast<double>(noise)).epsilon(1e-13));
  CHECK(e.cosine() ==
        Approx(static_cast<double>(product / std::sqrt(signal * restored))).epsilon(1e-13));
  CHECK(e.elements == kN);
  for (const unsigned threads : {2U, 5U}) {
    const QuantizationError again = error_of(x, y, threads);
    CHECK(again.noise == e.noise);
    CHECK(again.product == e.product);
    CHECK(again.restored == e.restored);
  }
}

}  // namespace detent::test
