// SPDX-License-Identifier: Apache-2.0
// The rules of a pipeline file.
#include <fmt/format.h>

#include "base/dtype.hpp"
#include "config/message.hpp"
#include "config/reader.hpp"

namespace detent {
namespace {

std::vector<detent_dtype> read_dtypes(const Cursor& at) {
  static const std::vector<std::string> kUsual = {"F32", "F16", "BF16", "F64", "I8", "U8"};
  std::vector<detent_dtype> dtypes;
  for (const Cursor& item : at.one_or_items()) {
    if (!item.is_string() || item.text().empty()) continue;
    if (const auto dtype = dtype_from_name(item.text())) {
      dtypes.push_back(*dtype);
    } else {
      item.problem(fmt::format("unknown dtype {}", quote_abridged(item.text())),
                   hint_for_unknown(item.text(), kUsual, "as safetensors spells them"));
    }
  }
  return dtypes;
}

Match read_match(const Cursor& at) {
  Match match;
  match.names = read_patterns(at["name"]);
  match.types = read_patterns(at["type"]);
  match.min_params = at["min_params"].integer();
  match.max_params = at["max_params"].integer();
  match.dtypes = read_dtypes(at["dtype"]);
  if (match.min_params && match.max_params && *match.min_params > *match.max_params)
    at["max_params"].problem(fmt::format("{} is less than min_params, {}: no layer is both",
                                         *match.max_params, *match.min_params));
  return match;
}

TensorScheme read_scheme(const Cursor& at) {
  TensorScheme scheme;
  if (at["observer"]) scheme.observer = read_plugin(at["observer"]);
  scheme.quantizer = read_plugin(at["quantizer"]);
  const std::string observe = at["observe"].text();
  if (observe == "output") scheme.observe = Observe::output;
  if (observe == "both") scheme.observe = Observe::both;
  const Cursor beside = at["params"];
  if (!beside) return scheme;
  if (at["quantizer"].is_string()) {
    scheme.quantizer.params = beside.object();
    scheme.quantizer.params_pointer = beside.pointer();
  } else if (at["quantizer"]["params"]) {
    beside.problem("the quantizer has \"params\" already, inside it", "keep one of the two");
  } else if (at["quantizer"]) {
    beside.problem("\"params\" goes beside a quantizer that is a name, and this one is an object",
                   "move it into the object: \"quantizer\": {\"id\": ..., \"params\": ...}");
  }
  return scheme;
}

std::vector<Match> read_exclude(const Cursor& at) {
  std::vector<Match> exclude;
  for (const Cursor& item : at.one_or_items()) {
    exclude.push_back(read_match(item));
    if (item.is_object() && item.object().empty())
      item.problem("an empty exclude is every layer: the rule would do nothing",
                   "name what to exclude, or leave the key out");
  }
  return exclude;
}

Rule read_rule(const Cursor& at) {
  Rule rule;
  rule.pointer = at.pointer();
  rule.position = at.position();
  rule.match = read_match(at["match"]);
  rule.exclude = read_exclude(at["exclude"]);
  rule.keep = at["keep"].is_true();
  if (at["weight"]) rule.weight = read_scheme(at["weight"]);
  if (at["activation"]) rule.activation = read_scheme(at["activation"]);
  const bool quantizes = rule.weight || rule.activation;
  if (rule.keep && quantizes)
    at["keep"].problem("a rule cannot keep tensors and quantize them",
                       "remove \"keep\", or \"weight\" and \"activation\"");
  // Not when a key is misspelt: that is why it does nothing, and is said already.
  if (!rule.keep && !quantizes && !at.has_problem())
    at.problem("this rule does nothing", "give it \"weight\", \"activation\" or \"keep\": true");
  return rule;
}

}  // namespace

std::vector<Rule> read_rules(const Cursor& at) {
  std::vector<Rule> rules;
  for (const Cursor& item : at.items()) rules.push_back(read_rule(item));
  return rules;
}

}  // namespace detent
