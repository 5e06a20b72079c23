// SPDX-License-Identifier: Apache-2.0
#include "cli/try_target.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>

#include "config/schema.hpp"
#include "json/parse.hpp"
#include "plugin/affine_rules.hpp"

namespace detent::cli {
namespace {

struct CodeType {
  const char* name;
  detent_dtype dtype;
  detent_dtype zero_dtype;
  std::int64_t qmin;
  std::int64_t qmax;
};
constexpr std::array kCodeTypes = {CodeType{"int8", DETENT_I8, DETENT_I8, -128, 127},
                                   CodeType{"uint8", DETENT_U8, DETENT_U8, 0, 255},
                                   CodeType{"int4", DETENT_I4, DETENT_I8, -8, 7},
                                   CodeType{"uint4", DETENT_U4, DETENT_U8, 0, 15}};

constexpr const char* kTargetSchema = R"({
  "type": "object", "additionalProperties": false, "properties": {
    "dtype": {"type": "string", "enum": ["int8", "uint8", "int4", "uint4"], "default": "int8"},
    "symmetric": {"type": "boolean", "default": false},
    "granularity": {"type": "string", "enum": ["per_tensor", "per_channel", "per_group"],
                    "default": "per_tensor"},
    "axis": {"type": "integer", "minimum": 0, "maximum": 63, "default": 0},
    "group_size": {"type": "integer", "minimum": 0, "maximum": 1073741824, "default": 0},
    "qmin": {"type": "integer", "minimum": -128, "maximum": 255},
    "qmax": {"type": "integer", "minimum": -128, "maximum": 255},
    "min_scale": {"type": "number", "minimum": 0, "default": 0},
    "rules": {"type": "array", "default": [], "items": {"type": "string", "enum":
        ["half_range", "round_lo_first", "float32", "floor_zero_only"]}}}})";

std::int64_t integer(const json::Object& o, const char* key, std::int64_t fallback) {
  std::int64_t n = fallback;
  if (const json::Value* v = o.find(key)) v->to_int(&n);
  return n;
}

// Peers' rules for scales and zero points; see docs/differences.md.
void read_rules(const json::Object& o, detent_qspec& q) {
  o.find("min_scale")->to_double(&q.min_scale);
  if (!is_valid_min_scale(q.min_scale))
    throw Error(ErrorCode::config,
                "--target: \"min_scale\" is 0 or a normal float32 (1.18e-38 to 3.4e38)");
  for (const json::Value& name : *o.find("rules")->if_array())
    q.affine_rules |= *affine_rule_from_name(*name.if_string());
}

}  // namespace

json::Value parse_option(const char* option, const std::string& text) {
  try {
    json::Value value = json::parse(text);
    if (value.if_object() == nullptr)
      throw Error(ErrorCode::config,
                  fmt::format("{}: expected an object, found {}", option, value.kind()));
    return value;
  } catch (const json::ParseError& e) {
    throw Error(ErrorCode::config, fmt::format("{}: {}", option, e.what()),
                "for example " + std::string(option) + " '{\"symmetric\": true}'",
                {.file = option, .line = e.position().line, .column = e.position().column});
  }
}

QuantTarget parse_target(const std::string& text) {
  const json::Value given = parse_option("--target", text.empty() ? "{}" : text);
  const json::Value schema = json::parse(kTargetSchema);
  std::vector<Problem> problems;
  for (const SchemaProblem& p : check_against_schema(given, schema, "the target"))
    problems.push_back({p.message, p.hint, {.file = "--target", .pointer = p.pointer}});
  if (!problems.empty()) throw Error(ErrorCode::config, std::move(problems));
  const json::Object o = with_defaults(*given.if_object(), schema, "");

  const std::string& dtype = *o.find("dtype")->if_string();
  const auto type = std::find_if(kCodeTypes.begin(), kCodeTypes.end(),
                                 [&](const CodeType& t) { return dtype == t.name; });
  const std::string& granularity = *o.find("granularity")->if_string();
  QuantTarget target;
  detent_qspec& q = target.spec;
  target.scheme = "detent.affine/1";
  q.qdtype = type->dtype;
  q.scale_dtype = DETENT_F32;
  q.zero_dtype = type->zero_dtype;
  q.symmetric = *o.find("symmetric")->if_bool() ? 1 : 0;
  q.granularity = granularity == "per_tensor"    ? DETENT_PER_TENSOR
                  : granularity == "per_channel" ? DETENT_PER_CHANNEL
                                                 : DETENT_PER_GROUP;
  q.axis = static_cast<std::int32_t>(integer(o, "axis", 0));
  q.group_size = integer(o, "group_size", 0);
  const bool narrow = q.symmetric != 0 && type->dtype == DETENT_I8;
  q.qmin = integer(o, "qmin", narrow ? -127 : type->qmin);
  q.qmax = integer(o, "qmax", type->qmax);
  const bool fits = q.qmin >= type->qmin && q.qmax <= type->qmax && q.qmin < q.qmax;
  if (!fits)
    throw Error(ErrorCode::config,
                fmt::format("--target: codes {}..{} are not a range of {} ({}..{})", q.qmin, q.qmax,
                            dtype, type->qmin, type->qmax));
  if (q.granularity == DETENT_PER_GROUP && q.group_size < 1)
    throw Error(ErrorCode::config, "--target: per_group needs a \"group_size\" of at least 1");
  read_rules(o, q);
  return target;
}

}  // namespace detent::cli
