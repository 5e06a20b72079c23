// SPDX-License-Identifier: Apache-2.0
// States of the histogram observer that come from a file are hostile.
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/forged_state.hpp"
#include "support/mini_host.hpp"

namespace detent::test {
namespace {

Observer make(const detent_qspec& spec = qspec(), const Params& params = {{"/bins", 16}}) {
  return Observer(Library::built_in("histogram").plugin("histogram"), params, spec);
}

std::string state_of(const detent_qspec& spec) {
  Observer observer = make(spec);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  observer.observe(Tensor::of<float>({2, 5}, {1, -3, 4.5F, nan, 2, nan, nan, nan, nan, nan}));
  return observer.save();
}

// The per-tensor state: u32 started, u32 ndim, i64 bins, u64 finite, u64 non_finite,
// f64 lo, f64 hi, i64 exponent, i64 first, u64 n, counts.
constexpr std::size_t kStarted = 0, kNdim = 4, kBins = 8, kFinite = 16, kLo = 32, kHi = 40,
                      kExponent = 48, kFirst = 56, kSize = 64, kCounts = 72;

void check_refused(const std::string& bytes, const detent_qspec& spec = qspec()) {
  Observer observer = make(spec);
  const std::string fresh = observer.save();
  observer.observe(Tensor::of<float>({2, 5}, std::vector<float>(10, 1.0F)));
  check_refused(observer, bytes, fresh);
}

}  // namespace

TEST_CASE("A histogram state is loaded and saved again byte for byte", "[plugins]") {
  for (const detent_qspec& spec :
       {qspec(), per_channel(qspec(), 0), per_channel(qspec(), 1), per_group(qspec(), 3)}) {
    const std::string bytes = state_of(spec);
    Observer observer = make(spec);
    observer.load(bytes);
    CHECK(observer.save() == bytes);
    const std::string fresh = make(spec).save();
    observer.load(fresh);
    CHECK(observer.save() == fresh);
  }
}

TEST_CASE("A histogram state that is cut or lengthened anywhere is refused", "[plugins]") {
  for (const detent_qspec& spec : {qspec(), per_channel(qspec(), 0), per_group(qspec(), 3)}) {
    const std::string bytes = state_of(spec);
    for (std::size_t n = 0; n < bytes.size(); ++n) check_refused(bytes.substr(0, n), spec);
    check_refused(bytes + '\0', spec);
  }
}

TEST_CASE("A flipped bit in a histogram state is refused or makes another valid state",
          "[plugins]") {
  for (const detent_qspec& spec : {qspec(), per_channel(qspec(), 0)}) {
    const std::string bytes = state_of(spec);
    int taken = 0;
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
      std::string flipped = bytes;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
      Observer observer = make(spec);
      const std::int32_t status = observer.try_load(flipped);
      if (status != DETENT_OK) {
        CHECK(status == DETENT_E_BAD_STATE);
        continue;
      }
      ++taken;
      CHECK(observer.save() == flipped);
      CHECK(std::isfinite(observer.qparams().values<float>("scale")[0]));
    }
    CHECK(taken > 0);  // low bits of the minimum and the count of non-finite values
    CHECK(taken < 200);
  }
}

TEST_CASE("A histogram state that lies about itself is refused", "[plugins]") {
  const std::string good = state_of(qspec());
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double inf = std::numeric_limits<double>::infinity();
  check_refused(with(good, kStarted, std::uint32_t{2}));
  check_refused(with(good, kStarted, std::uint32_t{0}));
  check_refused(with(good, kNdim, std::uint32_t{1}));
  check_refused(with(good, kBins, std::int64_t{2048}));
  check_refused(with(good, kBins, std::int64_t{0}));
  check_refused(with(good, kFinite, std::uint64_t{5}));
  check_refused(with(good, kFinite, ~std::uint64_t{0}));
  for (const double end : {nan, inf, -inf, 1e300, -0.0}) {
    check_refused(with(good, kLo, end));
    check_refused(with(good, kHi, end));
  }
  for (const std::int64_t exponent : {-2, 5, -1075, 1025, 1 << 30})
    check_refused(with(good, kExponent, exponent));
  for (const std::int64_t first : {std::int64_t{0}, INT64_MIN, INT64_MAX})
    check_refused(with(good, kFirst, first));
  for (const std::uint64_t n : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{17},
                                ~std::uint64_t{0}, std::uint64_t{1} << 61})
    check_refused(with(good, kSize, n));
  check_refused(with(good, kCounts, std::uint64_t{0}));   // the minimum's bin is empty
  check_refused(with(good, kCounts, std::uint64_t{2}));   // more than were observed
  check_refused(with(good, kCounts, ~std::uint64_t{0}));  // the sum wraps around

  const std::string channels = state_of(per_channel(qspec(), 0));
  constexpr std::size_t kShape = 8;
  for (const std::int64_t extent :
       {std::int64_t{0}, std::int64_t{-1}, std::int64_t{1}, std::int64_t{3}, INT64_MAX})
    check_refused(with(channels, kShape, extent), per_channel(qspec(), 0));
  check_refused(channels);
  check_refused(good, per_channel(qspec(), 0));
}

}  // namespace detent::test
