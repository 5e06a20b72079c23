// SPDX-License-Identifier: Apache-2.0
#include "config/schema.hpp"

#include <string>
#include <vector>

#include "json/parse.hpp"
#include "support/catch.hpp"

namespace detent {
namespace {

using json::parse;

// "pointer: message | hint" of each problem, one a line.
std::string mistakes(const char* value, const std::string& schema) {
  std::string text;
  for (const SchemaProblem& p : check_against_schema(parse(value), parse(schema), "demo")) {
    text += p.pointer + ": " + p.message;
    if (!p.hint.empty()) text += " | " + p.hint;
    text += "\n";
  }
  return text;
}

std::string with(const std::string& property_schema) {
  return R"({"type":"object","properties":{"p":)" + property_schema + "}}";
}

bool accepts(const std::string& value, const std::string& property_schema) {
  return check_against_schema(parse("{\"p\":" + value + "}"), parse(with(property_schema)), "demo")
      .empty();
}

std::string filled(const char* params, const char* schema, std::string_view role) {
  return dump(with_defaults(*parse(params).if_object(), parse(schema), role));
}

TEST_CASE("types are told apart as JSON Schema tells them") {
  CHECK(accepts("1", R"({"type":"integer"})"));
  CHECK(accepts("1.0", R"({"type":"integer"})"));
  CHECK(accepts("18446744073709551615", R"({"type":"integer"})"));
  CHECK_FALSE(accepts("1.5", R"({"type":"integer"})"));
  CHECK_FALSE(accepts("true", R"({"type":"integer"})"));
  CHECK(accepts("1", R"({"type":"number"})"));
  CHECK_FALSE(accepts("\"1\"", R"({"type":"number"})"));
  CHECK_FALSE(accepts("0", R"({"type":"boolean"})"));
  CHECK(accepts("null", R"({"type":["integer","null"]})"));
  CHECK_FALSE(accepts("\"x\"", R"({"type":["integer","null"]})"));
  CHECK(accepts("[1,[2]]", R"({"type":"array"})"));
}

TEST_CASE("bounds are inclusive or exclusive as their keyword says") {
  CHECK(accepts("1", R"({"minimum":1,"maximum":1})"));
  CHECK_FALSE(accepts("0.999", R"({"minimum":1})"));
  CHECK_FALSE(accepts("1.001", R"({"maximum":1})"));
  CHECK_FALSE(accepts("0", R"({"exclusiveMinimum":0})"));
  CHECK(accepts("5e-324", R"({"exclusiveMinimum":0})"));
  CHECK_FALSE(accepts("1", R"({"exclusiveMaximum":1})"));
  CHECK_FALSE(accepts("9007199254740993", R"({"maximum":9007199254740992})"));  // 2^53 + 1
  CHECK_FALSE(accepts("18446744073709551615", R"({"maximum":18446744073709551614})"));
  CHECK(accepts("\"abc\"", R"({"minimum":1})"));  // a keyword is for its own type
}

TEST_CASE("multiples are exact for integers and tolerant for decimal fractions") {
  CHECK(accepts("256", R"({"multipleOf":32})"));
  CHECK_FALSE(accepts("100", R"({"multipleOf":32})"));
  CHECK_FALSE(accepts("9007199254740993", R"({"multipleOf":2})"));
  CHECK(accepts("0.3", R"({"multipleOf":0.1})"));
  CHECK_FALSE(accepts("0.35", R"({"multipleOf":0.1})"));
}

TEST_CASE("sizes count characters and items") {
  CHECK(accepts("\"\xC3\xA9\xC3\xA9\"", R"({"minLength":2,"maxLength":2})"));
  CHECK_FALSE(accepts("\"abc\"", R"({"maxLength":2})"));
  CHECK_FALSE(accepts("[]", R"({"minItems":1})"));
  CHECK_FALSE(accepts("[1,2,3]", R"({"maxItems":2})"));
  CHECK_FALSE(accepts("[1,\"2\"]", R"({"items":{"type":"integer"}})"));
}

TEST_CASE("lists of values compare by value and type") {
  CHECK(accepts("8", R"({"enum":[4,8]})"));
  CHECK(accepts("8.0", R"({"enum":[4,8]})"));
  CHECK_FALSE(accepts("\"8\"", R"({"enum":[4,8]})"));
  CHECK(accepts("[1]", R"({"const":[1]})"));
  CHECK_FALSE(accepts("[1,1]", R"({"const":[1]})"));
}

TEST_CASE("messages say what is allowed and whose parameter it is") {
  const std::string schema = R"({"type":"object","properties":{
    "group_size":{"type":"integer","minimum":1},
    "rate":{"type":"number","exclusiveMinimum":0,"maximum":1},
    "method":{"enum":["kl","mse"]},
    "ranges":{"type":"array","items":{"type":"number"},"minItems":1}},"required":["method"]})";
  CHECK(mistakes(R"({"method":"kl","group_size":0})", schema) ==
        "/group_size: 0 is less than 1, the smallest group_size of demo\n");
  CHECK(mistakes(R"({"method":"kl","group_size":"x"})", schema) ==
        "/group_size: expected an integer for group_size of demo, found the string \"x\"\n");
  CHECK(mistakes(R"({"method":"kl","group_size":2.5})", schema) ==
        "/group_size: expected an integer for group_size of demo, found the number 2.5\n");
  CHECK(mistakes(R"({"method":"kl","rate":0})", schema) ==
        "/rate: rate of demo must be more than 0, found 0\n");
  CHECK(mistakes(R"({"method":"mean"})", schema) ==
        "/method: \"mean\" is not allowed for method of demo: expected \"kl\" or \"mse\"\n");
  CHECK(mistakes(R"({"method":"mes"})", schema) ==
        "/method: \"mes\" is not allowed for method of demo: expected \"kl\" or \"mse\" | did you "
        "mean \"mse\"?\n");
  CHECK(mistakes(R"({})", schema) == ": \"method\" is missing; demo cannot do without it\n");
  CHECK(mistakes(R"({"method":"kl","groupsize":64})", schema) ==
        "/groupsize: unknown parameter \"groupsize\" of demo | did you mean \"group_size\"? "
        "parameters: group_size, rate, method, ranges\n");
  CHECK(mistakes(R"({"method":"kl","ranges":[]})", schema) ==
        "/ranges: ranges of demo must have at least 1 item, found 0\n");
  CHECK(mistakes(R"({"method":"kl","ranges":[1,"a/b"]})", schema) ==
        "/ranges/1: expected a number for ranges[1] of demo, found the string \"a/b\"\n");
}

