// SPDX-License-Identifier: Apache-2.0
// One answer whatever the order, the threads and the parts; exact counts; constant memory.
#include <algorithm>
#include <malloc.h>
#include <set>

#include "plugins/all_observers.hpp"
#include "plugins/quantizers/quantizing.hpp"
#include "support/catch.hpp"
#include "support/sha256.hpp"

namespace detent::test {
namespace {

Tensor batch_of(std::size_t n, unsigned seed, float scale) {
  auto values = random_weights(n, seed);
  for (float& v : values) v *= scale;
  return Tensor::of({static_cast<std::int64_t>(n)}, values);
}

// From 1 to 10^4; the first is large enough for several tasks of a pool.
std::vector<Tensor> growing_batches() {
  return {batch_of(140000, 1, 1), batch_of(700, 2, 10), batch_of(1, 3, 100),
          batch_of(5000, 4, 1000), batch_of(300, 5, 10000)};
}

std::string hash_of(const Observer& observer, const detent_qspec& spec) {
  const std::string all = observer.save() + parameters_of(observer, spec);
  return sha256_hex(std::vector<std::uint8_t>(all.begin(), all.end()));
}

std::vector<Tensor> in_order(const std::vector<Tensor>& batches,
                             const std::vector<std::size_t>& order) {
  std::vector<Tensor> out;
  for (const std::size_t i : order) out.push_back(batches[i]);
  return out;
}

// On one thread, on two, and as two halves that are merged.
void add_hashes(const ObserverKind& kind, const std::vector<Tensor>& batches,
                const detent_qspec& spec, std::set<std::string>& hashes) {
  hashes.insert(hash_of(saw(kind, batches, spec), spec));
  hashes.insert(hash_of(saw(kind, batches, spec, Order::two_threads), spec));
  const auto half = batches.begin() + static_cast<std::ptrdiff_t>(batches.size() / 2);
  Observer left = saw(kind, {batches.begin(), half}, spec);
  left.merge(saw(kind, {half, batches.end()}, spec));
  hashes.insert(hash_of(left, spec));
}

// Of the process, as malloc counts it; 0 where a sanitizer has its own.
std::size_t bytes_in_use() { return mallinfo2().uordblks; }

}  // namespace

TEST_CASE(
    "Five batches growing to 10^4 have one hash in all 120 orders, on 1 and 2 threads, merged",
    "[plugins]") {
  const std::vector<Tensor> batches = growing_batches();
  for (const ObserverKind& kind : merging_observers()) {
    std::set<std::string> hashes;
    std::vector<std::size_t> order = {0, 1, 2, 3, 4};
    std::size_t orders = 0;
    do {
      add_hashes(kind, in_order(batches, order), qspec(), hashes);
      ++orders;
    } while (std::next_permutation(order.begin(), order.end()));
    INFO(kind.name);
    CHECK(orders == 120);
    CHECK(hashes.size() == 1);
  }
}

TEST_CASE("The hash is one per channel and per group too", "[plugins]") {
  std::vector<Tensor> batches;
  for (unsigned i = 0; i < 3; ++i) {
    auto values = random_weights(4 * 6 * 5, i);
    for (float& v : values) v *= i == 0 ? 1.0F : 300.0F * static_cast<float>(i);
    batches.push_back(Tensor::of({4, 6, 5}, values));
  }
  for (const ObserverKind& kind : merging_observers())
    for (const detent_qspec& spec :
         {per_channel(qspec(), 1), per_channel(qspec(-127, 127, true), 0), per_group(qspec(), 7)}) {
      std::set<std::string> hashes;
      std::vector<std::size_t> order = {0, 1, 2};
      do add_hashes(kind, in_order(batches, order), spec, hashes);
      while (std::next_permutation(order.begin(), order.end()));
      INFO(kind.name);
      CHECK(hashes.size() == 1);
    }
}

TEST_CASE("ema depends on the order, as its definition says", "[plugins]") {
  const std::vector<Tensor> batches = growing_batches();
  const ObserverKind& ema = all_observers()[1];
  CHECK(saw(ema, in_order(batches, {0, 1, 2, 3, 4})).save() !=
        saw(ema, in_order(batches, {4, 3, 2, 1, 0})).save());
  CHECK(saw(ema, batches, qspec(), Order::two_threads).save() == saw(ema, batches).save());
}

TEST_CASE("More than 2^24 equal values in one batch are counted one by one", "[plugins]") {
  constexpr std::int64_t kMany = (std::int64_t{1} << 24) + 3;
  const Tensor repeated = Tensor::of<float>({1}, {0.75F}).strided({kMany}, {0});
  for (const ObserverKind& kind : merging_observers()) {
    INFO(kind.name);
    Observer observer = saw(kind, {repeated, Tensor::of<float>({2}, {0.75F, 2.0F})});
    const Results counts = observer.stat("stat:counts/1");
    CHECK(counts.values<std::int64_t>("observed")[0] == kMany + 2);
    if (kind.plugin != "histogram") continue;
    const auto bins = observer.stat("stat:histogram/1").values<std::uint64_t>("counts");
    CHECK(bins[0] == static_cast<std::uint64_t>(kMany) + 1);
  }
}

// By doubling: a value merged 33 times with a copy of the state.
TEST_CASE("Beyond 2^32 values in one bin every further one still counts", "[plugins]") {
  const Tensor one = Tensor::of<float>({1}, {0.75F});
  for (const ObserverKind& kind : merging_observers()) {
    INFO(kind.name);
    Observer observer = saw(kind, {one});
    for (int i = 0; i < 33; ++i) {
      Observer copy = fresh(kind);
      copy.load(observer.save());
      observer.merge(copy);
    }
    observer.observe(one);
    observer.observe(Tensor::of<float>({1}, {-300.0F}));
    observer.observe(one);
    const auto total = static_cast<std::int64_t>((std::uint64_t{1} << 33) + 3);
    CHECK(observer.stat("stat:counts/1").values<std::int64_t>("observed")[0] == total);
    if (kind.plugin != "histogram") continue;
    const auto bins = observer.stat("stat:histogram/1").values<std::uint64_t>("counts");
    CHECK(*std::max_element(bins.begin(), bins.end()) == (std::uint64_t{1} << 33) + 2);
    CHECK(observer.qparams().values<float>("scale")[0] > 0);
  }
}

TEST_CASE("State and memory stay the same size while the data grow by 60 decades", "[plugins]") {
  for (const ObserverKind& kind : all_observers()) {
    INFO(kind.name);
    Observer observer = fresh(kind);
    std::size_t largest = 0, in_use = 0;
    float scale = 1e-30F;
    for (unsigned decade = 0; decade <= 60; ++decade, scale *= 10) {
      for (unsigned i = 0; i < 5; ++i) observer.observe(batch_of(3000, decade * 5 + i, scale));
      largest = std::max(largest, observer.save().size());
      if (decade == 2) in_use = bytes_in_use();
    }
    CHECK(largest <= (kind.plugin == "histogram" ? 2048 * 8 + 100 : 100));
    CHECK(bytes_in_use() <= in_use + 2 * 2048 * 8);
  }
}

}  // namespace detent::test
