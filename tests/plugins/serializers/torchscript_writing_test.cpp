// SPDX-License-Identifier: Apache-2.0
// What the torchscript serializer hands to the host: tensors, extra files, the archive.
#include "support/catch.hpp"
#include "writing.hpp"

using writing::testing::Params;
using writing::testing::Program;
using writing::testing::Tensor;
using Shape = std::vector<int64_t>;

namespace {

struct Writer : writing::Writer {
  Writer() : writing::Writer(DETENT_TEST_PLUGINS "/torchscript.detent.so", "torchscript") {}
  int32_t use() { return writing::testing::use_program(writer, call, program); }
  Program program;
};

const detent_qspec kInt4{
    sizeof(detent_qspec), DETENT_I4, DETENT_F32, DETENT_I8, 1, DETENT_PER_GROUP, 0, 4, 0, -8, 7,
    "detent.affine/1",    0,         0};

}  // namespace

TEST_CASE("stored tensors go into the program, kept ones are there", "[torchscript]") {
  Writer w;
  w.program.add_quantized("w", DETENT_F32, {2, 5}, &kInt4,
                          {{"qweight", DETENT_I4, {2, 5}}, {"scale", DETENT_F32, {2, 2}}});
  w.program.add_kept("b", DETENT_F32, {2});
  REQUIRE(w.use() == DETENT_OK);
  Tensor codes(Tensor::Zeros{}, DETENT_I4, {2, 5});
  for (size_t i = 0; i < 6; ++i) codes.bytes()[i] = static_cast<char>(i + 1);
  const Tensor scale({2, 2}, std::vector<float>{1, 2, 3, 4});
  const Tensor bias({2}, std::vector<float>{5, 6});
  const Tensor input({}, std::vector<float>{0.5F});
  REQUIRE(w.begin() == DETENT_OK);
  REQUIRE(w.declare("w", codes) == DETENT_OK);
  REQUIRE(w.declare("w_scale", scale) == DETENT_OK);
  REQUIRE(w.declare("b", bias) == DETENT_OK);
  REQUIRE(w.declare("fc.input_scale", input) == DETENT_OK);
  REQUIRE(w.set("quantization", R"({"format_version":1})") == DETENT_OK);
  REQUIRE(w.set("note", R"("says \"hi\"")") == DETENT_OK);
  REQUIRE(w.add("w", codes) == DETENT_OK);
  REQUIRE(w.add("w_scale", scale) == DETENT_OK);
  REQUIRE(w.add("b", bias) == DETENT_OK);
  REQUIRE(w.add("fc.input_scale", input) == DETENT_OK);
  REQUIRE(w.set("quantization", R"({"format_version":2})") == DETENT_OK);
  REQUIRE(w.finish() == DETENT_OK);
  CHECK(w.program.tensors.size() == 3);
  CHECK(w.program.tensors["w"] == std::pair<detent_dtype, Shape>{DETENT_U8, {2, 3}});
  CHECK(w.program.bytes["w"] == std::vector<char>{1, 2, 3, 4, 5, 6});
  CHECK(w.program.tensors["w_scale"] == std::pair<detent_dtype, Shape>{DETENT_F32, {2, 2}});
  CHECK(w.program.tensors["fc.input_scale"] == std::pair<detent_dtype, Shape>{DETENT_F32, {}});
  CHECK(w.program.extra_files ==
        std::map<std::string, std::string>{{"execution", R"({"exact":true})"},
                                           {"quantization", R"({"format_version":2})"},
                                           {"note", R"(says "hi")"}});
  CHECK(w.file() == "archive");
}

TEST_CASE("what another file said of its execution is not carried over", "[torchscript]") {
  Writer w;
  REQUIRE(w.use() == DETENT_OK);
  REQUIRE(w.begin() == DETENT_OK);
  REQUIRE(w.set("execution", R"({"exact":false})") == DETENT_OK);
  REQUIRE(w.finish() == DETENT_OK);
  CHECK(w.program.extra_files ==
        std::map<std::string, std::string>{{"execution", R"({"exact":true})"}});
}

TEST_CASE("without a program nothing is begun", "[torchscript]") {
  Writer w;
  CHECK(w.begin() == DETENT_E_UNSUPPORTED);
  CHECK(w.says("the model has none"));
}

TEST_CASE("a tensor is declared once and added once", "[torchscript]") {
  Writer w;
  const Tensor t({1}, std::vector<float>{1});
  REQUIRE(w.use() == DETENT_OK);
  REQUIRE(w.begin() == DETENT_OK);
  REQUIRE(w.declare("a", t) == DETENT_OK);
  CHECK(w.declare("a", t) == DETENT_E_INVALID_ARG);
  CHECK(w.add("b", t) == DETENT_E_INVALID_ARG);
  REQUIRE(w.add("a", t) == DETENT_OK);
  CHECK(w.add("a", t) == DETENT_E_INVALID_ARG);
}

TEST_CASE("a finish without a declared tensor is refused and ends the program", "[torchscript]") {
  Writer w;
  REQUIRE(w.use() == DETENT_OK);
  REQUIRE(w.begin() == DETENT_OK);
  REQUIRE(w.declare("a", Tensor({1}, std::vector<float>{1})) == DETENT_OK);
  CHECK(w.finish() == DETENT_E_INVALID_ARG);
  CHECK(w.says("\"a\" was declared and not added"));
  REQUIRE(w.use() == DETENT_OK);
  CHECK(w.begin() == DETENT_OK);
  CHECK(w.finish() == DETENT_OK);
}

TEST_CASE("a full disk is the host's to explain", "[torchscript]") {
  Writer w;
  w.folder.room = 3;
  REQUIRE(w.use() == DETENT_OK);
  REQUIRE(w.begin() == DETENT_OK);
  CHECK(w.finish() == DETENT_E_IO);
}

TEST_CASE("after an abort the next program is a new one", "[torchscript]") {
  Writer w;
  const Tensor t({1}, std::vector<float>{1});
  REQUIRE(w.use() == DETENT_OK);
  REQUIRE(w.begin() == DETENT_OK);
  REQUIRE(w.declare("a", t) == DETENT_OK);
  w.writer->abort(w.writer);
  CHECK(w.begin() == DETENT_E_UNSUPPORTED);
  REQUIRE(w.use() == DETENT_OK);
  REQUIRE(w.begin() == DETENT_OK);
  CHECK(w.declare("a", t) == DETENT_OK);
}

TEST_CASE("a form that does not exist is refused", "[torchscript]") {
  const writing::testing::Library library(DETENT_TEST_PLUGINS "/torchscript.detent.so");
  const Params params{{"/form", "quick"}};
  try {
    const writing::testing::Serializer s(library.plugin("torchscript"), params.config());
    FAIL("it was made");
  } catch (const detent::sdk::Error& e) {
    CHECK(e.code() == DETENT_E_PARAMS);
  }
}