TEST_CASE("all mistakes are found at once with their places") {
  const auto problems =
      check_against_schema(parse("{\n \"a\": -1,\n \"b\": {\"c\": true, \"x~y/z\": 1}\n}"),
                           parse(R"({"properties":{"a":{"minimum":0},
                "b":{"properties":{"c":{"type":"string"},"d":{}},"required":["d"]}}})"),
                           "demo");
  REQUIRE(problems.size() == 4);
  CHECK(problems[0].pointer == "/a");
  CHECK(problems[0].position.line == 2);
  CHECK(problems[1].pointer == "/b");  // d is missing
  CHECK(problems[2].pointer == "/b/c");
  CHECK(problems[3].pointer == "/b/x~0y~1z");
  CHECK(problems[3].position.line == 3);
  CHECK(problems[3].position.column == 19);
}

TEST_CASE("an object is closed unless its schema opens it") {
  CHECK(mistakes(R"({"x":1})", R"({"type":"object"})") ==
        "/x: unknown parameter \"x\" of demo | there are no parameters here\n");
  CHECK(mistakes(R"({"x":1})", R"({})") != "");
  CHECK(mistakes(R"({"x":1})", R"({"additionalProperties":false})") != "");
  CHECK(mistakes(R"({"x":1})", R"({"additionalProperties":true})") == "");
}

TEST_CASE("a default satisfies what is required") {
  CHECK(mistakes("{}", R"({"properties":{"a":{"default":1}},"required":["a"]})") == "");
  CHECK(mistakes("{}", R"({"properties":{"a":{}},"required":["a"]})") != "");
}

