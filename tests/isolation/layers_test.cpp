// SPDX-License-Identifier: Apache-2.0
// "on_plugin_failure": "skip_layer": what failed on a layer costs that layer.
#include <algorithm>
#include <set>

#include "isolation/job.hpp"
#include "support/catch.hpp"

namespace detent::test {
namespace {

constexpr const char* kSkip =
    R"("plugin_timeout": 1, "plugin_memory": 268435456, "threads": 2,
       "on_plugin_failure": "skip_layer")";

std::set<std::string> names(const json::Value& list, const char* key) {
  std::set<std::string> all;
  for (const json::Value& item : *list.if_array())
    all.insert(key == nullptr ? *item.if_string() : text(item, key));
  return all;
}

}  // namespace

TEST_CASE("a layer on which a plugin fails is kept, and the others are quantized", "[isolation]") {
  for (const char* kind : {"observer", "quantizer"})
    for (const char* what : {"segfault", "exit", "hang", "status", "nan_scales", "wrong_shape",
                             "write_past", "fork"}) {
      const HostileJob job(kind, {what, "fc1"}, kSkip);
      const Outcome outcome = job.run();
      INFO(kind << " " << what << ": " << outcome.err);
      REQUIRE(outcome.exit_code == 0);
      const json::Value report = job.report();
      CHECK(names(at(report, "/selected"), nullptr) == std::set<std::string>{"lm_head"});
      const std::set<std::string> skipped = names(at(report, "/skipped"), "/name");
      CHECK(skipped == std::set<std::string>{"", "conv1", "embed", "fc1", "norm"});
      for (const json::Value& item : *at(report, "/skipped").if_array())
        if (text(item, "/name") == "fc1")
          CHECK(text(item, "/reason").find("hostile." + std::string(kind)) != std::string::npos);
      const auto& warnings = *at(report, "/warnings").if_array();
      CHECK(std::count_if(warnings.begin(), warnings.end(), [](const json::Value& w) {
              return text(w, "/code") == "plugin_failed";
            }) == 1);
      CHECK(job.left_behind().empty());
    }
}

TEST_CASE("a plugin that fails on every layer leaves the model as it is", "[isolation]") {
  const HostileJob job("quantizer", {"segfault"}, kSkip);
  const Outcome outcome = job.run();
  INFO(outcome.err);
  REQUIRE(outcome.exit_code == 0);
  CHECK(at(job.report(), "/selected").if_array()->empty());
}

TEST_CASE("a layer is skipped when its quantizer crashes while it plans", "[isolation]") {
  const HostileJob job("quantizer", {"abort", "fc1", "plan"}, kSkip);
  const Outcome outcome = job.run();
  INFO(outcome.err);
  REQUIRE(outcome.exit_code == 0);
  CHECK(names(at(job.report(), "/selected"), nullptr) == std::set<std::string>{"lm_head"});
}

TEST_CASE("no layer is skipped for a serializer or a validator", "[isolation]") {
  for (const char* kind : {"serializer", "validator"}) {
    const HostileJob job(kind, {"segfault"}, kSkip);
    const Outcome outcome = job.run();
    INFO(kind << ": " << outcome.err);
    CHECK(outcome.exit_code == 6);
    CHECK(job.is_untouched());
  }
}

}  // namespace detent::test
