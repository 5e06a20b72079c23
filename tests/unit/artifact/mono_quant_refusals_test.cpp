// SPDX-License-Identifier: Apache-2.0
// Files that look like Mono Quant's and are not right: each is refused for its own reason.
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>

#include "artifact/artifact.hpp"
#include "support/catch.hpp"
#include "support/program.hpp"
#include "support/refusal.hpp"
#include "support/tiny_model.hpp"

namespace detent::test {
namespace {

template <class T>
TinyTensor tensor(const std::string& name, const char* dtype, std::vector<std::int64_t> shape,
                  const std::vector<T>& values) {
  std::string bytes(values.size() * sizeof(T), '\0');
  if (!values.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  return {name, dtype, std::move(shape), std::move(bytes)};
}

TinyTensor codes(const std::vector<std::int64_t>& shape = {2, 3}) {
  return tensor<std::int8_t>("fc._quantized_weight_int8", "I8", shape, {1, -2, 3, -4, 5, -6});
}
TinyTensor scale(const std::vector<double>& values = {0.5, 2}) {
  return tensor("fc._scale", "F64", {static_cast<std::int64_t>(values.size())}, values);
}
TinyTensor zeros(const std::vector<std::int64_t>& values = {0, 7}) {
  return tensor("fc._zero_point", "I64", {static_cast<std::int64_t>(values.size())}, values);
}
TinyTensor axis(std::int64_t value = 0) {
  return tensor<std::int64_t>("fc._axis", "I64", {}, {value});
}

TinyTensor packed(const std::vector<std::int64_t>& shape = {6}) {
  return tensor<std::int8_t>("fc._packed_weight", "I8", shape, {1, 2, 3, 4, 5, 6});
}
TinyTensor scales(const std::vector<float>& values = {0.5F}) {
  return tensor("fc._scales", "F32", {static_cast<std::int64_t>(values.size())}, values);
}
TinyTensor zero_points(const std::vector<std::int32_t>& values = {1}) {
  return tensor("fc._zero_points", "I32", {static_cast<std::int64_t>(values.size())}, values);
}
TinyTensor bias(std::int64_t rows = 4) { return random_f32("fc.bias", {rows}, 1); }

// What opening a file of these tensors says.
std::string answer(const std::vector<TinyTensor>& tensors, const std::string& metadata = "") {
  const TempFolder folder;
  write_safetensors(folder / "m.safetensors", tensors, metadata);
  try {
    const Artifact artifact = Artifact::open(folder / "m.safetensors");
    if (!artifact.is_quantized()) return "not quantized";
    if (!artifact.lost().empty()) return "lost: " + artifact.lost()[0].reason;
    return "accepted";
  } catch (const Error& e) {
    CHECK(e.code() == ErrorCode::io);
    return e.what();
  }
}

}  // namespace

TEST_CASE("the tensors that these tests break are accepted whole") {
  CHECK(answer({codes(), scale(), zeros(), axis()}) == "accepted");
  CHECK(answer({codes(), scale({1, 2, 3}), zeros({1, 2, 3}), axis(1)}) == "accepted");
  CHECK(answer({packed(), scales(), zero_points(), bias()}) == "accepted");
}

TEST_CASE("a missing tensor of Mono Quant's is named") {
  CHECK(contains(answer({codes(), zeros(), axis()}), "\"fc._scale\" is missing"));
  CHECK(contains(answer({codes(), scale(), axis()}), "\"fc._zero_point\" is missing"));
  CHECK(contains(answer({codes(), scale(), zeros()}), "\"fc._axis\" is missing"));
  CHECK(contains(answer({packed(), scales(), bias()}), "\"fc._zero_points\" is missing"));
  CHECK(contains(answer({packed(), zero_points(), bias()}), "\"fc._scales\" is missing"));
  TinyTensor other = codes();
  other.name = "head._quantized_weight_int8";
  CHECK(contains(answer({other, scale(), zeros(), axis()}), "is missing"));
}

TEST_CASE("lengths and shapes that contradict one another are refused") {
  CHECK(contains(answer({codes(), scale({1, 2, 3}), zeros(), axis()}), "has the shape [3]"));
  CHECK(contains(answer({codes(), scale(), zeros({0}), axis()}), "has the shape [1]"));
  CHECK(contains(answer({codes(), scale({}), zeros(), axis()}), "has the shape [0]"));
  TinyTensor square = scale();
  square.shape = {2, 1};
  CHECK(contains(answer({codes(), square, zeros(), axis()}), "has the shape [2, 1]"));
  TinyTensor list = axis();
  list.shape = {1};
  CHECK(contains(answer({codes(), scale(), zeros(), list}), "has the shape [1]"));
  CHECK(contains(answer({packed(), scales({1, 2}), zero_points(), bias()}), "has the shape [1]"));
  CHECK(contains(answer({packed({1, 2, 3}), scales(), zero_points(), bias()}), "no list of bytes"));
  CHECK(contains(answer({packed({2, 3}), scales(), zero_points(), bias()}), "has the shape [1]"));
  TinyTensor wide = bias();
  wide.shape = {2, 2};
  CHECK(contains(answer({packed(), scales(), zero_points(), wide}), "is no bias"));
}

TEST_CASE("an axis that the weight does not have is refused") {
  for (const std::int64_t at :
       {std::int64_t{2}, std::int64_t{-1}, std::numeric_limits<std::int64_t>::max(),
        std::numeric_limits<std::int64_t>::min()})
    CHECK(contains(answer({codes(), scale(), zeros(), axis(at)}), "has 2 axes"));
}

TEST_CASE("what is no scale is refused") {
  for (const double bad :
       {std::nan(""), std::numeric_limits<double>::infinity(), 0.0, -1.0, 1e300, 1e-300}) {
    CHECK(contains(answer({codes(), scale({1, bad}), zeros(), axis()}), "at 1: no scale"));
    CHECK(contains(answer({packed(), scales({static_cast<float>(bad)}), zero_points(), bias()}),
                   "no scale"));
  }
}

TEST_CASE("zero points outside the codes are refused") {
  for (const std::int64_t bad :
       {std::int64_t{128}, std::int64_t{-129}, std::numeric_limits<std::int64_t>::min()})
    CHECK(contains(answer({codes(), scale(), zeros({0, bad}), axis()}), "outside [-128, 127]"));
  CHECK(contains(answer({packed(), scales(), zero_points({8}), bias()}), "outside [-8, 7]"));
}

TEST_CASE("element types of other formats are refused") {
  TinyTensor wrong = codes();
  wrong.dtype = "U8";
  CHECK(contains(answer({wrong, scale(), zeros(), axis()}), "is U8, and not I8"));
  CHECK(contains(
      answer({codes(), scale(), tensor<float>("fc._zero_point", "F32", {2}, {0, 0}), axis()}),
      "is F32, and not I64"));
  CHECK(contains(
      answer({codes(), tensor<std::int64_t>("fc._scale", "I64", {2}, {1, 1}), zeros(), axis()}),
      "is I64, and not F64"));
  CHECK(contains(answer({codes(), scale(), zeros(), tensor<double>("fc._axis", "F64", {}, {0})}),
                 "is F64, and not I64"));
}

TEST_CASE("a weight that would come out twice is refused") {
  CHECK(contains(answer({codes(), scale(), zeros(), axis(), random_f32("fc.weight", {2, 3}, 1)}),
                 "both as it is and quantized"));
  CHECK(contains(
      answer({codes(), scale(), zeros(), axis(), packed(), scales(), zero_points(), bias()}),
      "quantized twice"));
}

TEST_CASE("the size of a group comes from the metadata, and has to fit") {
  const std::vector<TinyTensor> tensors{packed(), scales({1, 2}), zero_points({1, 2}), bias(4)};
  CHECK(answer(tensors, R"({"group_size": "2"})") == "accepted");
  CHECK(answer(tensors, R"({"group_size": "3"})") == "accepted");  // a short last group
  CHECK(contains(answer(tensors, R"({"group_size": "4"})"), "lost: 4 rows in groups of 4"));
  CHECK(contains(answer(tensors), "lost: 4 rows in groups of 128"));
  for (const char* bad : {"0", "-1", "two", "2x", "99999999999999999999"})
    CHECK(contains(answer(tensors, R"({"group_size": ")" + std::string(bad) + "\"}"),
                   "has groups of"));
  // One group is all rows, whatever its size.
  CHECK(answer({packed(), scales(), zero_points(), bias(4)}) == "accepted");
}

TEST_CASE("codes of a fallback to INT8 whose zero points were lost are not guessed") {
  const auto rows = [](std::int8_t first) {
    return tensor<std::int8_t>("fc._packed_weight", "I8", {1, 3}, {first, 2, 3});
  };
  CHECK(answer({rows(-127), scales(), zero_points({0}), bias(1)}) == "accepted");
  CHECK(contains(answer({rows(-128), scales(), zero_points({0}), bias(1)}), "lost: "));
  CHECK(contains(
      answer({rows(-127), scales(), zero_points({0}), bias(1)}, R"({"scheme": "asymmetric"})"),
      "lost: "));
  CHECK(contains(answer({rows(-127), scales(), zero_points({1}), bias(1)}), "is not all 0"));
}

TEST_CASE("a layer that was quantized and not stored is lost") {
  const std::vector<TinyTensor> tensors{codes(), scale(), zeros(), axis()};
  CHECK(answer(tensors, R"({"selected_layers": "[\"fc\"]"})") == "accepted");
  CHECK(contains(answer(tensors, R"({"selected_layers": "[\"fc\", \"emb\"]"})"), "not stored"));
  CHECK(
      contains(answer(tensors, R"({"selected_layers": "[\"emb\", \"emb\"]"})"), "quantized twice"));
  for (const char* other : {"", "[1, null]", "{}", "[", "fc"})
    CHECK(answer(tensors, R"({"selected_layers": ")" + std::string(other) + "\"}") == "accepted");
}

TEST_CASE("names that only resemble Mono Quant's are tensors like others") {
  TinyTensor odd = codes();
  odd.name = "fc_quantized_weight_int8";
  CHECK(answer({odd, scale()}) == "not quantized");
  CHECK(answer({packed()}) == "not quantized");
  CHECK(answer({scale(), zeros()}) == "not quantized");
}

TEST_CASE("every byte of a file of Mono Quant may be wrong") {
  const std::string good =
      read_file(std::string(DETENT_TEST_DATA) + "/mono_quant/int8_root.safetensors");
  const TempFolder folder;
  const Registry none = Registry::scan({});
  ThreadPool pool(1);
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const unsigned flip : {1U, 128U}) {
      std::string bad = good;
      bad[at] = static_cast<char>(static_cast<unsigned char>(bad[at]) ^ flip);
      write_file(folder / "m.safetensors", bad);
      try {
        const Artifact artifact = Artifact::open(folder / "m.safetensors");
        for (const TensorRecord& r : artifact.records()) {
          TensorStore stored;
          artifact.load(r, stored);
          HostTensor out(r.name, DETENT_F32, r.shape);
          dequantize(r, stored, none, pool, out);
        }
      } catch (const Error& e) {
        REQUIRE(e.code() == ErrorCode::io);
      }
    }
  }
}

}  // namespace detent::test
