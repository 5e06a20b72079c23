// SPDX-License-Identifier: Apache-2.0
#include "config/pattern.hpp"

#include <ctime>
#include <stdexcept>
#include <string>

#include "support/catch.hpp"

namespace detent {
namespace {

std::string refusal(const std::string& text) {
  try {
    Pattern pattern(text);
    return "";
  } catch (const std::invalid_argument& e) {
    return e.what();
  }
}

TEST_CASE("a pattern is a glob unless it begins with re:") {
  CHECK(Pattern("*.embed*").matches("model.embed_tokens"));
  CHECK(Pattern("fc1").matches("fc1"));
  CHECK_FALSE(Pattern("fc1").matches("fc10"));
  CHECK_FALSE(Pattern("fc.").matches("fc1"));
}

TEST_CASE("an expression matches the whole name") {
  const Pattern pattern("re:layers\\.(0|11)\\..*");
  CHECK(pattern.matches("layers.11.mlp"));
  CHECK_FALSE(pattern.matches("layers.1.mlp"));
  CHECK_FALSE(pattern.matches("model.layers.11.mlp"));
  CHECK(Pattern("re:model\\.[a-z]{1,9}\\.[0-9]{1,3}\\.[a-z]{2,8}").matches("model.layers.11.mlp"));
  CHECK(Pattern("re:conv[0-9]{1,2}").matches("conv12"));
  CHECK_FALSE(Pattern("re:conv[0-9]{1,2}").matches("conv123"));
}

TEST_CASE("an expression that does not compile is refused with a reason") {
  for (const char* bad :
       {"re:(", "re:[a", "re:a{", "re:a{2,1}", "re:*", "re:[z-a]", "re:\\", "re:[[:nonsense:]]"}) {
    CAPTURE(bad);
    CHECK_FALSE(refusal(bad).empty());
  }
  CHECK(refusal("re:" + std::string(1001, 'a')).find("at most 1000 characters") !=
        std::string::npos);
  CHECK(refusal("re:a{99999999999999999999}").find("repetitions") != std::string::npos);
  CHECK(refusal("re:((a{50}){50}){50}").find("repetitions") != std::string::npos);
  CHECK(refusal("re:a{1,100000}").find("repetitions") != std::string::npos);
  CHECK(refusal("re:" + std::string(1000, '(')).find("parentheses") != std::string::npos);
}

// Each makes a backtracking matcher run for longer than the universe, or recurse beyond its stack.
TEST_CASE("no expression that compiles is slow or overflows the stack") {
  const std::clock_t begin = std::clock();
  const std::string name(500, 'a');
  CHECK_FALSE(Pattern("re:(a+)+b").matches(name));
  CHECK_FALSE(Pattern("re:(a|a)*b").matches(name));
  CHECK_FALSE(Pattern("re:(a|aa)+b").matches(name));
  CHECK_FALSE(Pattern("re:(.*)*x").matches(name));
  CHECK_FALSE(Pattern("re:(?:a?){760}b").matches(name));
  std::string optional;
  for (int i = 0; i < 46; ++i) optional += "a?";
  CHECK(Pattern("re:(" + optional + "){100}").matches(name));  // the deepest recursion there is
  CHECK(Pattern("re:" + std::string(499, '(') + std::string(499, ')') + "a*").matches(name));
  CHECK_FALSE(Pattern("re:.*").matches(std::string(1'000'000, 'a')));  // longer than any name
  CHECK((std::clock() - begin) / CLOCKS_PER_SEC < 20);                 // of processor time
}

}  // namespace
}  // namespace detent
