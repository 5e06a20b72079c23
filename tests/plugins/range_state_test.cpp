// SPDX-License-Identifier: Apache-2.0
// What minmax and ema share: states that are saved, loaded, or forged.
#include <cmath>
#include <limits>
#include <random>

#include "support/catch.hpp"
#include "support/forged_state.hpp"
#include "support/mini_host.hpp"

namespace detent::test {
namespace {

const detent_plugin& plugin(const std::string& id) { return Library::built_in(id).plugin(id); }

std::vector<detent_qspec> all_specs() {
  return {qspec(), per_channel(qspec(), 1), per_group(qspec(), 2)};
}

Tensor batch() {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  return Tensor::of<float>({2, 3}, {1, nan, -3, 4, nan, 6});
}

// The per-tensor state: started u32, ndim u32, finite u64, non_finite u64, n u64, lo f64, hi f64.
constexpr std::size_t kStarted = 0, kNdim = 4, kFinite = 8, kCount = 24, kLo = 32, kHi = 40;

}  // namespace

TEST_CASE("range observers save, load and save the same bytes", "[plugins][observers]") {
  for (const char* const id : {"minmax", "ema"})
    for (const detent_qspec& spec : all_specs()) {
      Observer saved(plugin(id), {}, spec);
      Observer loaded(plugin(id), {}, spec);
      const std::string fresh = saved.save();
      loaded.load(fresh);
      CHECK(loaded.save() == fresh);
      saved.observe(batch());
      loaded.load(saved.save());
      CHECK(loaded.save() == saved.save());
      saved.observe(batch());
      loaded.observe(batch());
      CHECK(loaded.save() == saved.save());
      saved.reset();
      CHECK(saved.save() == fresh);
    }
}

TEST_CASE("range observers refuse every truncated and every longer state", "[plugins][observers]") {
  for (const char* const id : {"minmax", "ema"})
    for (const detent_qspec& spec : all_specs()) {
      Observer observer(plugin(id), {}, spec);
      const std::string fresh = observer.save();
      observer.observe(batch());
      const std::string whole = observer.save();
      for (std::size_t n = 0; n < whole.size(); ++n)
        check_refused(observer, whole.substr(0, n), fresh);
      check_refused(observer, whole + '\0', fresh);
    }
}

TEST_CASE("range observers refuse a state of another granularity", "[plugins][observers]") {
  for (const detent_qspec& from : all_specs())
    for (const detent_qspec& to : all_specs()) {
      if (from.granularity == to.granularity) continue;
      Observer saved(plugin("minmax"), {}, from);
      Observer loading(plugin("minmax"), {}, to);
      saved.observe(batch());
      const std::string fresh = loading.save();
      check_refused(loading, saved.save(), fresh);
    }
}

TEST_CASE("range observers refuse forged states", "[plugins][observers]") {
  const double nan = std::nan("");
  Observer observer(plugin("minmax"), {}, qspec());
  const std::string fresh = observer.save();
  observer.observe(batch());
  const std::string good = observer.save();
  REQUIRE(good.size() == kHi + 8);
  for (const std::string& bad :
       {with(good, kStarted, 2U), with(good, kStarted, 0U), with(good, kNdim, 1U),
        with(good, kNdim, UINT32_MAX), with(good, kFinite, std::uint64_t{0}),
        with(good, kFinite, UINT64_MAX), with(good, kCount, UINT64_MAX),
        with(good, kCount, std::uint64_t{0}), with(good, kCount, std::uint64_t{1} << 60),
        with(good, kLo, nan), with(good, kHi, nan), with(good, kHi, HUGE_VAL),
        with(good, kLo, -HUGE_VAL), with(good, kLo, 7.0),
        with(with(good, kLo, HUGE_VAL), kHi, -HUGE_VAL)})
    check_refused(observer, bad, fresh);
  observer.load(good);
  CHECK(observer.save() == good);
}

TEST_CASE("range observers refuse extents that lie or overflow", "[plugins][observers]") {
  Observer observer(plugin("minmax"), {}, per_group(qspec(), 2));
  const std::string fresh = observer.save();
  observer.observe(batch());
  const std::string good = observer.save();
  for (const std::int64_t rows :
       {std::int64_t{0}, std::int64_t{-1}, std::int64_t{3}, INT64_MAX, std::int64_t{1} << 40})
    check_refused(observer, with(good, 8, rows), fresh);
  // Two products that overflow 64 bits: to 0, and to the 4 that are really there, since
  // 2^64 + 4 = (2^32 + 2^17 + 2) * (2^32 - 2^17 + 2).
  const std::int64_t big = std::int64_t{1} << 32;
  const std::int64_t off = std::int64_t{1} << 17;
  check_refused(observer, with(with(good, 8, big), 16, big), fresh);
  check_refused(observer, with(with(good, 8, big + off + 2), 16, big - off + 2), fresh);
}

TEST_CASE("range observers survive random bytes in a state", "[plugins][observers]") {
  std::mt19937 random(99);
  Observer observer(plugin("ema"), {}, per_channel(qspec(), 1));
  observer.observe(batch());
  const std::string good = observer.save();
  for (int i = 0; i < 3000; ++i) {
    std::string bytes = good;
    for (unsigned k = 0; k <= random() % 3; ++k)
      bytes[random() % bytes.size()] = static_cast<char>(random());
    const std::int32_t status = observer.try_load(bytes);
    REQUIRE((status == DETENT_OK || status == DETENT_E_BAD_STATE));
    if (status != DETENT_OK) continue;
    Results out;
    const std::int32_t computed = observer.try_qparams(per_channel(qspec(), 1), out);
    REQUIRE((computed == DETENT_OK || computed == DETENT_E_NOT_READY));
  }
}

}  // namespace detent::test
