// SPDX-License-Identifier: Apache-2.0
// Metadata: strings in the file, from JSON values; room for what is known only in the end.
#include "support/catch.hpp"
#include "writing.hpp"

using writing::Writer;
using writing::testing::Tensor;

namespace {
// The text between the quotes of one metadata value, as it stands in the header.
std::string escaped_text(const char* value_json) {
  Writer w;
  REQUIRE(w.begin() == DETENT_OK);
  REQUIRE(w.set("k", value_json) == DETENT_OK);
  REQUIRE(w.finish() == DETENT_OK);
  const std::string json = w.json();
  const size_t from = json.find("\"k\":\"") + 5;
  return json.substr(from, json.size() - 3 - from);
}
}  // namespace

TEST_CASE("a JSON string is stored decoded and any other value as its JSON text", "[safetensors]") {
  CHECK(escaped_text(R"("pt")") == "pt");
  CHECK(escaped_text(R"({"bits": 4})") == R"({\"bits\": 4})");
  CHECK(escaped_text("[1,2]") == "[1,2]");
  CHECK(escaped_text("3.5") == "3.5");
  CHECK(escaped_text("  true\n") == "true");
  CHECK(escaped_text(R"("")").empty());
}

TEST_CASE("metadata is escaped as little as JSON allows", "[safetensors]") {
  CHECK(escaped_text(R"("a\/b\"c\\d")") == R"(a/b\"c\\d)");
  CHECK(escaped_text(R"("\u0001\n\t\u0000")") == R"(\u0001\n\t\u0000)");
  CHECK(escaped_text(R"("\u00e9\u20ac\ud83d\ude00")") == "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
}

TEST_CASE("metadata keys are sorted and format is always there", "[safetensors]") {
  Writer w;
  REQUIRE(w.begin() == DETENT_OK);
  REQUIRE(w.set("zeta", "1") == DETENT_OK);
  REQUIRE(w.set("alpha", "2") == DETENT_OK);
  REQUIRE(w.set("alpha", "3") == DETENT_OK);
  REQUIRE(w.finish() == DETENT_OK);
  CHECK(w.json() == R"({"__metadata__":{"alpha":"3","format":"pt","zeta":"1"}})");
}

TEST_CASE("a key that is set may be set again after the data to a text not longer",
          "[safetensors]") {
  Writer w;
  const Tensor t({1}, std::vector<float>{1});
  REQUIRE(w.begin() == DETENT_OK);
  REQUIRE(w.set("sqnr", "\"..........\"") == DETENT_OK);
  REQUIRE(w.declare("t", t) == DETENT_OK);
  REQUIRE(w.add("t", t) == DETENT_OK);
  const std::string before = w.file();
  CHECK(w.set("sqnr", "\"12345678901\"") == DETENT_E_INVALID_ARG);         // one byte more
  CHECK(w.set("sqnr", "\"\\n\\n\\n\\n\\n\\n\"") == DETENT_E_INVALID_ARG);  // 6 characters, 12 bytes
  CHECK(w.set("other", "1") == DETENT_E_INVALID_ARG);
  REQUIRE(w.set("sqnr", "41.5") == DETENT_OK);
  REQUIRE(w.set("sqnr", "\"1234567890\"") == DETENT_OK);  // up to what was set aside, still
  REQUIRE(w.set("sqnr", "41.5") == DETENT_OK);
  REQUIRE(w.finish() == DETENT_OK);
  CHECK(w.file().size() == before.size());  // the data did not move
  CHECK(
      w.json() ==
      R"({"__metadata__":{"format":"pt","sqnr":"41.5"},"t":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})");
}

TEST_CASE("malformed metadata is refused", "[safetensors]") {
  Writer w;
  REQUIRE(w.begin() == DETENT_OK);
  for (const char* bad :
       {"", "  ", "\"open", "\"", "\"\\x\"", "\"\\u12g4\"", "\"\\ud800\"", "\"\\ud800\\u0041\"",
        "\"\\udc00\"", "\"a\"b\"", "\"\\\"", "\"line\nbreak\"", "\"\xff\"", "\"\xc0\xaf\"",
        "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "\"\xe2\x82\""}) {
    CAPTURE(bad);
    CHECK(w.set("k", bad) == DETENT_E_INVALID_ARG);
  }
  CHECK(w.set("\xff", "1") == DETENT_E_INVALID_ARG);
}
