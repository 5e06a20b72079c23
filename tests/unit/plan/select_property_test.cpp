// SPDX-License-Identifier: Apache-2.0
// Whatever the rules are, every layer is selected or skipped, and by an oracle that shares nothing
// with the planner: fnmatch of the C library and a loop over the rules.
#include <algorithm>
#include <fnmatch.h>
#include <optional>
#include <random>
#include <set>

#include "selection.hpp"
#include "support/catch.hpp"

namespace detent::test {
namespace {

struct Weight {
  const char* layer;
  const char* type;
  long params;
  bool quantizable;
};
// Of tiny_network(): all but the counter are of floats.
constexpr Weight kWeights[] = {{"conv1", "Conv2d", 224, true},
                               {"embed", "Embedding", 320, true},
                               {"fc1", "Linear", 2080, true},
                               {"norm", "LayerNorm", 64, false},
                               {"lm_head", "Linear", 640, true}};

struct Conditions {
  std::vector<std::string> names, types;
  std::optional<long> min, max;

  bool hold(const Weight& w) const {
    const auto any = [](const std::vector<std::string>& globs, const std::string& text) {
      return std::any_of(globs.begin(), globs.end(), [&](const std::string& g) {
        return fnmatch(g.c_str(), text.c_str(), 0) == 0;
      });
    };
    if (!names.empty() && !any(names, w.layer) && !any(names, std::string(w.layer) + ".weight"))
      return false;
    if (!types.empty() && !any(types, w.type)) return false;
    return w.params >= min.value_or(0) && w.params <= max.value_or(1000000);
  }
  std::string json() const {
    std::string text;
    const auto add = [&](const std::string& member) { text += (text.empty() ? "" : ",") + member; };
    const auto list = [](const std::vector<std::string>& all) {
      std::string out;
      for (const std::string& s : all) out += (out.empty() ? "\"" : ",\"") + s + "\"";
      return "[" + out + "]";
    };
    if (!names.empty()) add("\"name\":" + list(names));
    if (!types.empty()) add("\"type\":" + list(types));
    if (min) add("\"min_params\":" + std::to_string(*min));
    if (max) add("\"max_params\":" + std::to_string(*max));
    return "{" + text + "}";
  }
};

struct RandomRule {
  Conditions match, exclude;
  bool excludes = false;
  bool keep = false;
};

class Generator {
 public:
  explicit Generator(unsigned seed) : random_(seed) {}

  RandomRule rule() {
    RandomRule r;
    r.match = conditions();
    r.exclude = conditions();
    r.excludes = one_in(2) && r.exclude.json() != "{}";
    r.keep = one_in(3);
    return r;
  }
  bool one_in(unsigned n) { return random_() % n == 0; }
  std::size_t below(std::size_t n) { return random_() % n; }

 private:
  Conditions conditions() {
    static const std::vector<std::string> kNames = {"fc1",      "*1", "lm_head", "*",       "?????",
                                                    "*.weight", "e*", "[a-f]*",  "[!a-f]*", "zzz"};
    static const std::vector<std::string> kTypes = {"Linear", "Conv*", "Embedding", "*Norm",
                                                    "LSTM"};
    static const std::vector<long> kSizes = {0, 64, 65, 224, 320, 321, 640, 2080, 2081};
    Conditions c;
    while (one_in(2)) c.names.push_back(kNames[below(kNames.size())]);
    while (one_in(3)) c.types.push_back(kTypes[below(kTypes.size())]);
    if (one_in(3)) c.min = kSizes[below(kSizes.size())];
    if (one_in(3)) c.max = c.min.value_or(0) + kSizes[below(kSizes.size())];
    return c;
  }
  std::mt19937 random_;
};

std::string rules_json(const std::vector<RandomRule>& rules) {
  std::string text;
  for (const RandomRule& r : rules)
    text += (text.empty() ? "" : ",") + ("{\"match\":" + r.match.json()) +
            (r.excludes ? ",\"exclude\":" + r.exclude.json() : "") +
            (r.keep ? ",\"keep\":true}" : ",\"weight\":{\"quantizer\":\"int8\"}}");
  return "[" + text + "]";
}

int expected_rule(const std::vector<RandomRule>& rules, const Weight& w) {
  for (std::size_t i = 0; i < rules.size(); ++i)
    if (rules[i].match.hold(w) && !(rules[i].excludes && rules[i].exclude.hold(w)))
      return static_cast<int>(i);
  return -1;
}

}  // namespace

TEST_CASE("Any rules select what the oracle selects, and every tensor once, with a reason") {
  for (unsigned seed = 0; seed < 300; ++seed) {
    Generator generate(seed);
    std::vector<RandomRule> rules(generate.below(5));
    for (RandomRule& r : rules) r = generate.rule();
    const std::string text = rules_json(rules);
    CAPTURE(seed, text);
    const Selection s(text);
    std::set<std::string> seen;
    for (const TensorPlan& t : s.plan.tensors) {
      CHECK(seen.insert(t.input.name).second);
      CHECK_FALSE(t.reason.empty());
    }
    CHECK(seen.size() == tiny_network().size());
    for (const Weight& w : kWeights) {
      CAPTURE(w.layer);
      const int rule = expected_rule(rules, w);
      const TensorPlan& weight = s.tensor(std::string(w.layer) + ".weight");
      CHECK(weight.rule == rule);
      const bool wanted = rule >= 0 && !rules[static_cast<std::size_t>(rule)].keep;
      CHECK(weight.quantize == (wanted && w.quantizable));
    }
  }
}

}  // namespace detent::test
