// SPDX-License-Identifier: Apache-2.0
// put_affine against numbers worked out by hand, and against the built-in kernels.
#include <cfloat>
#include <limits>

#include "plugins.hpp"
#include "support/catch.hpp"
#ifdef DETENT_TEST_KERNELS
#include <detent/kernels/affine.hpp>
#endif

using namespace sdk_tests;

namespace {
detent_qspec codes(bool symmetric, int64_t qmin, int64_t qmax) {
  detent_qspec q = target();
  q.symmetric = symmetric ? 1 : 0;
  q.qmin = qmin;
  q.qmax = qmax;
  return q;
}
}  // namespace

TEST_CASE("choose_affine gives the numbers of the textbook", "[sdk]") {
  const auto check = [](double lo, double hi, const detent_qspec& q, float scale, int64_t zero) {
    CAPTURE(lo, hi, q.symmetric, q.qmin);
    CHECK(sdk::choose_affine(lo, hi, q).scale == scale);
    CHECK(sdk::choose_affine(lo, hi, q).zero_point == zero);
  };
  check(-127, 64, codes(true, -127, 127), 1, 0);
  check(-14, 3, codes(true, -8, 7), 2, 0);
  check(-127, 127, codes(true, 0, 255), 1, 128);
  check(0, 255, codes(false, -128, 127), 1, -128);
  check(-128, 127, codes(false, -128, 127), 1, 0);
  check(10, 255, codes(false, 0, 255), 1, 0);  // widened to hold zero
  check(-255, -10, codes(false, 0, 255), 1, 255);
  check(-0.5, 2.5, codes(false, 0, 3), 1, 0);  // 0.5 rounds to even
  check(-1.5, 1.5, codes(false, 0, 3), 1, 2);  // 1.5 rounds to even
  check(0, 0, codes(false, -128, 127), 1, 0);
  check(0, 0, codes(true, -127, 127), 1, 0);
  check(0, 1e-40, codes(true, -127, 127), 1, 0);  // below the smallest normal float
  // The scale saturates where the lowest code is the lowest float, less a rounding.
  check(-DBL_MAX, 0, codes(false, -128, 128), FLT_MAX / 256 * (1 - FLT_EPSILON), 128);
}

TEST_CASE("choose_affine follows the rules of the target", "[sdk]") {
  const auto with = [](detent_qspec q, uint64_t rules, double min_scale = 0) {
    q.affine_rules = rules;
    q.min_scale = min_scale;
    return q;
  };
  const auto check = [](double lo, double hi, const detent_qspec& q, float scale, int64_t zero) {
    CAPTURE(lo, hi, q.symmetric, q.qmin, q.affine_rules, q.min_scale);
    CHECK(sdk::choose_affine(lo, hi, q).scale == scale);
    CHECK(sdk::choose_affine(lo, hi, q).zero_point == zero);
  };
  check(-255, 3, with(codes(true, -128, 127), DETENT_AFFINE_HALF_RANGE), 2, 0);
  check(-0.5, 253.5, with(codes(false, -127, 127), DETENT_AFFINE_ROUND_LO_FIRST), 1, -127);
  check(0, 0, with(codes(false, -128, 127), 0, 0.5), 0.5F, -128);
  check(0, 0, with(codes(false, -128, 127), DETENT_AFFINE_FLOOR_ZERO_ONLY, 0.5), 0.5F, 0);
  check(0, 0.3, with(codes(false, 0, 255), DETENT_AFFINE_FLOAT32), 0.3F / 255, 0);

  detent_qspec shorter = with(codes(true, -128, 127), DETENT_AFFINE_HALF_RANGE, 0.5);
  shorter.struct_size = DETENT_SIZE_UPTO(detent_qspec, scheme);  // what follows is not there
  check(-127, 127, shorter, 1, 0);

  testing::Store out;
  const detent_qspec unknown = with(codes(true, -127, 127), DETENT_AFFINE_ALL + 1);
  CHECK(sdk::put_affine(sdk::Sink(out.sink()), unknown, {}, {0}, {1}).code() ==
        DETENT_E_UNSUPPORTED);
}

