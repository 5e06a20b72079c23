// SPDX-License-Identifier: Apache-2.0
#include "model/safetensors_header.hpp"

#include <string>
#include <vector>

#include "base/dtype.hpp"
#include "support/catch.hpp"
#include "unit/model/model_files.hpp"

namespace detent {
namespace {

using test::contains;
using test::refusal;

SafetensorsHeader parse(const std::string& header, std::uint64_t data_size) {
  return parse_safetensors_header(header, 8 + header.size() + data_size, "m.safetensors");
}

std::string refused(const std::string& header, std::uint64_t data_size) {
  return refusal([&] { parse(header, data_size); });
}

// The header of one tensor "a".
std::string one(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"a":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets +
         "}}";
}

std::string repeated(const std::string& text, int n, const std::string& separator) {
  std::string result;
  for (int i = 0; i < n; ++i) result += (i == 0 ? "" : separator) + text;
  return result;
}

struct Case {
  std::string header;
  std::uint64_t data_size;
  std::string message;  // part of what is said
};

void check_all(const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    const std::string error = refused(c.header, c.data_size);
    INFO(c.header.substr(0, 200) << "\n" << error);
    CHECK(error.starts_with("m.safetensors: "));
    CHECK(contains(error, c.message));
  }
}

}  // namespace

TEST_CASE("A header gives its tensors in the order of their data") {
  const SafetensorsHeader h = parse(R"({"b":{"dtype":"F16","shape":[2],"data_offsets":[8,12]},)"
                                    R"("__metadata__":{"format":"pt","k":""},)"
                                    R"("a":{"data_offsets":[0,8],"shape":[1,2],"dtype":"F32"}}   )",
                                    12);
  REQUIRE(h.tensors.size() == 2);
  const std::uint64_t data_start = h.tensors[0].offset;
  CHECK(h.tensors[0].name == "a");
  CHECK(h.tensors[0].dtype == DETENT_F32);
  CHECK(h.tensors[0].shape == std::vector<std::int64_t>{1, 2});
  CHECK(h.tensors[0].nbytes == 8);
  CHECK(h.tensors[1].name == "b");
  CHECK(h.tensors[1].offset == data_start + 8);
  CHECK(h.metadata ==
        std::vector<std::pair<std::string, std::string>>{{"format", "pt"}, {"k", ""}});
}

TEST_CASE("What the reference reader takes is taken") {
  CHECK(parse("{}", 0).tensors.empty());
  CHECK(parse("{}  \n\t", 0).tensors.empty());  // padded
  CHECK(parse(R"({"__metadata__":{}})", 0).metadata.empty());
  CHECK(parse(one("F32", "[]", "[0,4]"), 4).tensors[0].shape.empty());  // a scalar
  CHECK(parse(one("F32", "[0]", "[0,0]"), 0).tensors[0].nbytes == 0);   // an empty tensor
  CHECK(parse(one("F32", "[3,0,2]", "[0,0]"), 0).tensors[0].nbytes == 0);
  CHECK(parse(one("BOOL", "[3]", "[0,3]"), 3).tensors[0].nbytes == 3);
  CHECK(parse(one("F4", "[3,2]", "[0,3]"), 3).tensors[0].nbytes == 3);  // rows end on a byte
  CHECK(parse(one("F6_E2M3", "[4]", "[0,3]"), 3).tensors[0].nbytes == 3);
  CHECK(parse(one("C64", "[1]", "[0,8]"), 8).tensors[0].dtype == kC64);
  CHECK(parse(R"({"":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"more":[{}]}})", 1)
            .tensors[0]
            .name.empty());
  CHECK(parse(one("U8", "[" + repeated("1", 64, ",") + "]", "[0,1]"), 1).tensors[0].numel() == 1);
  // Two empty tensors at one place, between others.
  CHECK(parse(R"({"x":{"dtype":"U8","shape":[1],"data_offsets":[1,2]},)"
              R"("y":{"dtype":"U8","shape":[0],"data_offsets":[1,1]},)"
              R"("z":{"dtype":"F64","shape":[0],"data_offsets":[1,1]},)"
              R"("w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
              2)
            .tensors.size() == 4);
}

TEST_CASE("JSON inside a metadata string is text, however deep") {
  const std::string note = R"({"__metadata__":{"q":"{\"a\":[[[[[[[[[[[[{\\\"b\\\":1,","r":"\\"}})";
  CHECK(parse(note, 0).metadata[0].second == R"({"a":[[[[[[[[[[[[{\"b\":1,)");
  CHECK(parse(note, 0).metadata[1].second == "\\");
}

