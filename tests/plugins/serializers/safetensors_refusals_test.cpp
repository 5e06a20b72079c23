// SPDX-License-Identifier: Apache-2.0
// What the serializer refuses, and that it says why.
#include "support/catch.hpp"
#include "writing.hpp"

using writing::Writer;
using writing::testing::Tensor;

namespace {
const Tensor& one() {
  static const Tensor t({2}, std::vector<float>{1, 2});
  return t;
}
}  // namespace

TEST_CASE("calls out of order are refused", "[safetensors]") {
  Writer w;
  CHECK(w.declare("a", one()) == DETENT_E_INVALID_ARG);
  CHECK(w.finish() == DETENT_E_INVALID_ARG);
  REQUIRE(w.begin() == DETENT_OK);
  CHECK(w.begin() == DETENT_E_INVALID_ARG);
  REQUIRE(w.declare("a", one()) == DETENT_OK);
  REQUIRE(w.add("a", one()) == DETENT_OK);
  CHECK(w.declare("b", one()) == DETENT_E_INVALID_ARG);
}

TEST_CASE("finish names the declared tensor that was not added", "[safetensors]") {
  Writer w;
  REQUIRE(w.begin() == DETENT_OK);
  for (const char* name : {"a", "b", "c"}) REQUIRE(w.declare(name, one()) == DETENT_OK);
  REQUIRE(w.add("a", one()) == DETENT_OK);
  CHECK(w.finish() == DETENT_E_INVALID_ARG);
  CHECK(w.says("\"b\" was declared and not added, and 1 after it"));
  CHECK(w.file().substr(0, 8) != std::string(8, '\0'));  // 0xAA: nothing was written in front
  CHECK(w.begin() == DETENT_OK);
}

TEST_CASE("tensors are added once, in order, and as declared", "[safetensors]") {
  Writer w;
  REQUIRE(w.begin() == DETENT_OK);
  for (const char* name : {"a", "b"}) REQUIRE(w.declare(name, one()) == DETENT_OK);
  CHECK(w.add("b", one()) == DETENT_E_INVALID_ARG);
  CHECK(w.says("\"b\" is added before \"a\""));
  CHECK(w.add("unknown", one()) == DETENT_E_INVALID_ARG);
  CHECK(w.add("a", Tensor({2}, std::vector<int32_t>{1, 2})) == DETENT_E_INVALID_ARG);
  CHECK(w.add("a", Tensor({2, 1}, std::vector<float>{1, 2})) == DETENT_E_INVALID_ARG);
  REQUIRE(w.add("a", one()) == DETENT_OK);
  CHECK(w.add("a", one()) == DETENT_E_INVALID_ARG);
  CHECK(w.says("added twice"));
}

TEST_CASE("names that a header cannot hold are refused", "[safetensors]") {
  Writer w;
  REQUIRE(w.begin() == DETENT_OK);
  REQUIRE(w.declare("a", one()) == DETENT_OK);
  CHECK(w.declare("a", one()) == DETENT_E_INVALID_ARG);
  CHECK(w.declare("__metadata__", one()) == DETENT_E_INVALID_ARG);
  CHECK(w.declare("\xc3", one()) == DETENT_E_INVALID_ARG);
  CHECK(w.declare("", one()) == DETENT_OK);  // odd, and allowed by the format
}

TEST_CASE("dtypes and shapes that the format cannot hold are refused", "[safetensors]") {
  Writer w;
  REQUIRE(w.begin() == DETENT_OK);
  const int64_t huge[] = {INT64_MAX, 4};
  const int64_t negative[] = {-1};
  const int64_t odd[] = {3};
  const detent_tensor_spec specs[] = {{"huge", huge, 2, DETENT_F32},
                                      {"negative", negative, 1, DETENT_F32},
                                      {"odd", odd, 1, DETENT_F4_E2M1FN},
                                      {"nameless", odd, 1, DETENT_DTYPE(5, 128)}};
  const int32_t expected[] = {DETENT_E_INVALID_ARG, DETENT_E_INVALID_ARG, DETENT_E_UNSUPPORTED,
                              DETENT_E_UNSUPPORTED};
  for (int i = 0; i < 4; ++i) {
    CAPTURE(specs[i].name);
    CHECK(w.writer->declare(w.writer, w.call, &specs[i]) == expected[i]);
  }
}

TEST_CASE("tensors that together exceed a file are refused", "[safetensors]") {
  Writer w;
  REQUIRE(w.begin() == DETENT_OK);
  const int64_t most[] = {INT64_MAX / 8 - 8};  // what one tensor may have
  for (const char* name : {"a", "b", "c", "d", "e", "f", "g", "h", "i"}) {
    const detent_tensor_spec spec{name, most, 1, DETENT_U8};
    REQUIRE(w.writer->declare(w.writer, w.call, &spec) == DETENT_OK);
  }
  CHECK(w.finish() == DETENT_E_INVALID_ARG);
}

TEST_CASE("a header larger than readers accept is refused before any data", "[safetensors]") {
  Writer w;
  REQUIRE(w.begin() == DETENT_OK);
  REQUIRE(w.declare("a", one()) == DETENT_OK);
  REQUIRE(w.set("big", std::string(100'000'000, '1').c_str()) == DETENT_OK);
  CHECK(w.add("a", one()) == DETENT_E_UNSUPPORTED);
  CHECK(w.says("100000000"));
  CHECK(w.file().empty());
}

TEST_CASE("a view that reaches beyond its buffer is refused", "[safetensors]") {
  Writer w;
  REQUIRE(w.begin() == DETENT_OK);
  detent_tensor shortened = one().view();
  shortened.nbytes = 7;
  REQUIRE(w.declare("a", one()) == DETENT_OK);
  CHECK(w.writer->add_tensor(w.writer, w.call, "a", &shortened) == DETENT_E_INVALID_ARG);
  for (const int64_t stride : {int64_t{2}, int64_t{-1}, INT64_MAX}) {
    detent_tensor strided = one().view();
    strided.strides = &stride;
    CAPTURE(stride);
    CHECK(w.writer->add_tensor(w.writer, w.call, "a", &strided) == DETENT_E_INVALID_ARG);
  }
}

TEST_CASE("a full disk is an input/output error that says so", "[safetensors]") {
  Writer w;
  w.folder.room = 100;
  REQUIRE(w.begin() == DETENT_OK);
  const Tensor t({100}, std::vector<int8_t>(100, 1));
  REQUIRE(w.declare("a", t) == DETENT_OK);
  CHECK(w.add("a", t) == DETENT_E_IO);
  CHECK(w.says("disk full"));
}
