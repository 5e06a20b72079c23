// SPDX-License-Identifier: Apache-2.0
// ObserverUnderTest: one instance, driven through its C table. Targets: what observers are made
// for.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "conformance/exchange.hpp"
#include "conformance/input.hpp"
#include "conformance/subject.hpp"
#include "conformance/world.hpp"

namespace detent::conformance {

struct Target {
  const char* name;  // "one symmetric range for a channel"
  detent_qspec spec;
};

// One for each granularity that observers know, symmetric and not.
std::span<const Target> all_targets();
// The shape of "scale" for a tensor.
Shape scale_shape(const detent_qspec& target, const Shape& tensor);
// Which entry of "scale" each element belongs to, in row-major order.
std::vector<std::size_t> scale_index(const detent_qspec& target, const Shape& tensor);

class ObserverUnderTest {
 public:
  // Errors  Failure when create refuses with anything but DETENT_E_UNSUPPORTED
  ObserverUnderTest(Subject& subject, World& world, const Target& target);
  ~ObserverUnderTest();
  ObserverUnderTest(const ObserverUnderTest&) = delete;
  ObserverUnderTest& operator=(const ObserverUnderTest&) = delete;

  bool made() const { return handle_ != nullptr; }  // false: this target is not supported
  const detent_observer_vtbl& vtbl() const { return vtbl_; }
  detent_observer* handle() const { return handle_; }
  const Target& target() const { return target_; }

  std::int32_t try_observe(const detent_tensor& x);
  void observe(const detent_tensor& x);
  void reset();
  bool can_merge() const { return DETENT_HAS(&vtbl_, detent_observer_vtbl, merge); }
  void merge(const ObserverUnderTest& other);
  std::string save(std::uint64_t step = UINT64_MAX);
  std::int32_t load(const std::string& bytes, std::uint64_t step = UINT64_MAX);

  // What it says: "scale" and the like of compute_qparams, every statistic as "stat:x/1 name".
  // Nothing for what it has no data for or does not choose. Errors: Failure for any other refusal.
  Answers ask();
  Answers qparams();  // empty when it chooses no range
  std::int32_t try_qparams(Answers* answers = nullptr);
  Answers stat(const std::string& id);
  bool has_stats() const { return DETENT_HAS(&vtbl_, detent_observer_vtbl, compute_stat); }

 private:
  Subject& subject_;
  World& world_;
  const Target& target_;
  const detent_observer_vtbl& vtbl_;
  std::unique_ptr<Configuration> configuration_;
  detent_observer* handle_ = nullptr;
};

// Does it observe more than one tensor? One that searches the values of a weight may not: it
// refuses the second with a text.
bool takes_batches(Subject& subject, const Target& target);

// Does f(target) for each target that the plugin makes an observer for.
//
// Errors  Failure when it makes none for any, and those of f, with the name of the target before
template <class F>
void for_each_target(Subject& subject, F&& f) {
  unsigned made = 0;
  for (const Target& target : all_targets()) {
    World world;
    if (!ObserverUnderTest(subject, world, target).made()) continue;
    ++made;
    try {
      f(target);
    } catch (Failure& failure) {
      failure.message = std::string(target.name) + ": " + failure.message;
      throw;
    }
  }
  expect(made != 0, "create refuses every target that the check has");
}

}  // namespace detent::conformance
