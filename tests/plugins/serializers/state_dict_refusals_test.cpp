// SPDX-License-Identifier: Apache-2.0
// What the state_dict serializer refuses, and that it says why.
#include "support/catch.hpp"
#include "writing.hpp"

using writing::testing::Tensor;

namespace {

struct Writer : writing::Writer {
  Writer() : writing::Writer(DETENT_TEST_PLUGINS "/state_dict.detent.so", "state_dict") {}
};

const Tensor& one() {
  static const Tensor t({2}, std::vector<float>{1, 2});
  return t;
}

}  // namespace

TEST_CASE("a state dict's calls out of order are refused", "[state_dict]") {
  Writer w;
  CHECK(w.declare("a", one()) == DETENT_E_INVALID_ARG);
  CHECK(w.alias("b", "a") == DETENT_E_INVALID_ARG);
  CHECK(w.finish() == DETENT_E_INVALID_ARG);
  REQUIRE(w.begin() == DETENT_OK);
  CHECK(w.begin() == DETENT_E_INVALID_ARG);
  for (const char* name : {"a", "b", "c"}) REQUIRE(w.declare(name, one()) == DETENT_OK);
  CHECK(w.declare("a", one()) == DETENT_E_INVALID_ARG);
  CHECK(w.add("b", one()) == DETENT_E_INVALID_ARG);
  CHECK(w.says("\"b\" is added before \"a\""));
  REQUIRE(w.add("a", one()) == DETENT_OK);
  CHECK(w.add("a", one()) == DETENT_E_INVALID_ARG);
  CHECK(w.declare("late", one()) == DETENT_E_INVALID_ARG);
  CHECK(w.add("b", Tensor({2, 1}, std::vector<float>{1, 2})) == DETENT_E_INVALID_ARG);
  CHECK(w.finish() == DETENT_E_INVALID_ARG);
  CHECK(w.says("\"b\" was declared and not added, and 1 after it"));
  CHECK(w.begin() == DETENT_OK);
}

TEST_CASE("aliases of nothing, of names that are taken, and late ones are refused",
          "[state_dict]") {
  Writer w;
  REQUIRE(w.begin() == DETENT_OK);
  REQUIRE(w.declare("a", one()) == DETENT_OK);
  CHECK(w.alias("b", "nothing") == DETENT_E_INVALID_ARG);
  CHECK(w.says("\"nothing\", which was not declared"));
  CHECK(w.alias("a", "a") == DETENT_E_INVALID_ARG);
  CHECK(w.alias("\xff", "a") == DETENT_E_INVALID_ARG);
  REQUIRE(w.alias("b", "a") == DETENT_OK);
  CHECK(w.alias("b", "a") == DETENT_E_INVALID_ARG);
  CHECK(w.declare("b", one()) == DETENT_E_INVALID_ARG);
  REQUIRE(w.add("a", one()) == DETENT_OK);
  CHECK(w.alias("c", "a") == DETENT_E_INVALID_ARG);
  CHECK(w.finish() == DETENT_OK);
}

TEST_CASE("dtypes and shapes that torch cannot hold are refused", "[state_dict]") {
  Writer w;
  REQUIRE(w.begin() == DETENT_OK);
  const int64_t huge[] = {INT64_MAX, 4};
  const int64_t negative[] = {-1};
  const int64_t two[] = {2};
  const int64_t wide[] = {0, INT64_MAX, INT64_MAX};  // no elements, and no strides
  const detent_tensor_spec specs[] = {{"huge", huge, 2, DETENT_F32},
                                      {"negative", negative, 1, DETENT_F32},
                                      {"fp4", two, 1, DETENT_F4_E2M1FN},
                                      {"fp6", two, 1, DETENT_DTYPE(15, 6)}};
  const int32_t expected[] = {DETENT_E_INVALID_ARG, DETENT_E_INVALID_ARG, DETENT_E_UNSUPPORTED,
                              DETENT_E_UNSUPPORTED};
  for (int i = 0; i < 4; ++i) {
    CAPTURE(specs[i].name);
    CHECK(w.writer->declare(w.writer, w.call, &specs[i]) == expected[i]);
  }
  CHECK(w.says("tensor \"fp6\": torch.load has no name for its dtype (code 15, 6 bits)"));
  const detent_tensor_spec spec{"wide", wide, 3, DETENT_U8};
  if (w.writer->declare(w.writer, w.call, &spec) == DETENT_OK)
    CHECK(w.finish() == DETENT_E_INVALID_ARG);
}

TEST_CASE("metadata keys that would leave the archive when it is unpacked are refused",
          "[state_dict]") {
  Writer w;
  REQUIRE(w.begin() == DETENT_OK);
  for (const char* bad : {"", "/etc/passwd", "..", "../x", "a/../b", "a//b", "a/", ".", "a\\b",
                          "C:x", "line\nbreak"}) {
    CAPTURE(bad);
    CHECK(w.set(bad, "1") == DETENT_E_UNSUPPORTED);
  }
  CHECK(w.set(std::string(1025, 'k').c_str(), "1") == DETENT_E_UNSUPPORTED);
  CHECK(w.set("\xff", "1") == DETENT_E_INVALID_ARG);
  CHECK(w.set("open", "\"text") == DETENT_E_INVALID_ARG);
  CHECK(w.set("modelspec.title", "1") == DETENT_OK);
  CHECK(w.set("a/b", "1") == DETENT_OK);
}

TEST_CASE("tensors that together exceed a file are refused before any data", "[state_dict]") {
  Writer w;
  REQUIRE(w.begin() == DETENT_OK);
  const int64_t most[] = {INT64_MAX / 8 - 8};  // what one tensor may have
  for (const char* name : {"a", "b", "c", "d", "e", "f", "g", "h", "i"}) {
    const detent_tensor_spec spec{name, most, 1, DETENT_U8};
    REQUIRE(w.writer->declare(w.writer, w.call, &spec) == DETENT_OK);
  }
  CHECK(w.finish() == DETENT_E_INVALID_ARG);
  CHECK(w.file().empty());
}

TEST_CASE("a full disk is an input/output error of the state dict", "[state_dict]") {
  Writer w;
  w.folder.room = 450;
  REQUIRE(w.begin() == DETENT_OK);
  const Tensor t({1000}, std::vector<int8_t>(1000, 1));
  REQUIRE(w.declare("a", t) == DETENT_OK);
  CHECK(w.add("a", t) == DETENT_E_IO);
  CHECK(w.says("disk full"));
}
