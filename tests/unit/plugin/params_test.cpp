// SPDX-License-Identifier: Apache-2.0
#include "plugin/params.hpp"

#include "json/parse.hpp"
#include "support/catch.hpp"

using namespace detent;

namespace {

const Params& params() {
  static const Params value(*json::parse(R"({
    "bins": 2048, "exact": 2.0, "share": 99.99, "on": true, "off": false, "method": "kl", "empty": "",
    "big": 18446744073709551615, "list": [1, {"deep": 7}], "nothing": null, "a/b": 3
  })")
                                 .if_object());
  return value;
}

const detent_params* p() { return params().c(); }

}  // namespace

TEST_CASE("integers are read where they are whole and fit") {
  std::int64_t v = -1;
  CHECK(p()->get_i64(p(), "/bins", &v) == DETENT_OK);
  CHECK(v == 2048);
  CHECK(p()->get_i64(p(), "/exact", &v) == DETENT_OK);
  CHECK(v == 2);
  CHECK(p()->get_i64(p(), "/list/1/deep", &v) == DETENT_OK);
  CHECK(v == 7);
  CHECK(p()->get_i64(p(), "/a~1b", &v) == DETENT_OK);
  CHECK(v == 3);
  CHECK(p()->get_i64(p(), "/share", &v) == DETENT_E_PARAMS);
  CHECK(p()->get_i64(p(), "/big", &v) == DETENT_E_PARAMS);
  CHECK(p()->get_i64(p(), "/method", &v) == DETENT_E_PARAMS);
  CHECK(p()->get_i64(p(), "/nothing", &v) == DETENT_E_PARAMS);
  CHECK(p()->get_i64(p(), "/absent", &v) == DETENT_E_NOT_FOUND);
  CHECK(p()->get_i64(p(), "bins", &v) == DETENT_E_NOT_FOUND);
  CHECK(p()->get_i64(p(), nullptr, &v) == DETENT_E_INVALID_ARG);
  CHECK(v == 3);  // untouched by what failed
}

TEST_CASE("numbers, booleans, texts and the length of lists are read") {
  double d = 0;
  CHECK(p()->get_f64(p(), "/share", &d) == DETENT_OK);
  CHECK(d == 99.99);
  CHECK(p()->get_f64(p(), "/bins", &d) == DETENT_OK);
  CHECK(d == 2048);
  CHECK(p()->get_f64(p(), "/on", &d) == DETENT_E_PARAMS);
  std::uint32_t b = 9;
  CHECK(p()->get_bool(p(), "/on", &b) == DETENT_OK);
  CHECK(b == 1);
  CHECK(p()->get_bool(p(), "/off", &b) == DETENT_OK);
  CHECK(b == 0);
  CHECK(p()->get_bool(p(), "/bins", &b) == DETENT_E_PARAMS);
  const char* s = nullptr;
  std::uint64_t n = 0;
  CHECK(p()->get_str(p(), "/method", &s, &n) == DETENT_OK);
  CHECK(std::string(s, n) == "kl");
  CHECK(p()->get_str(p(), "/empty", &s, &n) == DETENT_OK);
  CHECK(n == 0);
  CHECK(p()->get_str(p(), "/bins", &s, &n) == DETENT_E_PARAMS);
  CHECK(p()->array_size(p(), "/list", &n) == DETENT_OK);
  CHECK(n == 2);
  CHECK(p()->array_size(p(), "/method", &n) == DETENT_E_PARAMS);
  CHECK(p()->array_size(p(), "/absent", &n) == DETENT_E_NOT_FOUND);
}

TEST_CASE("the text is the same object as JSON") {
  CHECK(json::parse(params().text()).at_pointer("/list/1/deep") != nullptr);
  CHECK(Params(json::Object()).text() == "{}");
}
