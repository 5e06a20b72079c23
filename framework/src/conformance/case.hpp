// SPDX-License-Identifier: Apache-2.0
// Case: one rule of the ABI and the function that puts a plugin to the test.
#pragma once
#include <cstdint>
#include <detent/abi.h>
#include <fmt/format.h>
#include <span>
#include <string>
#include <utility>

namespace detent::conformance {

class Subject;

// Whom a case concerns: the library as a whole, or plugins of these kinds.
inline constexpr unsigned kLibrary = 1;
inline constexpr unsigned kObserver = 1U << DETENT_KIND_OBSERVER;
inline constexpr unsigned kQuantizer = 1U << DETENT_KIND_QUANTIZER;
inline constexpr unsigned kSerializer = 1U << DETENT_KIND_SERIALIZER;
inline constexpr unsigned kValidator = 1U << DETENT_KIND_VALIDATOR;
inline constexpr unsigned kEveryPlugin = kObserver | kQuantizer | kSerializer | kValidator;

struct Case {
  const char* name;  // "observer.merge_equals_whole"
  unsigned concerns;
  const char* rule;  // one sentence, and where it stands: "R6", "abi/observer.h, merge"
  const char* hint;  // what to do when it fails, where the failure does not know better
  // Passes by returning; throws Failure or Skip. What it returns is worth knowing even so.
  std::string (*run)(Subject&);
};

// The rule was broken: what was expected and what was found instead.
struct Failure {
  std::string message;
  std::string hint = {};  // in place of the case's
};

// The rule does not concern this plugin, because of `reason`.
struct Skip {
  std::string reason;
};

template <class... Args>
[[noreturn]] void fail(fmt::format_string<Args...> text, Args&&... args) {
  throw Failure{fmt::format(text, std::forward<Args>(args)...)};
}

template <class... Args>
void expect(bool holds, fmt::format_string<Args...> text, Args&&... args) {
  if (!holds) throw Failure{fmt::format(text, std::forward<Args>(args)...)};
}

// All of them, in the order in which they are run and listed.
std::span<const Case> library_cases();
std::span<const Case> descriptor_cases();
std::span<const Case> parameter_cases();
std::span<const Case> observer_cases();
std::span<const Case> observer_input_cases();
std::span<const Case> observer_merge_cases();
std::span<const Case> observer_state_cases();
std::span<const Case> observer_stat_cases();
std::span<const Case> quantizer_cases();
std::span<const Case> quantizer_rule_cases();
std::span<const Case> serializer_cases();
std::span<const Case> serializer_fault_cases();
std::span<const Case> serializer_reading_cases();
std::span<const Case> validator_cases();
std::span<const Case> validator_fault_cases();

}  // namespace detent::conformance
