// SPDX-License-Identifier: Apache-2.0
// What the serializer writes, byte for byte.
#include "support/catch.hpp"
#include "writing.hpp"

using writing::Writer;
using writing::testing::Tensor;

namespace {
// u64 little-endian length, then the header.
std::string with_length(const std::string& header) {
  std::string out(8, '\0');
  out[0] = static_cast<char>(header.size());
  return out + header;
}
}  // namespace

TEST_CASE("a file is a length, a padded header and the data", "[safetensors]") {
  Writer w;
  const Tensor t({2}, std::vector<float>{1.0F, -2.0F});
  REQUIRE(w.begin() == DETENT_OK);
  REQUIRE(w.declare("w", t) == DETENT_OK);
  REQUIRE(w.add("w", t) == DETENT_OK);
  REQUIRE(w.finish() == DETENT_OK);
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  REQUIRE(header.size() == 85);
  CHECK(w.file() ==
        with_length(header + "   ") + std::string("\x00\x00\x80\x3f\x00\x00\x00\xc0", 8));
}

TEST_CASE("tensors are placed widest dtype first and then by name", "[safetensors]") {
  Writer w;
  const Tensor bytes({3}, std::vector<uint8_t>{1, 2, 3});
  const Tensor longs({1}, std::vector<int64_t>{9});
  const Tensor floats({1}, std::vector<float>{0.5F});
  REQUIRE(w.begin() == DETENT_OK);
  for (const char* name : {"b", "a"}) REQUIRE(w.declare(name, floats) == DETENT_OK);
  REQUIRE(w.declare("z", bytes) == DETENT_OK);
  REQUIRE(w.declare("long", longs) == DETENT_OK);
  for (const char* name : {"b", "a"}) REQUIRE(w.add(name, floats) == DETENT_OK);
  REQUIRE(w.add("z", bytes) == DETENT_OK);
  REQUIRE(w.add("long", longs) == DETENT_OK);
  REQUIRE(w.finish() == DETENT_OK);
  CHECK(
      w.json() ==
      R"({"__metadata__":{"format":"pt"},"long":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},)"
      R"("a":{"dtype":"F32","shape":[1],"data_offsets":[8,12]},)"
      R"("b":{"dtype":"F32","shape":[1],"data_offsets":[12,16]},)"
      R"("z":{"dtype":"U8","shape":[3],"data_offsets":[16,19]}})");
  CHECK(w.file().substr(w.file().size() - 3) == "\x01\x02\x03");
}

TEST_CASE("four-bit codes become bytes with the last extent halved up", "[safetensors]") {
  Writer w;
  Tensor odd(Tensor::Zeros{}, DETENT_I4, {2, 3});  // two rows of two bytes
  std::memcpy(odd.bytes(), "\x21\x03\x54\x06", 4);
  const Tensor scalar(Tensor::Zeros{}, DETENT_U4, {});
  REQUIRE(w.begin() == DETENT_OK);
  REQUIRE(w.declare("odd", odd) == DETENT_OK);
  REQUIRE(w.declare("one", scalar) == DETENT_OK);
  REQUIRE(w.add("odd", odd) == DETENT_OK);
  REQUIRE(w.add("one", scalar) == DETENT_OK);
  REQUIRE(w.finish() == DETENT_OK);
  CHECK(
      w.json() ==
      R"({"__metadata__":{"format":"pt"},"odd":{"dtype":"U8","shape":[2,2],"data_offsets":[0,4]},)"
      R"("one":{"dtype":"U8","shape":[],"data_offsets":[4,5]}})");
  CHECK(w.file().substr(w.file().size() - 5) == std::string("\x21\x03\x54\x06\x00", 5));
}

TEST_CASE("a model without tensors, scalars and empty tensors are written", "[safetensors]") {
  Writer none;
  REQUIRE(none.begin() == DETENT_OK);
  REQUIRE(none.finish() == DETENT_OK);
  CHECK(none.file() == with_length(R"({"__metadata__":{"format":"pt"}})"));

  Writer w;
  const Tensor scalar({}, std::vector<float>{3.0F});
  const Tensor empty({2, 0, 5}, std::vector<float>{});
  REQUIRE(w.begin() == DETENT_OK);
  REQUIRE(w.declare("empty", empty) == DETENT_OK);
  REQUIRE(w.declare("scalar", scalar) == DETENT_OK);
  REQUIRE(w.add("empty", empty) == DETENT_OK);
  REQUIRE(w.add("scalar", scalar) == DETENT_OK);
  REQUIRE(w.finish() == DETENT_OK);
  CHECK(
      w.json() ==
      R"({"__metadata__":{"format":"pt"},"empty":{"dtype":"F32","shape":[2,0,5],"data_offsets":[0,0]},)"
      R"("scalar":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})");
}

