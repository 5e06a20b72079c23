// SPDX-License-Identifier: Apache-2.0
// What mse and imatrix refuse, and their states: saved, loaded, or forged.
#include <cmath>
#include <limits>

#include "support/catch.hpp"
#include "support/forged_state.hpp"
#include "support/mini_host.hpp"

namespace detent::test {
namespace {

const detent_plugin& plugin(const std::string& id) { return Library::built_in(id).plugin(id); }

const float kNan = std::numeric_limits<float>::quiet_NaN();

std::vector<detent_qspec> all_specs() {
  return {qspec(-8, 7), per_channel(qspec(-8, 7), 1), per_group(qspec(-8, 7, true), 2)};
}

Tensor weight() { return Tensor::of<float>({2, 3}, {1, kNan, -3, 4, kNan, 6}); }

// The per-tensor state: started, symmetric u32, qmin, qmax i32, rule u32, min_scale f64, ndim u32,
// finite, non_finite u64, n u64, lo, hi f64, n u64, chosen lo, hi f64.
constexpr std::size_t kStarted = 0, kSymmetric = 4, kQmin = 8, kRule = 16, kMinScale = 20,
                      kNdim = 28, kFinite = 32, kNonFinite = 40, kCount = 48, kLo = 56, kHi = 64,
                      kChosenCount = 72, kChosenLo = 80, kChosenHi = 88, kEnd = 96;

}  // namespace

TEST_CASE("clip observers save, load and save the same bytes", "[plugins][observers][clip]") {
  for (const char* const id : {"mse", "imatrix"})
    for (const detent_qspec& spec : all_specs()) {
      Observer saved(plugin(id), {}, spec);
      Observer loaded(plugin(id), {}, spec);
      const std::string fresh = saved.save();
      loaded.load(fresh);
      CHECK(loaded.save() == fresh);
      saved.observe(weight());
      loaded.load(saved.save());
      CHECK(loaded.save() == saved.save());
      CHECK(loaded.qparams().values<float>("scale") == saved.qparams().values<float>("scale"));
      saved.reset();
      CHECK(saved.save() == fresh);
    }
}

TEST_CASE("clip observers refuse every truncated and every longer state",
          "[plugins][observers][clip]") {
  for (const detent_qspec& spec : all_specs()) {
    Observer observer(plugin("mse"), {}, spec);
    const std::string fresh = observer.save();
    observer.observe(weight());
    const std::string whole = observer.save();
    for (std::size_t n = 0; n < whole.size(); ++n)
      check_refused(observer, whole.substr(0, n), fresh);
    check_refused(observer, whole + '\0', fresh);
  }
}

TEST_CASE("clip observers refuse states of other codes, mappings and granularities",
          "[plugins][observers][clip]") {
  const std::vector<detent_qspec> specs = {qspec(-8, 7), qspec(-8, 7, true), qspec(-128, 127),
                                           per_channel(qspec(-8, 7), 1),
                                           per_group(qspec(-8, 7), 2)};
  for (std::size_t from = 0; from < specs.size(); ++from)
    for (std::size_t to = 0; to < specs.size(); ++to) {
      if (from == to) continue;
      Observer saved(plugin("mse"), {}, specs[from]);
      Observer loading(plugin("mse"), {}, specs[to]);
      saved.observe(weight());
      const std::string fresh = loading.save();
      check_refused(loading, saved.save(), fresh);
    }
}

TEST_CASE("clip observers refuse forged states", "[plugins][observers][clip]") {
  Observer observer(plugin("mse"), {}, qspec(-8, 7));
  const std::string fresh = observer.save();
  observer.observe(weight());
  const std::string whole = observer.save();
  REQUIRE(whole.size() == kEnd);
  const double inf = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const std::string& forged : {
           with<std::uint32_t>(whole, kStarted, 2),
           with<std::uint32_t>(whole, kStarted, 0),
           with<std::uint32_t>(whole, kSymmetric, 1),
           with<std::int32_t>(whole, kQmin, -7),
           with<std::uint32_t>(whole, kNdim, 1),
           with<std::uint32_t>(whole, kRule, 4),
           with(whole, kMinScale, 1e-3),
           with(whole, kMinScale, nan),
           with<std::uint64_t>(whole, kFinite, 0),
           with(whole, kFinite, ~std::uint64_t{0}),
           with(whole, kNonFinite, ~std::uint64_t{0}),
           with<std::uint64_t>(whole, kCount, 2),
           with(whole, kCount, ~std::uint64_t{0}),
           with(whole, kLo, nan),
           with(whole, kLo, -inf),
           with(whole, kHi, inf),
           with(whole, kHi, -4.0),
           with(whole, kChosenCount, ~std::uint64_t{0}),
           with<std::uint64_t>(whole, kChosenCount, 0),
           with(whole, kChosenLo, -3.5),
           with(whole, kChosenLo, 0.5),
           with(whole, kChosenHi, 6.5),
           with(whole, kChosenHi, -0.5),
           with(whole, kChosenLo, nan),
           with(whole, kChosenHi, nan),
       })
    check_refused(observer, forged, fresh);
}

