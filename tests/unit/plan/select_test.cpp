// SPDX-License-Identifier: Apache-2.0
// Which rule is a tensor's, and what is said of rules and patterns that are no tensor's.
#include "plan/select.hpp"

#include "selection.hpp"
#include "support/catch.hpp"

namespace detent::test {
namespace {

using Names = std::vector<std::string>;

struct Row {
  const char* what;
  const char* more;
  const char* rules;
  Names quantized;  // weights of the tiny network
};

const std::string kConv = "conv1.weight", kEmbed = "embed.weight", kFc = "fc1.weight",
                  kHead = "lm_head.weight";

const char* const kInt8 = R"("weight": {"quantizer": "int8"}})";

const std::vector<Row> kRows = {
    {"no rule keeps everything", "", "[]", {}},
    {"a rule without match is every weight", "", "[{$]", {kConv, kEmbed, kFc, kHead}},
    {"one type", "", R"([{"match": {"type": "Linear"}, $])", {kFc, kHead}},
    {"a list means any of",
     "",
     R"([{"match": {"type": ["Linear", "Conv2d"]}, $])",
     {kConv, kFc, kHead}},
    {"types are globs", "", R"([{"match": {"type": "Conv*"}, $])", {kConv}},
    {"an exact layer", "", R"([{"match": {"name": "fc1"}, $])", {kFc}},
    {"an exact tensor", "", R"([{"match": {"name": "fc1.weight"}, $])", {kFc}},
    {"a glob", "", R"([{"match": {"name": "*1"}, $])", {kConv, kFc}},
    {"a regular expression", "", R"([{"match": {"name": "re:(conv|fc)[0-9]"}, $])", {kConv, kFc}},
    {"an expression is for the whole name",
     "",
     R"([{"match": {"name": ["re:c1", "fc1"]}, $])",
     {kFc}},
    {"name and type: both must hold",
     "",
     R"([{"match": {"name": "*1", "type": "Linear"}, $])",
     {kFc}},
    {"an excluded type beats an included type",
     "",
     R"([{"match": {"type": ["Linear", "Conv2d"]}, "exclude": {"type": "Conv2d"}, $])",
     {kFc, kHead}},
    {"an excluded name beats an included type",
     "",
     R"([{"match": {"type": "Linear"}, "exclude": {"name": "fc1"}, $])",
     {kHead}},
    {"an excluded type beats an included name",
     "",
     R"([{"match": {"name": ["fc1", "conv1"]}, "exclude": {"type": "Linear"}, $])",
     {kConv}},
    {"an excluded name beats an included name",
     "",
     R"([{"match": {"name": ["fc1", "conv1"]}, "exclude": {"name": "conv1"}, $])",
     {kFc}},
    {"an exclusion alone leaves the rest",
     "",
     R"([{"exclude": {"name": "conv1"}, $])",
     {kEmbed, kFc, kHead}},
    {"all keys of an exclusion must hold",
     "",
     R"([{"exclude": {"name": "*1", "type": "Linear"}, $])",
     {kConv, kEmbed, kHead}},
    {"several exclusions: any of them",
     "",
     R"([{"exclude": [{"name": "*1"}, {"type": "Embedding"}], $])",
     {kHead}},
    {"the first rule counts: keep before quantize",
     "",
     R"([{"match": {"name": "fc1"}, "keep": true}, {"match": {"type": "Linear"}, $])",
     {kHead}},
    {"modules_to_not_convert is before all rules",
     R"("modules_to_not_convert": ["fc1"],)",
     R"([{"match": {"name": "fc1"}, $, {"match": {"type": "Linear"}, $])",
     {kHead}},
    {"conv1 has 224 parameters, its bias counted",
     "",
     R"([{"match": {"min_params": 224}, $])",
     {kConv, kEmbed, kFc, kHead}},
    {"and not one more", "", R"([{"match": {"min_params": 225}, $])", {kEmbed, kFc, kHead}},
    {"at most", "", R"([{"match": {"max_params": 224}, $])", {kConv}},
    {"at most, one less",
     "",
     R"([{"match": {"max_params": 320}, "exclude": {"max_params": 223}, $])",
     {kConv, kEmbed}},
    {"a dtype", "", R"([{"match": {"dtype": ["F32"]}, $])", {kConv, kEmbed, kFc, kHead}},
    {"another dtype", "", R"([{"match": {"dtype": ["F16", "I64"]}, $])", {}},
};

std::string with_quantizer(std::string rules) {
  for (std::size_t at = rules.find('$'); at != std::string::npos; at = rules.find('$'))
    rules.replace(at, 1, kInt8);
  return rules;
}

bool has(const Names& texts, const std::string& part) {
  for (const std::string& t : texts)
    if (t.find(part) != std::string::npos) return true;
  return false;
}

bool is_in_module(const std::string& pattern, const std::string& layer) {
  PatternMatcher matcher({pattern, {}, ""});
  return names_module(matcher, layer);
}

}  // namespace

TEST_CASE("names, types, sizes, dtypes and exceptions select together as the table says") {
  for (const Row& row : kRows) {
    INFO(row.what);
    CHECK(Selection(with_quantizer(row.rules), row.more).quantized() == row.quantized);
  }
}

TEST_CASE("every layer that is kept says why") {
  const Selection s(with_quantizer(R"([{"match": {"name": "conv1"}, "keep": true},
                                       {"match": {"name": "*1"}, "exclude": {"name": "fc1"}, $])"),
                    R"("modules_to_not_convert": ["embed"],)");
  CHECK(s.reason("conv1.weight") == "/rules/0 keeps it");
  CHECK(s.reason("fc1.weight") == "/rules/1 excludes it, and no other rule matches");
  CHECK(s.reason("embed.weight") == "modules_to_not_convert names \"embed\"");
  CHECK(s.reason("norm.weight") == "no rule matches");
  const Selection all(with_quantizer("[{$]"));
  CHECK(all.reason("norm.weight") == "int8: normalization layer");
  CHECK(all.reason("fc1.bias") == "int8: bias stays in floating point");
  CHECK(all.reason("steps") == "I64 is no floating-point type");
}

TEST_CASE("an exception of one rule leaves the layer to the next") {
  const Selection s(R"([{"match": {"type": "Linear"}, "exclude": {"name": "lm_head"},
                         "weight": {"quantizer": "int4_groupwise"}},
                        {"weight": {"quantizer": "int8"}}])");
  CHECK(s.tensor("fc1.weight").bits == 4);
  CHECK(s.tensor("lm_head.weight").bits == 8);
  CHECK(s.tensor("embed.weight").bits == 8);
  CHECK(s.warnings().empty());
}

