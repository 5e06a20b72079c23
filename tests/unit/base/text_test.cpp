// SPDX-License-Identifier: Apache-2.0
#include "base/text.hpp"

#include <chrono>
#include <fstream>
#include <iterator>
#include <string>

#include "json/parse.hpp"
#include "support/catch.hpp"

namespace detent {

TEST_CASE("A glob matches what Python's fnmatch says it does") {
  std::ifstream file(DETENT_TEST_DATA "/model/glob_cases.json");
  const std::string text(std::istreambuf_iterator<char>(file), {});
  const json::Value cases = json::parse(text);
  REQUIRE(cases.if_array()->size() == 400);
  for (const json::Value& c : *cases.if_array()) {
    const json::Array& row = *c.if_array();
    INFO(json::dump(c));
    CHECK(glob_match(*row[0].if_string(), *row[1].if_string()) == *row[2].if_bool());
  }
}

TEST_CASE("A glob's star also crosses dots, and a plain name matches only itself") {
  CHECK(glob_match("encoder.*.query", "encoder.layer.0.attention.self.query"));
  CHECK(glob_match("*", ""));
  CHECK(glob_match("fc1", "fc1"));
  CHECK_FALSE(glob_match("fc1", "fc10"));
  CHECK_FALSE(glob_match("fc1", "x.fc1"));
  CHECK_FALSE(glob_match("FC1", "fc1"));
}

TEST_CASE("A glob counts characters, not bytes") {
  CHECK(glob_match("gr?n", "gr\xC3\xBCn"));
  CHECK(glob_match("gr[\xC3\xA4\xC3\xBC]n", "gr\xC3\xBCn"));
  CHECK_FALSE(glob_match("gr??n", "gr\xC3\xBCn"));
  CHECK_FALSE(glob_match("*?\xBC", "\xC3\xBC"));  // no star ends within a character
}

TEST_CASE("A glob made to explode is matched at once") {
  std::string pattern;
  for (int i = 0; i < 40; ++i) pattern += "*a";
  pattern += "*b";
  const auto start = std::chrono::steady_clock::now();
  CHECK_FALSE(glob_match(pattern, std::string(20'000, 'a')));
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(1));
}

TEST_CASE("The nearest name is one that a typing mistake turns into the other") {
  const std::vector<std::string> names = {"minmax", "ema", "histogram", "int4_groupwise"};
  CHECK(nearest_name("histgram", names) == "histogram");
  CHECK(nearest_name("hsitogram", names) == "histogram");  // neighbours swapped: one mistake
  CHECK(nearest_name("Min-Max", names) == "minmax");
  CHECK(nearest_name("int4groupwize", names) == "int4_groupwise");
  CHECK(nearest_name("emma", names) == "ema");
  CHECK(nearest_name("torchscript", names).empty());
  CHECK(nearest_name("", names).empty());
  CHECK(nearest_name("x", {"y"}).empty());
  CHECK(nearest_name("ab", {"abc", "abd"}) == "abc");  // the first of equals
  CHECK(nearest_name(std::string(100'000, 'a'), names).empty());
}

TEST_CASE("Names are compared in lower case without underscores and hyphens") {
  CHECK(normalise_name("Min_Max-Observer") == "minmaxobserver");
  CHECK(normalise_name("") == "");
}

TEST_CASE("Sizes are written with three digits and decimal units") {
  CHECK(human_bytes(0) == "0 B");
  CHECK(human_bytes(999) == "999 B");
  CHECK(human_bytes(1000) == "1.00 kB");
  CHECK(human_bytes(9'994) == "9.99 kB");
  CHECK(human_bytes(9'995) == "10.0 kB");
  CHECK(human_bytes(99'949) == "99.9 kB");
  CHECK(human_bytes(99'950) == "100 kB");
  CHECK(human_bytes(999'499) == "999 kB");
  CHECK(human_bytes(999'500) == "1.00 MB");
  CHECK(human_bytes(90'868'376) == "90.9 MB");
  CHECK(human_bytes(UINT64_MAX) == "18.4 EB");
}

TEST_CASE("Digits are grouped by three") {
  CHECK(grouped(0) == "0");
  CHECK(grouped(999) == "999");
  CHECK(grouped(1'000) == "1,000");
  CHECK(grouped(123'456) == "123,456");
  CHECK(grouped(UINT64_MAX) == "18,446,744,073,709,551,615");
}

TEST_CASE("What a terminal would act on is spelt out") {
  CHECK(printable("plain \xC3\xBC \xE2\x82\xAC \xF0\x9F\x98\x80") ==
        "plain \xC3\xBC \xE2\x82\xAC \xF0\x9F\x98\x80");
  CHECK(printable("\x1b[31mred\x07\n") == "\\x1b[31mred\\x07\\x0a");
  CHECK(printable(std::string_view("a\0b", 3)) == "a\\x00b");
  CHECK(printable("\x7f") == "\\x7f");
  CHECK(printable("\xC2\x9B") == "\\u{009B}");  // a one-character escape sequence
  CHECK(printable("a\xE2\x80\xAE"
                  "b") == "a\\u{202E}b");                // right-to-left override
  CHECK(printable("\xF3\xA0\x81\x81") == "\\u{E0041}");  // invisible tag
}

TEST_CASE("What is no UTF-8 is spelt out byte by byte") {
  CHECK(printable("\xFF") == "\\xff");
  CHECK(printable("\xC3") == "\\xc3");                             // cut short
  CHECK(printable("\xC0\xAF") == "\\xc0\\xaf");                    // overlong '/'
  CHECK(printable("\xE0\x80\xAF") == "\\xe0\\x80\\xaf");           // overlong '/'
  CHECK(printable("\xED\xA0\x80") == "\\xed\\xa0\\x80");           // a surrogate
  CHECK(printable("\xF4\x90\x80\x80") == "\\xf4\\x90\\x80\\x80");  // above U+10FFFF
}

TEST_CASE("Words are joined as in a sentence") {
  CHECK(join_words({}) == "");
  CHECK(join_words({"a"}) == "a");
  CHECK(join_words({"a", "b"}) == "a and b");
  CHECK(join_words({"a", "b", "c"}) == "a, b and c");
}

}  // namespace detent