TEST_CASE("put_affine writes what the target asks for", "[sdk]") {
  testing::Store symmetric, asymmetric, wide;
  detent_qspec q = codes(true, -127, 127);
  REQUIRE(sdk::put_affine(sdk::Sink(symmetric.sink()), q, {2}, {-127, 0}, {0, 254}).ok());
  CHECK(symmetric.values<float>("scale") == std::vector<float>{1, 2});
  CHECK(symmetric.find("zero_point") == nullptr);

  q = codes(false, -128, 127);
  REQUIRE(sdk::put_affine(sdk::Sink(asymmetric.sink()), q, {}, {0}, {255}).ok());
  CHECK(asymmetric.values<int8_t>("zero_point") == std::vector<int8_t>{-128});
  CHECK(asymmetric.find("scale")->shape().empty());

  q = codes(false, 0, 255);  // zero_dtype is still int8
  CHECK(sdk::put_affine(sdk::Sink(wide.sink()), q, {}, {-255}, {0}).code() == DETENT_E_INVALID_ARG);
}

TEST_CASE("put_affine refuses targets that it cannot serve", "[sdk]") {
  testing::Store out;
  const sdk::Sink sink(out.sink());
  CHECK(sdk::put_affine(sink, codes(true, 5, 5), {}, {0}, {1}).code() == DETENT_E_INVALID_ARG);
  CHECK(sdk::put_affine(sink, codes(true, -5, 0), {}, {0}, {1}).code() == DETENT_E_INVALID_ARG);
  detent_qspec half = codes(true, -127, 127);
  half.scale_dtype = DETENT_F16;
  CHECK(sdk::put_affine(sink, half, {}, {0}, {1}).code() == DETENT_E_UNSUPPORTED);
}

#ifdef DETENT_TEST_KERNELS
TEST_CASE("choose_affine has the bits of the built-in kernels", "[sdk]") {
  const double values[] = {
      0,   1e-45, 1e-40, 1.2e-38, 1e-20, 0.1,   0.3,     1,
      2.5, 127.5, 1e10,  3e38,    1e39,  1e300, DBL_MAX, std::numeric_limits<double>::infinity()};
  for (const bool symmetric : {false, true})
    for (const auto& [qmin, qmax] : {std::pair(-128, 127), std::pair(-127, 127), std::pair(0, 255),
                                     std::pair(-8, 7), std::pair(0, 15)})
      for (const double a : values)
        for (const double b : values) {
          CAPTURE(symmetric, qmin, qmax, a, b);
          const auto ours = sdk::choose_affine(-a, b, codes(symmetric, qmin, qmax));
          const auto theirs = detent::kernels::choose_affine(-a, b, {qmin, qmax}, symmetric);
          CHECK(ours.scale == theirs.scale);
          CHECK(ours.zero_point == theirs.zero_point);
        }
}

TEST_CASE("choose_affine has the bits of the built-in kernels under every rule", "[sdk]") {
  const double values[] = {0, 1e-45, 1.2e-38, 1e-8, 0.1, 0.3, 1, 2.5, 127.5, 3e38, 1e300, DBL_MAX};
  for (uint64_t rules = 0; rules <= DETENT_AFFINE_ALL; ++rules)
    for (const double least : {0.0, 1.1920928955078125e-07})
      for (const bool symmetric : {false, true})
        for (const auto& [qmin, qmax] :
             {std::pair(-128, 127), std::pair(-127, 127), std::pair(0, 255), std::pair(-8, 7)})
          for (const double a : values)
            for (const double b : values) {
              CAPTURE(rules, least, symmetric, qmin, qmax, a, b);
              detent_qspec q = codes(symmetric, qmin, qmax);
              q.affine_rules = rules;
              q.min_scale = least;
              const auto ours = sdk::choose_affine(-a, b, q);
              const auto theirs = detent::kernels::choose_affine(
                  -a, b, {qmin, qmax}, symmetric,
                  {(rules & 1) != 0, (rules & 2) != 0, (rules & 4) != 0, (rules & 8) != 0, least});
              REQUIRE(ours.scale == theirs.scale);
              REQUIRE(ours.zero_point == theirs.zero_point);
            }
}
#endif