TEST_CASE("modules_to_not_convert names whole components of a path and what is below them") {
  const std::string layer = "model.layers.11.self_attn.q_proj";
  for (const char* names : {"model.layers.11.self_attn.q_proj", "model", "model.layers.11",
                            "q_proj", "self_attn", "self_attn.q_proj", "layers.11", "11",
                            "layers.*", "q_*", "re:.*attn", "re:layers\\.1[0-9]"}) {
    CAPTURE(names);
    CHECK(is_in_module(names, layer));
  }
  for (const char* other : {"layers.1", "attn", "proj", "q_pro", "odel", "model.layers.1", "1",
                            "self_attn.", ".q_proj", "k_proj", "re:attn", "lm_head"}) {
    CAPTURE(other);
    CHECK_FALSE(is_in_module(other, layer));
  }
  CHECK(is_in_module("lm_head", "lm_head"));
  CHECK_FALSE(is_in_module("lm_head", ""));
}

TEST_CASE("a pattern that matches nothing is named with what may have been meant") {
  const std::vector<TinyTensor> tensors{random_f32("model.embed.weight", {20, 16}, 1),
                                        random_f32("model.attention.q.weight", {16, 16}, 2),
                                        random_f32("model.lm_head.weight", {20, 16}, 3)};
  struct Case {
    const char* match;
    const char* message;
  };
  for (const Case& c : {
           Case{R"("name": "model.lm_haed")", "did you mean \"model.lm_head\"?"},
           Case{R"("name": "lm_head")", "\"*.lm_head\" would match \"model.lm_head\""},
           Case{R"("name": "attention")", "\"*attention*\" would match \"model.attention.q\""},
           Case{R"("name": "model.atention.*")", "\"atention\"; did you mean \"attention\"?"},
           Case{R"("name": "re:lm_head")", "\"re:.*(?:lm_head).*\" would match \"model.lm_head\""},
           Case{R"("type": "Linaer")",
                "did you mean \"Linear\"? the types of this model: Embedding"},
           Case{R"("name": "nothing.like.it")",
                "\"nothing.like.it\" matches nothing in this model"},
       }) {
    CAPTURE(c.match);
    const Selection s(with_quantizer(std::string("[{\"match\": {") + c.match + "}, $, {$]"), "",
                      tensors);
    REQUIRE(s.warnings().size() == 1);
    CHECK(s.warnings()[0].find("pattern_matches_nothing: ") == 0);
    CHECK(has(s.warnings(), c.message));
    CHECK(s.plan.warnings[0].where.line == 1);
  }
  const Selection kept(with_quantizer("[{$]"), R"("modules_to_not_convert": ["lm_haed"],)",
                       tensors);
  CHECK(has(kept.warnings(), "\"lm_haed\" matches nothing"));
}