TEST_CASE("strided, reversed and broadcast tensors are written row by row", "[safetensors]") {
  Writer w;
  const std::vector<float> values{0, 1, 2, 3, 4, 5};
  const Tensor transposed({3, 2}, {1, 3}, values);   // of [[0,1,2],[3,4,5]]
  const Tensor reversed({6}, {-1}, values, 5);       // starts at the last element
  const Tensor repeated({2, 3}, {0, 1}, values, 3);  // [3,4,5] twice
  REQUIRE(w.begin() == DETENT_OK);
  REQUIRE(w.declare("a", transposed) == DETENT_OK);
  REQUIRE(w.declare("b", reversed) == DETENT_OK);
  REQUIRE(w.declare("c", repeated) == DETENT_OK);
  REQUIRE(w.add("a", transposed) == DETENT_OK);
  REQUIRE(w.add("b", reversed) == DETENT_OK);
  REQUIRE(w.add("c", repeated) == DETENT_OK);
  REQUIRE(w.finish() == DETENT_OK);
  const std::vector<float> expected{0, 3, 1, 4, 2, 5, 5, 4, 3, 2, 1, 0, 3, 4, 5, 3, 4, 5};
  std::vector<float> found(expected.size());
  std::memcpy(found.data(), w.file().data() + w.file().size() - 72, 72);
  CHECK(found == expected);
}

TEST_CASE("a strided tensor larger than the copy buffer is whole", "[safetensors]") {
  constexpr int64_t rows = 700, columns = 1000;  // 2.8 MB as float32
  std::vector<float> values(rows * columns);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  const Tensor transposed({columns, rows}, {1, columns}, values);
  Writer w;
  REQUIRE(w.begin() == DETENT_OK);
  REQUIRE(w.declare("t", transposed) == DETENT_OK);
  REQUIRE(w.add("t", transposed) == DETENT_OK);
  REQUIRE(w.finish() == DETENT_OK);
  const std::string file = w.file();
  const char* data = file.data() + file.size() - values.size() * 4;
  for (int64_t c = 0; c < columns; c += 37)
    for (int64_t r = 0; r < rows; ++r) {
      float value = 0;
      std::memcpy(&value, data + (c * rows + r) * 4, 4);
      if (value != static_cast<float>(r * columns + c)) FAIL("element " << c << "," << r);
    }
}

TEST_CASE("a host that takes few bytes at a time gets the same file", "[safetensors]") {
  const Tensor t({300}, std::vector<int8_t>(300, 7));
  std::string files[2];
  for (const bool slow : {false, true}) {
    Writer w;
    if (slow) w.folder.step = 7;
    REQUIRE(w.begin() == DETENT_OK);
    REQUIRE(w.declare("t", t) == DETENT_OK);
    REQUIRE(w.add("t", t) == DETENT_OK);
    REQUIRE(w.finish() == DETENT_OK);
    files[slow ? 1 : 0] = w.file();
  }
  CHECK(files[0] == files[1]);
}

TEST_CASE("safetensors has no second names, and does not offer them", "[safetensors]") {
  CHECK(Writer().writer->declare_alias == nullptr);
}

TEST_CASE("one instance writes a second file after finish and after abort", "[safetensors]") {
  Writer w;
  const Tensor t({1}, std::vector<float>{1});
  REQUIRE(w.begin() == DETENT_OK);
  REQUIRE(w.declare("t", t) == DETENT_OK);
  w.writer->abort(w.writer);
  for (int i = 0; i < 2; ++i) {
    REQUIRE(w.begin() == DETENT_OK);
    REQUIRE(w.declare("t", t) == DETENT_OK);
    REQUIRE(w.add("t", t) == DETENT_OK);
    REQUIRE(w.finish() == DETENT_OK);
  }
}