TEST_CASE("clip observers take one tensor with elements", "[plugins][observers][clip]") {
  for (const char* const id : {"mse", "imatrix"}) {
    Observer observer(plugin(id), {}, qspec(-8, 7));
    CHECK_FALSE(observer.can_merge());
    Results none;
    CHECK(observer.try_qparams(qspec(-8, 7), none) == DETENT_E_NOT_READY);
    observer.observe(Tensor::of<float>({0, 3}, {}));
    observer.observe(weight());
    const std::string state = observer.save();
    observer.observe(Tensor::of<float>({0}, {}));
    CHECK(observer.try_observe(weight().view()) == DETENT_E_INVALID_ARG);
    CHECK(observer.error().find("histogram") != std::string::npos);
    CHECK(observer.error().find("\"mse\"") != std::string::npos);
    CHECK(observer.save() == state);
    observer.reset();
    observer.observe(weight());
    CHECK(observer.save() == state);
  }
}

TEST_CASE("clip observers refuse to observe activations", "[plugins][observers][clip]") {
  for (const char* const id : {"mse", "imatrix"}) {
    Observer(plugin(id), {}, qspec(), Order::forward, DETENT_ROLE_WEIGHT);
    CHECK_THROWS_WITH(Observer(plugin(id), {}, qspec(), Order::forward, DETENT_ROLE_ACTIVATION),
                      Catch::Contains("observes weights") && Catch::Contains("histogram"));
  }
}

TEST_CASE("clip observers refuse another target than the one they searched for",
          "[plugins][observers][clip]") {
  Observer observer(plugin("mse"), {}, qspec(-8, 7));
  observer.observe(weight());
  Results out;
  detent_qspec float32 = qspec(-8, 7);
  float32.affine_rules = DETENT_AFFINE_FLOAT32;
  detent_qspec floored = qspec(-8, 7);
  floored.min_scale = 1e-5;
  for (const detent_qspec& other :
       {qspec(-8, 7, true), qspec(-7, 7), qspec(-8, 8), per_channel(qspec(-8, 7), 0),
        per_group(qspec(-8, 7), 2), float32, floored})
    CHECK(observer.try_qparams(other, out) == DETENT_E_INVALID_ARG);
}

TEST_CASE("clip observers leave out or refuse what is not finite", "[plugins][observers][clip]") {
  Observer ignoring(plugin("mse"), {}, qspec(-8, 7));
  ignoring.observe(weight());
  CHECK(ignoring.stat("stat:minmax/1").values<double>("min") == std::vector<double>{-3});
  CHECK(ignoring.stat("stat:minmax/1").values<double>("max") == std::vector<double>{6});
  CHECK(ignoring.stat("stat:counts/1").values<std::int64_t>("observed")[0] == 4);
  CHECK(ignoring.stat("stat:counts/1").values<std::int64_t>("non_finite")[0] == 2);
  Observer finite(plugin("mse"), {}, qspec(-8, 7));
  finite.observe(Tensor::of<float>({4}, {1, -3, 4, 6}));
  CHECK(ignoring.qparams().values<float>("scale") == finite.qparams().values<float>("scale"));

  Observer refusing(plugin("mse"), {{"/non_finite", "error"}}, qspec(-8, 7));
  const std::string fresh = refusing.save();
  CHECK(refusing.try_observe(weight().view()) == DETENT_E_NUMERIC);
  CHECK(refusing.save() == fresh);
  Observer nothing(plugin("mse"), {}, qspec(-8, 7));
  nothing.observe(Tensor::of<float>({2}, {kNan, kNan}));
  Results out;
  CHECK(nothing.try_qparams(qspec(-8, 7), out) == DETENT_E_NOT_READY);
}

TEST_CASE("imatrix refuses an importance that is none", "[plugins][observers][clip]") {
  Observer observer(plugin("imatrix"), {}, qspec(-8, 7));
  const std::string fresh = observer.save();
  const Tensor x = Tensor::of<float>({2, 2}, {1, 2, 3, 4});
  const auto refused = [&](const Tensor& importance) {
    CHECK(observer.try_observe_weighted(x.view(), importance.view()) == DETENT_E_INVALID_ARG);
    CHECK(observer.save() == fresh);
  };
  refused(Tensor::of<double>({4}, {1, 1, 1, 1}));
  refused(Tensor::of<float>({2, 2}, {1, 1, 1, 1}));
  refused(Tensor::of<double>({2, 2}, {1, 1, 1, -1}));
  refused(Tensor::of<double>({2, 2}, {1, 1, std::nan(""), 1}));
  refused(Tensor::of<double>({2}, {1, HUGE_VAL}).strided({2, 2}, {0, 1}));
  CHECK(Observer(plugin("imatrix"), {}, qspec(-8, 7)).takes_importance());
  CHECK_FALSE(Observer(plugin("mse"), {}, qspec(-8, 7)).takes_importance());
}

TEST_CASE("clip observers check parameters that the host let through",
          "[plugins][observers][clip]") {
  for (const Params& bad :
       {Params{{"/norm", 0.0}}, Params{{"/norm", 9.0}}, Params{{"/norm", std::nan("")}},
        Params{{"/grid", 0}}, Params{{"/grid", 1000000}}, Params{{"/maxshrink", 1.5}},
        Params{{"/maxshrink", -0.1}}, Params{{"/patience", -1}}})
    CHECK_THROWS_WITH(Observer(plugin("mse"), bad, qspec(-8, 7)), Catch::Contains("status 4"));
}

}  // namespace detent::test