TEST_CASE("a rule that is never used is told apart from one that matches nothing") {
  const Selection hidden(with_quantizer(R"([{"match": {"type": "Linear"}, $,
                                            {"match": {"name": "fc1"}, "keep": true}])"));
  CHECK(has(hidden.warnings(), "rule_hidden: this rule is never used"));
  const Selection none(with_quantizer(R"([{"match": {"name": "embed", "type": "Linear"}, $, {$])"));
  CHECK(has(none.warnings(), "rule_matches_nothing: this rule matches nothing"));
  const Selection excluded(
      with_quantizer(R"([{"match": {"name": "embed"}, "exclude": {"type": "Embedding"}, $, {$])"));
  CHECK(has(excluded.warnings(), "rule_matches_nothing"));
}

TEST_CASE("a pattern of an exception is of use wherever it matches") {
  CHECK(Selection(
            with_quantizer(R"([{"match": {"type": "Linear"}, "exclude": {"name": "embed"}, $])"))
            .warnings()
            .empty());
}

TEST_CASE("nothing to quantize is said") {
  CHECK(has(Selection("[]").warnings(), "nothing_to_quantize"));
  CHECK(has(Selection(with_quantizer(R"([{"match": {"type": "LayerNorm"}, $])")).warnings(),
            "nothing_to_quantize"));
}

TEST_CASE("the weight of a model that is one layer is found without a name before the dot") {
  const std::vector<TinyTensor> lone{random_f32("weight", {16, 64}, 1),
                                     random_f32("bias", {16}, 2)};
  for (const char* match : {R"("type": "Linear")", R"("name": "weight")", R"("name": "*")"}) {
    CAPTURE(match);
    const Selection s(with_quantizer(std::string("[{\"match\": {") + match + "}, $]"), "", lone);
    CHECK(s.quantized() == Names{"weight"});
    CHECK(s.warnings().empty());
  }
}

TEST_CASE("a recurrent layer is selected by its type, all its matrices") {
  const std::vector<TinyTensor> lstm{
      random_f32("rnn.weight_ih_l0", {64, 8}, 1), random_f32("rnn.weight_hh_l0", {64, 16}, 2),
      random_f32("rnn.bias_ih_l0", {64}, 3), random_f32("rnn.bias_hh_l0", {64}, 4)};
  const Selection s(with_quantizer(R"([{"match": {"type": "LSTM"}, $])"), "", lstm);
  CHECK(s.quantized() == Names{"rnn.weight_ih_l0", "rnn.weight_hh_l0"});
  CHECK(s.tensor("rnn.weight_ih_l0").quantizer.outputs[1].shape == std::vector<std::int64_t>{64});
}

}  // namespace detent::test
