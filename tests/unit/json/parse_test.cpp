// SPDX-License-Identifier: Apache-2.0
#include "json/parse.hpp"

#include <cmath>
#include <limits>
#include <string>

#include "support/catch.hpp"

namespace detent::json {
namespace {

// "line:column message", or "" when the text is accepted.
std::string refusal(std::string_view text, const ParseOptions& options = {}) {
  try {
    parse(text, options);
    return "";
  } catch (const ParseError& e) {
    const Position at = e.position();
    return std::to_string(at.line) + ":" + std::to_string(at.column) + " " + e.what();
  }
}

constexpr ParseOptions kRelaxed{.comments_and_trailing_commas = true};

double as_double(std::string_view text) {
  double number = 0;
  REQUIRE(parse(text).to_double(&number));
  return number;
}

std::string place(const Value& document, std::string_view pointer) {
  const Value* v = document.at_pointer(pointer);
  if (v == nullptr) return "nothing";
  return std::to_string(v->position.line) + ":" + std::to_string(v->position.column);
}

TEST_CASE("numbers keep their exact value and their kind") {
  std::int64_t i = 0;
  std::uint64_t u = 0;
  CHECK((parse("9223372036854775807").to_int(&i) && i == INT64_MAX));
  CHECK((parse("-9223372036854775808").to_int(&i) && i == INT64_MIN));
  CHECK((parse("18446744073709551615").to_uint(&u) && u == UINT64_MAX));
  CHECK_FALSE(parse("18446744073709551615").to_int(&i));
  CHECK_FALSE(parse("18446744073709551616").to_uint(&u));
  CHECK(std::string(parse("2.0").kind()) == "a number");
  CHECK((parse("2.0").to_int(&i) && i == 2));
  CHECK((parse("1e3").to_int(&i) && i == 1000));
  CHECK_FALSE(parse("2.5").to_int(&i));
  CHECK_FALSE(parse("9223372036854775808.0").to_int(&i));  // 2^63
  CHECK_FALSE(parse("-1").to_uint(&u));
}

// Each is a case that a parser which multiplies by powers of ten gets wrong in the last bit. The
// expected bits are the compiler's, which rounds literals correctly.
TEST_CASE("doubles are correctly rounded") {
  CHECK(as_double("0.1") == 0.1);
  CHECK(as_double("1e23") == 1e23);
  CHECK(as_double("9007199254740993.0") == 9007199254740992.0);
  CHECK(as_double("2.2250738585072011e-308") == 2.2250738585072011e-308);
  CHECK(as_double("2.2250738585072014e-308") == 2.2250738585072014e-308);
  CHECK(as_double("4.9e-324") == std::numeric_limits<double>::denorm_min());
  CHECK(as_double("1.7976931348623157e308") == std::numeric_limits<double>::max());
  CHECK(as_double("0.500000000000000166533453693773481063544750213623046875") ==
        0.500000000000000166533453693773481063544750213623046875);
  CHECK(as_double("7.2057594037927933e16") == 7.2057594037927933e16);
  CHECK(as_double("123456789012345678901234567890") == 123456789012345678901234567890.0);
  CHECK(std::signbit(as_double("-0.0")));
}

TEST_CASE("a number that no double holds is refused and a tiny one becomes zero") {
  CHECK(refusal("{\"a\": 1e400}") == "1:7 this number is beyond the range of a double");
  CHECK(refusal("[1,\n -1e309]") == "2:2 this number is beyond the range of a double");
  CHECK(refusal("1" + std::string(400, '0')) == "1:1 this number is beyond the range of a double");
  CHECK(as_double("1e-400") == 0.0);
  CHECK_FALSE(refusal("NaN").empty());
  CHECK_FALSE(refusal("Infinity").empty());
  CHECK_FALSE(refusal("-Infinity", kRelaxed).empty());
}

TEST_CASE("a duplicate key is refused with both places") {
  CHECK(refusal("{\"a\": 1,\n  \"b\": 2,\n  \"a\": 3}") ==
        "3:3 duplicate key \"a\", which is already at 1:2");
  CHECK(refusal("[{\"x\": {\"k\":1,\"\\u006b\":2}}]") ==
        "1:15 duplicate key \"k\", which is already at 1:9");
}

TEST_CASE("comments and trailing commas are accepted only on request") {
  const std::string text = "// a\n{ /* b\n */ \"x\": [1, 2,], // c\n}\n// d";
  const Value v = parse(text, kRelaxed);
  CHECK(dump(v) == "{\"x\":[1,2]}");
  CHECK(place(v, "") == "2:1");
  CHECK(place(v, "/x") == "3:10");
  CHECK(place(v, "/x/1") == "3:14");
  CHECK_FALSE(refusal(text).empty());
  CHECK_FALSE(refusal("[1,]").empty());
  CHECK_FALSE(refusal("[1,,]", kRelaxed).empty());
  CHECK_FALSE(refusal("[,]", kRelaxed).empty());
  CHECK_FALSE(refusal("[1] /* never closed", kRelaxed).empty());
  CHECK_FALSE(refusal("/* never closed", kRelaxed).empty());
}

TEST_CASE("every value knows its line and column in characters") {
  const Value v =
      parse("{\"\xC3\xA9\xE2\x82\xAC\": true,\r\n\t\"s\": \"a\\\"b\", \"n\": [null, {}] }");
  CHECK(place(v, "/\xC3\xA9\xE2\x82\xAC") == "1:8");  // two characters in five bytes
  CHECK(place(v, "/s") == "2:7");
  CHECK(place(v, "/n/1") == "2:27");
  CHECK(v.if_object()->members()[1].position.line == 2);
  CHECK(v.if_object()->members()[1].position.column == 2);
}

TEST_CASE("a syntax error is placed at the character that is wrong") {
  CHECK(refusal("{\"a\": 1 \"b\": 2}").substr(0, 4) == "1:9 ");
  CHECK(refusal("{\n  \"a\": tru\n}").substr(0, 4) == "2:8 ");
  CHECK(refusal("[1, 2").find("1:6 ") == 0);
  CHECK(refusal("[1] x").substr(0, 4) == "1:5 ");
  CHECK_FALSE(refusal("").empty());
  CHECK_FALSE(refusal("  \n").empty());
  CHECK_FALSE(refusal("{'a': 1}").empty());
  CHECK_FALSE(refusal("{a: 1}").empty());
  CHECK_FALSE(refusal("01").empty());
  CHECK_FALSE(refusal("+1").empty());
  CHECK_FALSE(refusal(".5").empty());
  CHECK_FALSE(refusal("\"a\nb\"").empty());
  CHECK_FALSE(refusal("\"\\x41\"").empty());
  CHECK_FALSE(refusal(std::string("[1\0]", 4)).empty());
}

TEST_CASE("a syntax error says what is wrong rather than that something is") {
  const auto says = [](std::string_view text, const char* words) {
    return refusal(text).find(words) != std::string::npos;
  };
  CHECK(says("{\"a\": 1 \"b\": 2}", "is a comma missing before this?"));
  CHECK(says("[1,]", "a comma too many before this"));
  CHECK(says("{'a': 1}", "strings are in double quotes"));
  CHECK(says("[True]", "only true, false and null are without quotes"));
  CHECK(says("[NaN]", "NaN and Infinity are no numbers of JSON"));
  CHECK(says("// x\n1", "comments are not allowed here"));
  CHECK(says("\"a\nb\"", "the control character 0x0a is not allowed"));
  CHECK(says("\"\\ud800\"", "half a surrogate pair"));
  CHECK(says("\"\xFF\"", "not UTF-8"));
  CHECK(says("[1", "the text ends too early"));
}

TEST_CASE("text that is not UTF-8 is refused") {
  CHECK_FALSE(refusal("\"\xFF\"").empty());
  CHECK_FALSE(refusal("\"\xC0\xAF\"").empty());          // overlong
  CHECK_FALSE(refusal("\"\xED\xA0\x80\"").empty());      // surrogate
  CHECK_FALSE(refusal("\"\xF4\x90\x80\x80\"").empty());  // beyond U+10FFFF
  CHECK_FALSE(refusal("\"\\ud800\"").empty());           // half a pair
  CHECK(*parse("\"\\ud83d\\ude00\\u0000\"").if_string() == std::string("\xF0\x9F\x98\x80\0", 5));
}

TEST_CASE("nesting beyond the limit is refused and never overflows the stack") {
  const auto nested = [](std::size_t n) { return std::string(n, '[') + std::string(n, ']'); };
  CHECK(refusal(nested(64)).empty());
  CHECK(refusal(nested(65)).find("more than 64 levels of nesting") != std::string::npos);
  CHECK(refusal(nested(100'000)).find("more than 64 levels") != std::string::npos);
  CHECK(refusal(std::string(100'000, '[')).find("more than 64 levels") != std::string::npos);
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += "{\"a\":";
  CHECK(refusal(objects, kRelaxed).find("more than 64 levels") != std::string::npos);
}

TEST_CASE("a long list is read in linear time") {
  std::string text = "[";
  for (int i = 0; i < 200'000; ++i) text += "{\"k\":1},";
  text += "0]";
  CHECK(parse(text).if_array()->size() == 200'001);
}

TEST_CASE("an object of many keys is read in reasonable time") {
  std::string text = "{";
  for (int i = 0; i < 100'000; ++i) text += "\"key" + std::to_string(i) + "\":1,";
  text += "\"last\":0}";
  CHECK(parse(text).if_object()->size() == 100'001);
}

}  // namespace
}  // namespace detent::json
