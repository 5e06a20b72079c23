// SPDX-License-Identifier: Apache-2.0
// Merging, splitting, shuffling and saving: one state for one set of values, byte for byte.
#include <algorithm>
#include <iterator>
#include <list>
#include <numeric>

#include "plugins/all_observers.hpp"
#include "support/property.hpp"

namespace detent::test {
namespace {

// A way of cutting tensors into slots, and the shape that all batches share for it.
struct Slotting {
  detent_qspec spec;
  Shape shape;
};

Slotting any_slotting() {
  const std::int64_t rows = *rc::gen::inRange(1, 4);
  const std::int64_t columns = *rc::gen::inRange(1, 8);
  const detent_qspec spec = *rc::gen::element(0, 1, 2, 3) == 0
                                ? qspec()
                                : *rc::gen::element(per_channel(qspec(), 0),
                                                    per_channel(qspec(), 1), per_group(qspec(), 3));
  return {spec, {rows, columns}};
}

Tensor any_batch(const Shape& shape) {
  const auto n = static_cast<std::size_t>(shape[0] * shape[1]);
  if (*rc::gen::inRange(0, 2) == 0)
    return Tensor::of(shape, *rc::gen::container<std::vector<float>>(n, any_float()));
  return Tensor::of(shape, layer_values(n));
}

std::vector<Tensor> any_batches(const Shape& shape, int at_least, int at_most) {
  std::vector<Tensor> batches;
  for (int n = *rc::gen::inRange(at_least, at_most + 1); n > 0; --n)
    batches.push_back(any_batch(shape));
  return batches;
}

std::vector<std::size_t> any_order(std::size_t n) {
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (std::size_t i = n; i > 1; --i)
    std::swap(order[i - 1], order[*rc::gen::inRange(std::size_t{0}, i)]);
  return order;
}

std::vector<Tensor> shuffled(const std::vector<Tensor>& batches) {
  std::vector<Tensor> out;
  for (const std::size_t i : any_order(batches.size())) out.push_back(batches[i]);
  return out;
}

Observer sum(const ObserverKind& kind, const Slotting& slotting, const Observer& a,
             const Observer& b) {
  Observer out = fresh(kind, slotting.spec);
  out.load(a.save());
  out.merge(b);
  return out;
}

}  // namespace

TEST_CASE("Merging is associative and commutative, and a fresh observer is its zero",
          "[properties]") {
  for (const ObserverKind& kind : merging_observers())
    property(kind.name, [&] {
      const Slotting s = any_slotting();
      const Observer a = saw(kind, any_batches(s.shape, 0, 2), s.spec);
      const Observer b = saw(kind, any_batches(s.shape, 0, 2), s.spec);
      const Observer c = saw(kind, any_batches(s.shape, 0, 2), s.spec);
      const Observer none = fresh(kind, s.spec);
      RC_ASSERT(sum(kind, s, a, b).save() == sum(kind, s, b, a).save());
      RC_ASSERT(sum(kind, s, sum(kind, s, a, b), c).save() ==
                sum(kind, s, a, sum(kind, s, b, c)).save());
      RC_ASSERT(sum(kind, s, none, a).save() == a.save());
      RC_ASSERT(sum(kind, s, a, none).save() == a.save());
    });
}

TEST_CASE("Batches in any order, in any parts, merged in any order give the state of the whole",
          "[properties]") {
  for (const ObserverKind& kind : merging_observers())
    property(kind.name, [&] {
      const Slotting s = any_slotting();
      const std::vector<Tensor> batches = any_batches(s.shape, 1, 7);
      const Observer whole = saw(kind, batches, s.spec);
      std::list<Observer> parts;
      const auto any_part = [&] {
        return std::next(parts.begin(), *rc::gen::inRange<std::ptrdiff_t>(0, std::ssize(parts)));
      };
      for (int n = *rc::gen::inRange(1, 4); n > 0; --n) parts.push_back(fresh(kind, s.spec));
      for (const Tensor& batch : shuffled(batches)) any_part()->observe(batch);
      while (parts.size() > 1) {
        const auto into = any_part();
        const auto from = into == parts.begin() ? std::prev(parts.end()) : std::prev(into);
        into->merge(*from);
        parts.erase(from);
      }
      RC_ASSERT(parts.front().save() == whole.save());
      RC_ASSERT(parameters_of(parts.front(), s.spec) == parameters_of(whole, s.spec));
    });
}

TEST_CASE("The values of a tensor give one state however they are cut into batches",
          "[properties]") {
  for (const ObserverKind& kind : merging_observers())
    property(kind.name, [&] {
      const auto n = *rc::gen::inRange(std::size_t{1}, std::size_t{60});
      const auto values = *rc::gen::container<std::vector<float>>(n, any_float());
      const auto batch = [](auto from, auto to) {
        const std::vector<float> part(from, to);
        return Tensor::of({static_cast<std::int64_t>(part.size())}, part);
      };
      std::vector<Tensor> parts;
      for (auto from = values.begin(); from != values.end();) {
        const auto to = from + *rc::gen::inRange<std::ptrdiff_t>(1, values.end() - from + 1);
        parts.push_back(batch(from, to));
        from = to;
      }
      RC_ASSERT(saw(kind, shuffled(parts)).save() ==
                saw(kind, {batch(values.begin(), values.end())}).save());
    });
}

TEST_CASE("Observers go on from a loaded state as if nothing had happened", "[properties]") {
  for (const ObserverKind& kind : all_observers())
    property(kind.name, [&] {
      const Slotting s = any_slotting();
      Observer saved = saw(kind, any_batches(s.shape, 0, 3), s.spec);
      Observer loaded = saw(kind, any_batches(s.shape, 0, 1), s.spec);  // overwritten
      loaded.load(saved.save());
      RC_ASSERT(loaded.save() == saved.save());
      RC_ASSERT(parameters_of(loaded, s.spec) == parameters_of(saved, s.spec));
      const Tensor more = any_batch(s.shape);
      loaded.observe(more);
      saved.observe(more);
      RC_ASSERT(loaded.save() == saved.save());
      saved.reset();
      RC_ASSERT(saved.save() == fresh(kind, s.spec).save());
    });
}

TEST_CASE("No values whatever give a scale or a zero point that a tensor cannot have",
          "[properties]") {
  for (const ObserverKind& kind : all_observers())
    property(kind.name, [&] {
      Slotting s = any_slotting();
      s.spec.symmetric = *rc::gen::inRange(0, 2) == 0 ? 0 : 1;
      const Observer seen = saw(kind, any_batches(s.shape, 1, 3), s.spec);
      Results results;
      const std::int32_t status = seen.try_qparams(s.spec, results);
      if (status == DETENT_E_NOT_READY) return;  // nothing was finite
      RC_ASSERT(status == DETENT_OK);
      for (const float scale : results.values<float>("scale"))
        RC_ASSERT(std::isfinite(scale) && scale >= std::numeric_limits<float>::min());
      for (const std::int64_t zero : zero_points_of(results))
        RC_ASSERT(zero >= s.spec.qmin && zero <= s.spec.qmax);
    });
}

}  // namespace detent::test
