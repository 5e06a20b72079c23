// SPDX-License-Identifier: Apache-2.0
// Headers as long as they may be, made to cost far more memory or time than their size.
#include <string>

#include "model/safetensors_header.hpp"
#include "support/catch.hpp"
#include "support/cost.hpp"
#include "support/temp_folder.hpp"
#include "unit/model/model_files.hpp"

namespace detent {
namespace {

std::string filled(std::string text, const std::string& unit, const std::string& end) {
  while (text.size() + unit.size() + end.size() <= kMaxHeaderBytes) text += unit;
  return text + end;
}

void check_bomb(const char* name, std::string header, const std::string& message) {
  const test::TempFolder folder;
  const auto path = folder.write("bomb.safetensors", test::safetensors(header, 0));
  std::string().swap(header);  // the child would have it, too
  const test::Cost cost = test::cost_of_opening(path);
  INFO(name << ": " << cost.seconds << " s, " << cost.megabytes << " MB, " << cost.outcome);
  WARN(name << ": " << cost.seconds << " s, " << cost.megabytes << " MB");
  CHECK(test::contains(cost.outcome, message));
  CHECK(cost.outcome.size() < 1500);
  CHECK(cost.seconds < 10);  // about 1 s; several times as much under sanitizers
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  CHECK(cost.megabytes < 500);
#endif
}

}  // namespace

TEST_CASE("100 MB of header cost no more than a few times as much memory") {
  const std::string entry = R"({"dtype":"U8","shape":[0],"data_offsets":[0,0]},)";
  check_bomb("100 million brackets", filled("{\"a\":", "[", ""), "8 levels of nesting");
  check_bomb("50 million numbers", filled("{\"a\":[", "0,", "0]}"), "250,001 entries");
  check_bomb("numbers in many lists",
             filled("{\"a\":{\"x\":[", "[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0],", "0]}}"),
             "more than 3,000,000 values");
  check_bomb("a name of 100 MB", filled("{\"", "n", "\":1}"), "at most 4,096 are allowed");
  check_bomb(
      "two names of 40 MB, the same",
      "{\"" + std::string(40'000'000, 'n') + "\":1,\"" + std::string(40'000'000, 'n') + "\":1}",
      "duplicate key");
  check_bomb("a string of 100 MB", filled("{\"a\":\"", "\\u0000", "\"}"), "is a string");
  check_bomb("a number of 100 MB", filled("{\"a\":1", "0", "}"), "beyond the range");
  check_bomb("100 MB of white space", filled("{", " ", ""), "not valid JSON");
  check_bomb("an escape that never ends", filled("{\"", "\\", ""), "the header is refused");
  check_bomb("metadata of 100 MB", filled("{\"__metadata__\":{\"k\":\"", "v", "\"}}"), "accepted");
}

TEST_CASE("A million tensors are refused, the most that are allowed are opened") {
  std::string header = "{";
  for (std::size_t i = 0; i < 1'000'000; ++i) {
    header += (i == 0 ? "\"" : ",\"") + std::to_string(i) +
              R"(":{"dtype":"U8","shape":[0,1],"data_offsets":[0,0]})";
    if (i + 1 == kMaxTensorsPerFile) check_bomb("250,000 tensors", header + "}", "accepted");
  }
  check_bomb("1,000,000 tensors", header + "}", "250,001 entries");
}

TEST_CASE("The most values that are allowed cost no more than the limit of memory") {
  std::string header = "{\"a\":{";
  for (int i = 0; i < 249'000; ++i)
    header += (i == 0 ? "\"" : ",\"") + std::to_string(i) + "\":[0,0,0,0,0,0,0,0,0,0]";
  check_bomb("2.7 million values", header + "}}", "dtype is missing");
}

}  // namespace detent
