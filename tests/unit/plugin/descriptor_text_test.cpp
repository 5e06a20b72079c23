// SPDX-License-Identifier: Apache-2.0
#include "fixtures.hpp"
#include "plugin/descriptor.hpp"

using namespace detent;
using namespace detent::test;

TEST_CASE("is_semver takes what semver.org lists as valid and nothing else") {
  for (const char* good : {"0.0.4", "1.2.3", "10.20.30", "1.1.2-prerelease+meta", "1.1.2+meta",
                           "1.0.0-alpha.beta.1", "1.0.0-alpha0.valid", "1.0.0-rc.1+build.1",
                           "2.0.0+build.1848", "1.2.3----RC-SNAPSHOT.12.9.1--.12",
                           "1.0.0+0.build.1-rc.10000aaa-kk-0.1", "1.0.0-0A.is.legal"}) {
    CAPTURE(good);
    CHECK(is_semver(good));
  }
  for (const char* bad : {"", "1", "1.2", "1.2.3-0123", "1.1.2+.123", "+invalid", "-invalid",
                          "alpha", "1.0.0-alpha_beta", "01.1.1", "1.01.1", "1.1.01", "1.2.3.DEV",
                          "1.2-SNAPSHOT", "1.2.3-", "1.2.3+", "v1.2.3", "1.2.3 ", "1..3"}) {
    CAPTURE(bad);
    CHECK_FALSE(is_semver(bad));
  }
}

TEST_CASE("checked_text takes UTF-8 up to its limit and names what it refuses") {
  CHECK(checked_text("", "it", 3).empty());
  CHECK(checked_text("abc", "it", 3) == "abc");
  CHECK(checked_text("\xC3\xA4 \xE2\x82\xAC \xF0\x9F\x98\x80", "it", 20).size() == 11);
  const auto reason = [](const char* text) {
    return error_of([&] { checked_text(text, "it", 3); }).problems()[0].message;
  };
  CHECK(reason(nullptr) == "it is NULL");
  CHECK(reason("abcd") == "it is longer than 3 bytes");
  // A lone continuation, a cut character, an overlong slash, a surrogate, beyond U+10FFFF.
  for (const char* bad : {"\x80", "\xC3", "\xC0\xAF", "\xED\xA0\x80", "\xFF"}) {
    CHECK(reason(bad) == "it is not UTF-8");
  }
  CHECK(error_of([] { checked_text("\xF4\x90\x80\x80", "it", 9); }).problems()[0].message ==
        "it is not UTF-8");
}