TEST_CASE("Every dtype of the format has its size") {
  const std::vector<std::pair<std::string, int>> bits = {
      {"BOOL", 8},        {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8},
      {"I8", 8},          {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8},
      {"F8_E5M2FNUZ", 8}, {"I16", 16},    {"U16", 16},    {"F16", 16},    {"BF16", 16},
      {"I32", 32},        {"U32", 32},    {"F32", 32},    {"C64", 64},    {"F64", 64},
      {"I64", 64},        {"U64", 64}};
  CHECK(bits.size() == 22);
  for (const auto& [name, width] : bits) {
    INFO(name);
    const int bytes = width;  // of 8 values
    const auto end = std::to_string(bytes);
    CHECK(parse(one(name, "[8]", "[0," + end + "]"), static_cast<std::uint64_t>(bytes))
              .tensors.size() == 1);
  }
}

TEST_CASE("A header that is no JSON object of the right kind is refused") {
  const std::string deep_text = R"({"a":)" + std::string(100'000, '[');
  check_all({
      {"", 0, "does not begin with '{' at byte 8"},
      {" {}", 0, "does not begin with '{' at byte 8"},
      {"\xEF\xBB\xBF{}", 0, "does not begin with '{'"},
      {"[]", 0, "does not begin with '{'"},
      {"null", 0, "does not begin with '{'"},
      {"{", 0, "not valid JSON"},
      {"{}{}", 0, "(line 1, column 3 of the header)"},
      {std::string("{}\0\0", 4), 0, "the header is refused"},  // padded with NUL
      {R"({"a":1,})", 0, "not valid JSON"},
      {"{/**/}", 0, "not valid JSON"},
      {"{\"a\xFF\":1}", 0, "not valid JSON"},  // no UTF-8
      {R"({"a":"\ud800"})", 0, "not valid JSON"},
      {R"({"a":NaN})", 0, "not valid JSON"},
      {R"({"a":1e400})", 0, "beyond the range of a double"},
      {deep_text, 0, "more than 8 levels of nesting"},
      {R"({"a":)" + std::string(100'000, '{'), 0, "more than 8 levels of nesting"},
      {R"({"a":{"dtype":"U8","shape":[],"data_offsets":[0,1],"x":[[[[[[[1]]]]]]]}})", 1, "levels"},
  });
}

TEST_CASE("A name that comes twice is refused, however it is spelt") {
  const std::string entry = R"({"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
  check_all({
      {R"({"a":)" + entry + R"(,"a":)" + entry + "}", 0, "duplicate key"},
      {R"({"a":)" + entry + R"(,"\u0061":)" + entry + "}", 0, "duplicate key"},
      {R"({"__metadata__":{},"__metadata__":{}})", 0, "duplicate key"},
      {R"({"__metadata__":{"k":"1","k":"2"}})", 0, "duplicate key"},
      {R"({"a":{"dtype":"U8","dtype":"U8","shape":[0],"data_offsets":[0,0]}})", 0, "duplicate"},
  });
}

TEST_CASE("Metadata is an object of strings") {
  check_all({
      {R"({"__metadata__":null})", 0, "__metadata__ is null, not an object of strings"},
      {R"({"__metadata__":[]})", 0, "__metadata__ is an array"},
      {R"({"__metadata__":{"k":1}})", 0, "__metadata__ \"k\" is an integer, not a string"},
      {R"({"__metadata__":{"k":null}})", 0, "is null, not a string"},
      {R"({"__metadata__":{"k":{}}})", 0, "is an object, not a string"},
  });
}

TEST_CASE("An entry must have the three fields, each of its kind") {
  check_all({
      {R"({"a":1})", 0, "tensor \"a\": is an integer, not an object"},
      {R"({"a":null})", 0, "tensor \"a\": is null"},
      {R"({"a":{}})", 0, "dtype is missing"},
      {R"({"a":{"dtype":"U8","data_offsets":[0,0]}})", 0, "shape is missing"},
      {R"({"a":{"dtype":"U8","shape":[0]}})", 0, "data_offsets is missing"},
      {R"({"a":{"dtype":8,"shape":[0],"data_offsets":[0,0]}})", 0, "dtype is an integer"},
      {one("f32", "[0]", "[0,0]"), 0, "unknown dtype \"f32\""},
      {one("I4", "[2]", "[0,1]"), 1, "unknown dtype \"I4\""},
      {one("", "[0]", "[0,0]"), 0, "unknown dtype \"\""},
      {one("U8", "{}", "[0,0]"), 0, "shape is an object, not a list"},
      {one("U8", "null", "[0,0]"), 0, "shape is null"},
      {one("U8", "[0]", "[0]"), 0, "data_offsets is not a list of two numbers"},
      {one("U8", "[0]", "[0,0,0]"), 0, "data_offsets is not a list of two numbers"},
      {one("U8", "[0]", "{}"), 0, "data_offsets is not a list of two numbers"},
  });
}

TEST_CASE("Sizes and offsets are whole numbers without a sign") {
  check_all({
      {one("U8", "[-1]", "[0,0]"), 0, "shape holds -1"},
      {one("U8", "[-0]", "[0,0]"), 0, "-0 is no whole number"},
      {one("U8", "[-0.0]", "[0,0]"), 0, "shape holds -0"},
      {one("U8", "[0]", "[-0,0]"), 0, "-0 is no whole number"},
      {one("U8", "[1.0]", "[0,1]"), 1, "shape holds 1"},
      {one("U8", "[1e0]", "[0,1]"), 1, "shape holds 1"},
      {one("U8", "[\"1\"]", "[0,1]"), 1, "shape holds a string"},
      {one("U8", "[true]", "[0,1]"), 1, "shape holds a boolean"},
      {one("U8", "[[1]]", "[0,1]"), 1, "shape holds an array"},
      {one("U8", "[18446744073709551616]", "[0,0]"), 0, "only whole numbers from 0 to 2^64-1"},
      {one("U8", "[9223372036854775808]", "[0,0]"), 0, "above 2^63-1"},
      {one("U8", "[1]", "[-1,0]"), 1, "data_offsets holds -1"},
      {one("U8", "[1]", "[0,1.5]"), 1, "data_offsets holds 1.5"},
      {one("U8", "[1]", "[1,0]"), 1, "data_offsets [1, 0] end before they begin"},
      {one("U8", "[1]", "[0,18446744073709551616]"), 1, "only whole numbers"},
  });
}

TEST_CASE("Shapes that overflow are refused, also beside a size of 0") {
  check_all({
      {one("U8", "[4294967296,4294967296]", "[0,0]"), 0, "more bits than 2^63"},
      {one("F32", "[4611686018427387904,4]", "[0,0]"), 0, "more bits than 2^63"},
      {one("F32", "[4611686018427387904]", "[0,0]"), 0, "more bits than 2^63"},
      {one("U8", "[9223372036854775807]", "[0,9223372036854775807]"), 0, "more bits than 2^63"},
      {one("F4", "[2305843009213693952]", "[0,0]"), 0, "more bits than 2^63"},
      {one("U8", "[0,4611686018427387904,4]", "[0,0]"), 0, "more bits than 2^63"},
      {one("U8", "[4611686018427387904,4,0]", "[0,0]"), 0, "more bits than 2^63"},
      {one("U8", "[" + repeated("4294967296", 64, ",") + "]", "[0,0]"), 0, "more bits than 2^63"},
      {one("U8", "[" + repeated("1", 65, ",") + "]", "[0,1]"), 1, "has 65 dimensions; at most 64"},
  });
}

TEST_CASE("Offsets must hold exactly the shape") {
  check_all({
      {one("F32", "[4,4]", "[0,80]"), 80,
       "tensor \"a\": data_offsets [0, 80] do not hold shape [4, 4] of F32 (64 bytes)"},
      {one("F32", "[4,4]", "[0,60]"), 60, "do not hold shape [4, 4]"},
      {one("F32", "[]", "[0,0]"), 0, "do not hold shape [] of F32 (4 bytes)"},
      {one("F32", "[0]", "[0,4]"), 4, "(0 bytes)"},
      {one("F4", "[3]", "[0,1]"), 1, "rows of 3 values of 4 bits do not end on a byte"},
      {one("F4", "[2,3]", "[0,3]"), 3, "rows of 3 values of 4 bits"},
      {one("F4", "[]", "[0,1]"), 1, "rows of 1 values of 4 bits"},
      {one("F6_E3M2", "[2,2]", "[0,3]"), 3, "rows of 2 values of 6 bits"},
  });
}

TEST_CASE("The tensors fill the data without gap and overlap") {
  const auto two = [](const std::string& a, int na, const std::string& b, int nb) {
    return R"({"a":{"dtype":"U8","shape":[)" + std::to_string(na) + R"(],"data_offsets":)" + a +
           R"(},"b":{"dtype":"U8","shape":[)" + std::to_string(nb) + R"(],"data_offsets":)" + b +
           "}}";
  };
  check_all({
      {one("U8", "[1]", "[1,2]"), 2, "bytes 0 to 1 of the data before it belong to no tensor"},
      {two("[0,4]", 4, "[3,7]", 4), 7, "tensors \"a\" and \"b\" overlap: data_offsets [0, 4] and"},
      {two("[0,4]", 4, "[0,4]", 4), 4, "overlap"},
      {two("[0,8]", 8, "[2,4]", 2), 8, "overlap"},
      {two("[0,8]", 8, "[4,4]", 0), 8, "overlap"},  // an empty tensor inside another one
      {two("[0,4]", 4, "[5,7]", 2), 7, "bytes 4 to 5 of the data before it"},
      {two("[5,7]", 2, "[0,4]", 4), 7, "tensor \"a\": data_offsets [5, 7], but bytes 4 to 5"},
      {two("[0,4]", 4, "[4,8]", 4), 9, "the last 1 bytes belong to no tensor"},
      {two("[0,4]", 4, "[9,9]", 0), 9, "bytes 4 to 9"},
      {"{}", 1, "the last 1 bytes belong to no tensor"},
  });
}

TEST_CASE("A file that is shorter than its header says is called truncated") {
  check_all({
      {one("U8", "[100]", "[0,100]"), 99, "bytes long but its header says"},
      {one("U8", "[100]", "[0,100]"), 0, "truncated? tensor \"a\": data_offsets [0, 100] end"},
      {one("U8", "[1]", "[18446744073709551614,18446744073709551615]"), 1, "more than 2^64"},
      {one("U8", "[0]", "[5,5]"), 0, "truncated?"},
  });
  const std::string error = refused(one("U8", "[5000]", "[0,5000]"), 1000);
  CHECK(contains(error, "is 1,067 bytes long but its header says 5,067: truncated?"));
}

TEST_CASE("Names that could be taken for others are refused") {
  const auto named = [](const std::string& name) {
    return "{\"" + name + R"(":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})";
  };
  CHECK(parse(named(std::string(4096, 'n')), 1).tensors.size() == 1);
  check_all({
      {named(std::string(4097, 'n')), 1, "the name is 4,097 bytes long; at most 4,096"},
      {named("a\\u0000b"), 1, "the name holds a NUL character"},
  });
  const std::string error = refused(R"({"\u001b[2J\u202e":1})", 0);
  CHECK(contains(error, "tensor \"\\x1b[2J\\u{202E}\""));  // harmless to the terminal
  CHECK(refused("{\"" + std::string(1'000'000, 'n') + "\":1}", 0).size() < 1000);
}

TEST_CASE("The length of the header is checked before anything is read") {
  const auto length = [](const std::string& bytes, std::uint64_t file_size) {
    return safetensors_header_length(bytes, file_size, "m.safetensors");
  };
  const auto error = [&](const std::string& bytes, std::uint64_t file_size) {
    return refusal([&] { length(bytes, file_size); });
  };
  CHECK(length(test::length_bytes(2), 10) == 2);
  CHECK(length(test::length_bytes(100'000'000), 100'000'008) == 100'000'000);
  CHECK(contains(error("", 0), "is empty"));
  CHECK(contains(error("1234567", 7), "is 7 bytes long; the length of the header alone takes 8"));
  CHECK(contains(error(test::length_bytes(3), 10),
                 "is 10 bytes long but its header alone takes 11: truncated?"));
  CHECK(contains(error(test::length_bytes(100'000'001), 1'000'000'000),
                 "a header of 100,000,001 bytes; at most 100,000,000"));
  CHECK(contains(error(test::length_bytes(UINT64_MAX), 100), "18,446,744,073,709,551,615 bytes"));
  CHECK(contains(error(test::length_bytes(UINT64_MAX - 7), 100), "at most 100,000,000"));
  CHECK(contains(error("PK\x03\x04 and more of a zip", 1000), "a zip archive, as PyTorch's"));
  CHECK(contains(error("\x80\x02}q and more of it", 1000), "looks like a Python pickle"));
  CHECK(contains(error("version https://git-lfs.github.com/spec/v1", 130), "Git LFS pointer"));
  CHECK(contains(error("<!DOCTYPE html>", 1000), "a web page"));
  CHECK(contains(error("{\"a\": 1}     ", 1000), "a JSON file"));
  CHECK(contains(error("{\"a\"", 4), "a JSON file"));
}

}  // namespace detent
