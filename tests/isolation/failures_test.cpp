// SPDX-License-Identifier: Apache-2.0
// Fifteen things that a plugin must not do, in each of its kinds: the run ends with an error that
// names it and what it did, and leaves everything as it was.
#include <chrono>

#include "isolation/job.hpp"
#include "support/catch.hpp"

namespace detent::test {
namespace {

using Clock = std::chrono::steady_clock;

// A call may take a second, and memory is scarce: what hangs or eats ends soon.
constexpr const char* kShort = R"("plugin_timeout": 1, "plugin_memory": 268435456, "threads": 2)";

struct Case {
  std::string what;
  std::string said;  // in the message
};

// Whoever does these, wherever.
const std::vector<Case>& harms() {
  static const std::vector<Case> all = {
      {"segfault", "killed by signal 11 (SIGSEGV)"},
      {"abort", "killed by signal 6 (SIGABRT)"},
      {"exit", "ended its process with status 3"},
      {"hang", "gave no answer"},
      {"spin", "gave no answer"},
      {"status", "4242"},
      {"fork", "tried to start a process"},
      {"file", "forbidden"},
      {"kill", "tried to send a signal to a process"},
      {"write_input", "killed by signal 11 (SIGSEGV)"},
  };
  return all;
}

const std::vector<Case>& wrong_answers() {
  static const std::vector<Case> all = {
      {"write_past", "killed by signal 11 (SIGSEGV)"},
      {"write_far", "killed by signal 11 (SIGSEGV)"},
      {"nan_scales", "scale"},
      {"zero_scales", "scale"},
      {"wrong_shape", "broke its contract"},
  };
  return all;
}

void check_failure(const std::string& kind, const Case& c, const char* on = "",
                   const char* runtime = kShort) {
  const HostileJob job(kind, {c.what, on}, runtime);
  const Outcome outcome = job.run();
  INFO(kind << " " << c.what << ": " << outcome.err);
  CHECK(outcome.exit_code == 6);
  CHECK(outcome.err.find(kind + " \"hostile." + kind + "\"") != std::string::npos);
  CHECK(outcome.err.find(c.said) != std::string::npos);
  CHECK(job.is_untouched());
  CHECK(job.left_behind().empty());
}

}  // namespace

TEST_CASE("an observer that does harm ends the run with its name and what it did", "[isolation]") {
  for (const Case& c : harms()) check_failure("observer", c);
}

TEST_CASE("a quantizer that does harm ends the run with its name and what it did", "[isolation]") {
  for (const Case& c : harms()) check_failure("quantizer", c);
}

TEST_CASE("a serializer that does harm ends the run with its name and what it did", "[isolation]") {
  for (const Case& c : harms()) check_failure("serializer", c);
}

TEST_CASE("a validator that does harm ends the run with its name and what it did", "[isolation]") {
  for (const Case& c : harms()) check_failure("validator", c);
}

TEST_CASE("an observer that answers wrongly ends the run", "[isolation]") {
  for (const Case& c : wrong_answers()) check_failure("observer", c);
}

TEST_CASE("a quantizer that answers wrongly ends the run", "[isolation]") {
  for (const Case& c : wrong_answers()) check_failure("quantizer", c);
}

TEST_CASE("a few bytes behind a result are noticed when no page ends there", "[isolation]") {
  check_failure("observer", {"write_past", "wrote behind the end of its result"}, "lm_head");
}

TEST_CASE("a plugin that eats memory gets no more than it may use", "[isolation]") {
  constexpr const char* kPatient = R"("plugin_timeout": 100, "plugin_memory": 268435456)";
  for (const char* kind : {"observer", "quantizer", "serializer", "validator"})
    check_failure(kind, {"memory", "ran out of memory"}, "", kPatient);
}

TEST_CASE("a plugin that crashes in any operation is named with that operation", "[isolation]") {
  const std::vector<std::pair<std::string, std::vector<std::string>>> all = {
      {"observer", {"observe", "compute_qparams"}},
      {"quantizer", {"plan", "quantize", "dequantize"}},
      {"serializer", {"begin", "add_tensor", "finish"}},
      {"validator", {"check"}}};
  for (const auto& [kind, operations] : all)
    for (const std::string& operation : operations) {
      const HostileJob job(kind, {"segfault", "", operation}, kShort);
      const Outcome outcome = job.run();
      INFO(kind << " in " << operation << ": " << outcome.err);
      CHECK(outcome.exit_code == 6);
      CHECK(outcome.err.find("SIGSEGV) in " + operation) != std::string::npos);
      CHECK(job.is_untouched());
    }
}

TEST_CASE("a plugin that hangs is ended when its time is over, and not much later", "[isolation]") {
  const HostileJob job("quantizer", {"hang"}, kShort);
  const auto start = Clock::now();
  CHECK(job.run().exit_code == 6);
  CHECK(Clock::now() - start < std::chrono::seconds(20));
}

TEST_CASE("hostile plugins that do nothing wrong write what they are to write", "[isolation]") {
  for (const char* kind : {"observer", "quantizer", "serializer", "validator"}) {
    const HostileJob job(kind, {""}, kShort);
    const Outcome outcome = job.run();
    INFO(kind << ": " << outcome.err);
    CHECK(outcome.exit_code == 0);
    CHECK(!job.is_untouched());
    CHECK(job.left_behind().empty());
  }
}

}  // namespace detent::test