TEST_CASE("a schema with keywords beyond the host's is refused with the keyword's place") {
  const auto why = [](const char* schema) { return unsupported_schema(parse(schema)); };
  CHECK(why(R"({"type":"object","properties":{"a":{"type":"integer","minimum":1,"default":2,
      "title":"t","description":"d","examples":[1],"$comment":"c","deprecated":true,
      "x-unit":"bits","x-default-by-role":{"weight":3,"activation":4}}},"required":["a"],
      "additionalProperties":false,"$schema":"s","$id":"i"})") == "");
  CHECK(why(R"({})") == "");
  CHECK(why(R"({"properties":{"a":{"pattern":"x"}}})") ==
        "/properties/a/pattern: the keyword \"pattern\" is not supported");
  CHECK(why(R"({"properties":{"a":{"items":{"anyOf":[]}}}})") ==
        "/properties/a/items/anyOf: the keyword \"anyOf\" is not supported");
  for (const char* bad : {"[]",
                          "true",
                          R"({"type":"int"})",
                          R"({"type":[]})",
                          R"({"type":3})",
                          R"({"enum":[]})",
                          R"({"enum":3})",
                          R"({"minimum":"1"})",
                          R"({"multipleOf":0})",
                          R"({"minLength":-1})",
                          R"({"maxItems":1.5})",
                          R"({"properties":[]})",
                          R"({"properties":{"a":1}})",
                          R"({"required":"a"})",
                          R"({"required":[1]})",
                          R"({"additionalProperties":{}})",
                          R"({"items":[{}]})",
                          R"({"items":true})",
                          R"({"x-default-by-role":1})",
                          R"({"x-default-by-role":{"weights":1}})",
                          R"({"type":"array"})",
                          R"({"$ref":"#"})"}) {
    CAPTURE(bad);
    CHECK_FALSE(why(bad).empty());
  }
}

TEST_CASE("a default that breaks its own schema is refused") {
  CHECK(unsupported_schema(parse(with(R"({"type":"integer","minimum":1,"default":0})"))) ==
        "/properties/p/default: the default breaks its own schema: 0 is less than 1, the smallest "
        "the parameters of this schema");
  CHECK_FALSE(
      unsupported_schema(parse(with(R"({"type":"boolean","x-default-by-role":{"weight":1}})")))
          .empty());
}

TEST_CASE("defaults follow the schema's order and the role") {
  const char* schema = R"({"properties":{
    "a":{"default":1},
    "symmetric":{"default":true,"x-default-by-role":{"weight":true,"activation":false}},
    "only_weight":{"x-default-by-role":{"weight":"w"}},
    "none":{"type":"integer"},
    "b":{"default":[1,2]}}})";
  CHECK(filled("{}", schema, "weight") ==
        R"({"a":1,"symmetric":true,"only_weight":"w","b":[1,2]})");
  CHECK(filled("{}", schema, "activation") == R"({"a":1,"symmetric":false,"b":[1,2]})");
  CHECK(filled("{}", schema, "") == R"({"a":1,"symmetric":true,"b":[1,2]})");
  CHECK(filled(R"({"b":0,"none":5,"symmetric":true})", schema, "activation") ==
        R"({"a":1,"symmetric":true,"none":5,"b":0})");
  CHECK(filled(R"({"extra":0})",
               R"({"properties":{"a":{"default":1}},"additionalProperties":true})",
               "") == R"({"a":1,"extra":0})");
}

TEST_CASE("objects inside get their defaults too and a default has no place") {
  const char* schema = R"({"properties":{"in":{"properties":{"a":{"default":1},
                           "b":{"default":2}},"default":{}},"given":{}}})";
  CHECK(filled(R"({"in":{"b":3}})", schema, "") == R"({"in":{"a":1,"b":3}})");
  CHECK(filled("{}", schema, "") == R"({"in":{"a":1,"b":2}})");
  const json::Value params = parse(R"({"given":1})");
  const json::Object all = with_defaults(*params.if_object(), parse(schema), "");
  CHECK(all.find("given")->position.line == 1);
  CHECK(all.find("in")->position.line == 0);
  CHECK(all.find("in")->at_pointer("/a")->position.line == 0);
}

}  // namespace
}  // namespace detent
