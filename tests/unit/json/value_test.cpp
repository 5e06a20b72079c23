// SPDX-License-Identifier: Apache-2.0
#include "json/value.hpp"

#include <cmath>
#include <limits>
#include <string>

#include "json/parse.hpp"
#include "support/catch.hpp"

namespace detent::json {
namespace {

TEST_CASE("an object keeps the order of its members and replaces in place") {
  Object o{{"b", 1}, {"a", 2}};
  o.set("c", 3);
  o.set("b", 4);
  CHECK(dump(o) == R"({"b":4,"a":2,"c":3})");
  CHECK(o.erase("a"));
  CHECK_FALSE(o.erase("a"));
  CHECK(dump(o) == R"({"b":4,"c":3})");
}

TEST_CASE("values are equal by content and not by place or order of keys") {
  CHECK(parse("1") == parse("1.0"));
  CHECK(parse(R"({"a":1,"b":[true,null]})") == parse(R"({ "b": [true, null], "a": 1.0 })"));
  CHECK_FALSE(parse("1") == parse("\"1\""));
  CHECK_FALSE(parse("0") == parse("false"));
  CHECK_FALSE(parse("[1,2]") == parse("[2,1]"));
  CHECK_FALSE(parse("[1]") == parse("[1,2]"));
  CHECK_FALSE(parse("{\"a\":1}") == parse("{\"a\":1,\"b\":1}"));
  CHECK_FALSE(parse("9007199254740993") == parse("9007199254740992.0"));  // 2^53 + 1
  CHECK(parse("18446744073709551615") == parse("18446744073709551615"));
  CHECK_FALSE(parse("18446744073709551615") == parse("18446744073709551616"));
}

TEST_CASE("a double is written so that the same double is read") {
  for (const double d : {0.1, 1.0 / 3, 1e23, 5e-324, 1.7976931348623157e308, -0.0, 123456789.125,
                         6755399441055744.5, 1e-7}) {
    CAPTURE(d);
    double back = 0;
    REQUIRE(parse(dump(Value(d))).to_double(&back));
    CHECK(back == d);
    CHECK(std::signbit(back) == std::signbit(d));
  }
  CHECK(dump(Value(2.0)) == "2.0");  // it stays a number, not an integer
  CHECK(dump(Value(0.1)) == "0.1");
  CHECK(dump(Value(std::int64_t{INT64_MIN})) == "-9223372036854775808");
  CHECK(dump(Value(std::uint64_t{UINT64_MAX})) == "18446744073709551615");
}

TEST_CASE("what JSON has no number for is written as a string") {
  CHECK(dump(number(std::nan(""))) == "\"nan\"");
  CHECK(dump(number(INFINITY)) == "\"inf\"");
  CHECK(dump(number(-INFINITY)) == "\"-inf\"");
  CHECK(dump(number(1.5)) == "1.5");
}

TEST_CASE("every string survives quoting") {
  std::string all;
  for (int c = 0; c < 128; ++c) all += static_cast<char>(c);
  all += "\xC3\xA9\xF0\x9F\x98\x80";
  CHECK(*parse(quote(all)).if_string() == all);
  CHECK(quote("a\"b\\c\n\x01\x7F") == R"("a\"b\\c\n\u0001\u007f")");
}

TEST_CASE("an indented document has one member a line") {
  const Value v = parse(R"({"a":[1,{"b":2}],"c":{},"d":[]})");
  CHECK(dump(v, 2) ==
        "{\n  \"a\": [\n    1,\n    {\n      \"b\": 2\n    }\n  ],\n  \"c\": {},\n  \"d\": []\n}");
  CHECK(parse(dump(v, 2)) == v);
}

// The document and the answers are those of RFC 6901, section 5.
TEST_CASE("JSON pointers resolve as in RFC 6901") {
  const Value v = parse(R"({"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,
                            "i\\j":5,"k\"l":6," ":7,"m~n":8})");
  const auto at = [&](const char* pointer) {
    const Value* found = v.at_pointer(pointer);
    return found == nullptr ? std::string("nothing") : dump(*found);
  };
  CHECK(at("") == dump(v));
  CHECK(at("/foo") == R"(["bar","baz"])");
  CHECK(at("/foo/0") == "\"bar\"");
  CHECK(at("/") == "0");
  CHECK(at("/a~1b") == "1");
  CHECK(at("/c%d") == "2");
  CHECK(at("/e^f") == "3");
  CHECK(at("/g|h") == "4");
  CHECK(at("/i\\j") == "5");
  CHECK(at("/k\"l") == "6");
  CHECK(at("/ ") == "7");
  CHECK(at("/m~0n") == "8");
  CHECK(at("/foo/2") == "nothing");
  CHECK(at("/foo/00") == "nothing");
  CHECK(at("/foo/-") == "nothing");
  CHECK(at("/foo/18446744073709551616") == "nothing");
  CHECK(at("/foo/") == "nothing");
  CHECK(at("/foo/0/x") == "nothing");
  CHECK(at("foo") == "nothing");
  CHECK(at("/a~1b~2") == "nothing");
  CHECK(pointer_step("a/b~c") == "/a~1b~0c");
}

TEST_CASE("the kinds have names for messages") {
  CHECK(std::string(parse("null").kind()) == "null");
  CHECK(std::string(parse("true").kind()) == "a boolean");
  CHECK(std::string(parse("1").kind()) == "an integer");
  CHECK(std::string(parse("18446744073709551615").kind()) == "an integer");
  CHECK(std::string(parse("1.5").kind()) == "a number");
  CHECK(std::string(parse("\"\"").kind()) == "a string");
  CHECK(std::string(parse("[]").kind()) == "an array");
  CHECK(std::string(parse("{}").kind()) == "an object");
}

}  // namespace
}  // namespace detent::json
