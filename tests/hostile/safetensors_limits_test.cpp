// SPDX-License-Identifier: Apache-2.0
// The limits on what a header may hold, at the limit and one above it.
#include <string>

#include "model/safetensors_header.hpp"
#include "support/catch.hpp"
#include "unit/model/model_files.hpp"

namespace detent {
namespace {

SafetensorsHeader parse(const std::string& header) {
  return parse_safetensors_header(header, 8 + header.size(), "m.safetensors");
}

std::string refused(const std::string& header) {
  return test::refusal([&] { parse(header); });
}

std::string repeated(const std::string& text, int n) {
  std::string result;
  for (int i = 0; i < n; ++i) result += (i == 0 ? "" : ",") + text;
  return result;
}

// n empty tensors; the header is not closed yet.
std::string open_header(std::size_t n) {
  std::string header = "{";
  for (std::size_t i = 0; i < n; ++i)
    header += (i == 0 ? "\"" : ",\"") + std::to_string(i) +
              R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
  return header;
}

}  // namespace

TEST_CASE("As many tensors as are allowed are taken, one more is refused") {
  const std::string most = open_header(kMaxTensorsPerFile);
  const std::string metadata = R"(,"__metadata__":{})";
  const std::string one_more = R"(,"x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
  CHECK(parse(most + metadata + "}").tensors.size() == kMaxTensorsPerFile);
  CHECK(test::contains(refused(most + one_more + "}"), "holds more than 250,000 tensors"));
  CHECK(test::contains(refused(most + metadata + one_more + "}"), "more than 250,001 entries"));
}

TEST_CASE("Lists and headers with too many values are refused") {
  const auto with_field = [](const std::string& value) { return R"({"a":{"x":)" + value + "}}"; };
  CHECK(test::contains(refused(with_field("[" + repeated("1", 250'002) + "]")),
                       "more than 250,001 entries"));
  const std::string list = "[" + repeated("0", 1000) + "]";
  CHECK(test::contains(refused(with_field("[" + repeated(list, 3000) + "]")),
                       "more than 3,000,000 values"));
  CHECK(test::contains(refused(with_field("[" + repeated(list, 2900) + "]")), "dtype is missing"));
}

}  // namespace detent
