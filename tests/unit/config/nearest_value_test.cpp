// SPDX-License-Identifier: Apache-2.0
#include "config/nearest_value.hpp"

#include "json/parse.hpp"
#include "support/catch.hpp"

namespace detent {
namespace {

// As text; "none" when there is none.
std::string nearest(const char* value, const char* schema) {
  const auto found = nearest_allowed(json::parse(value), *json::parse(schema).if_object());
  return found ? json::dump(*found) : "none";
}

}  // namespace

TEST_CASE("the nearest number that a schema allows obeys all its limits at once") {
  CHECK(nearest("100", R"({"type": "integer", "multipleOf": 32})") == "96");
  CHECK(nearest("112", R"({"type": "integer", "multipleOf": 32})") == "96");  // as near as 128
  CHECK(nearest("5", R"({"type": "integer", "multipleOf": 32, "minimum": 1})") == "32");
  CHECK(nearest("1000", R"({"type": "integer", "multipleOf": 32, "maximum": 250})") == "224");
  CHECK(nearest("0", R"({"type": "integer", "exclusiveMinimum": 0})") == "1");
  CHECK(nearest("9", R"({"type": "integer", "exclusiveMaximum": 8})") == "7");
  CHECK(nearest("2.6", R"({"type": "integer"})") == "3");
  CHECK(nearest("-3", R"({"type": "number", "minimum": 0.5})") == "0.5");
  CHECK(nearest("0.36", R"({"type": "number", "multipleOf": 0.25})") == "0.25");
  CHECK(nearest("7", R"({"enum": [2, 3, 4, 8]})") == "8");
  CHECK(nearest("6", R"({"enum": ["six", 4, 8]})") == "4");
  CHECK(nearest("1", R"({"const": 2})") == "2");
}

TEST_CASE("there is no nearest number at an open end, in an empty range or of a text") {
  CHECK(nearest("0", R"({"type": "number", "exclusiveMinimum": 0})") == "none");
  CHECK(nearest("5", R"({"type": "integer", "minimum": 8, "maximum": 7})") == "none");
  CHECK(nearest("5", R"({"type": "integer", "minimum": 1, "maximum": 3, "multipleOf": 4})") ==
        "none");
  CHECK(nearest("\"5\"", R"({"type": "integer"})") == "none");
  CHECK(nearest("1e300", R"({"type": "integer", "minimum": 1})") == "none");
}

}  // namespace detent
