// SPDX-License-Identifier: Apache-2.0
// What the torchscript serializer makes of a program's operators: which function, which arguments.
#include <algorithm>

#include "support/catch.hpp"
#include "writing.hpp"

using writing::testing::Params;
using writing::testing::Program;
using writing::testing::ProgramActivation;
using writing::testing::ProgramOutput;
using writing::testing::Tensor;
using Texts = std::vector<std::string>;

namespace {

detent_qspec target(detent_dtype codes, int32_t granularity, bool symmetric, int64_t qmin,
                    int64_t qmax, int64_t group = 0, int32_t axis = 0) {
  return {sizeof(detent_qspec),
          codes,
          DETENT_F32,
          codes,
          symmetric ? 1U : 0U,
          granularity,
          axis,
          group,
          0,
          qmin,
          qmax,
          "detent.affine/1",
          0,
          0};
}
const detent_qspec kInt8 = target(DETENT_I8, DETENT_PER_CHANNEL, true, -127, 127);
const detent_qspec kInt8Zero = target(DETENT_I8, DETENT_PER_CHANNEL, false, -128, 127);
const detent_qspec kInput = target(DETENT_I8, DETENT_PER_TENSOR, false, -128, 127);
const ProgramActivation kStatic{DETENT_ACTIVATION_STATIC, kInput, true};
const ProgramActivation kDynamic{DETENT_ACTIVATION_DYNAMIC, kInput, false};
const ProgramActivation kFloat{};

// A serializer that gets a program; "" is the default form.
struct Rewriting {
  explicit Rewriting(const char* form = "")
      : params(*form != '\0' ? Params::List{{"/form", form}} : Params::List{}),
        library(DETENT_TEST_PLUGINS "/torchscript.detent.so"),
        writer(library.plugin("torchscript"), params.config()) {}

  void add_int8(const std::string& name, std::vector<int64_t> shape, const detent_qspec& t = kInt8,
                detent_dtype dtype = DETENT_F32) {
    std::vector<int64_t> scales;
    if (t.granularity == DETENT_PER_CHANNEL) scales = {shape[static_cast<size_t>(t.axis)]};
    std::vector<ProgramOutput> outputs{{"qweight", t.qdtype, shape}, {"scale", DETENT_F32, scales}};
    if (t.symmetric == 0) outputs.push_back({"zero_point", t.qdtype, scales});
    std::map<std::string, std::string> meta;
    if (t.symmetric != 0 && t.qdtype == DETENT_U8) meta["zero_point"] = "128";
    program.add_quantized(name, dtype, std::move(shape), &t, outputs, "detent.affine/1", meta);
  }
  void add_int4(const std::string& name, std::vector<int64_t> shape, int64_t group, bool zero,
                detent_dtype dtype = DETENT_F32) {
    const detent_qspec t = target(DETENT_I4, DETENT_PER_GROUP, !zero, -8, 7, group);
    const int64_t rows = shape.size() > 1 ? shape[0] : 1;
    int64_t columns = 1;
    for (const int64_t extent : shape) columns *= extent;
    columns /= rows;
    const std::vector<int64_t> scales{rows, (columns + group - 1) / group};
    std::vector<ProgramOutput> outputs{{"qweight", DETENT_I4, {rows, columns}},
                                       {"scale", DETENT_F32, scales}};
    if (zero) outputs.push_back({"zero_point", DETENT_I8, scales});
    program.add_quantized(name, dtype, std::move(shape), &t, outputs);
  }
  int32_t use() { return writing::testing::use_program(writer, call, program); }
  bool did(const std::string& what) const {
    return std::count(program.calls.begin(), program.calls.end(), what) == 1;
  }
  bool says(const char* text) const { return call.message.find(text) != std::string::npos; }
  bool defines(const char* function) const {
    return std::any_of(program.sources.begin(), program.sources.end(), [&](const std::string& s) {
      return s.find(std::string("def ") + function + "(") != std::string::npos;
    });
  }

  Params params;
  writing::testing::Library library;
  writing::testing::Serializer writer;
  writing::testing::Call call;
  Program program;
};

}  // namespace

TEST_CASE("a symmetric 8-bit linear layer is scaled at its output", "[torchscript]") {
  Rewriting r;
  r.add_int8("fc.weight", {4, 8});
  r.program.add_kept("fc.bias", DETENT_F32, {4});
  r.program.add_use("linear", "fc.weight");
  REQUIRE(r.use() == DETENT_OK);
  CHECK(
      r.program.calls ==
      Texts{"reads of fc.weight: detent_affine(tensor fc.weight, tensor fc.weight_scale, 0, 1, -1)",
            "use 0: detent_affine_linear(operand 0, tensor fc.weight, tensor fc.weight_scale, "
            "operand 2)"});
  CHECK(r.defines("detent_affine_linear"));
  CHECK_FALSE(r.defines("detent_int4"));
  CHECK_FALSE(r.defines("detent_static"));
  CHECK(r.program.warnings.empty());
}

TEST_CASE("zero points, other axes and types are undone on the weight", "[torchscript]") {
  Rewriting r;
  r.add_int8("a.weight", {4, 8}, kInt8Zero);
  r.add_int8("b.weight", {4, 8}, target(DETENT_I8, DETENT_PER_CHANNEL, true, -127, 127, 0, 1));
  r.add_int8("c.weight", {4, 8}, target(DETENT_U8, DETENT_PER_TENSOR, true, 1, 255));
  r.add_int8("d.weight", {4, 8}, kInt8, DETENT_F16);
  r.add_int8("e.weight", {8, 4, 3, 3}, kInt8, DETENT_BF16);
  for (const char* layer : {"a.weight", "b.weight", "c.weight", "d.weight"})
    r.program.add_use("linear", layer);
  r.program.add_use("conv2d", "e.weight");
  REQUIRE(r.use() == DETENT_OK);
  CHECK(
      r.program.calls ==
      Texts{"reads of a.weight: detent_affine_zero(tensor a.weight, tensor a.weight_scale, tensor "
            "a.weight_zero_point, 1, -1)",
            "reads of b.weight: detent_affine(tensor b.weight, tensor b.weight_scale, 0, 0, -1)",
            "reads of c.weight: detent_affine(tensor c.weight, tensor c.weight_scale, 128, -1, -1)",
            "reads of d.weight: detent_affine(tensor d.weight, tensor d.weight_scale, 0, 1, 5)",
            "reads of e.weight: detent_affine(tensor e.weight, tensor e.weight_scale, 0, 3, 15)"});
}

TEST_CASE("an operator that gets a view of its weight keeps it", "[torchscript]") {
  Rewriting r;
  r.add_int8("w", {4, 8});
  r.program.add_use("linear", "w", kStatic, kFloat, false);
  r.program.add_use("matmul", "w", kDynamic, kFloat, false);
  REQUIRE(r.use() == DETENT_OK);
  CHECK(r.program.calls ==
        Texts{"reads of w: detent_affine(tensor w, tensor w_scale, 0, 1, -1)",
              "operand 0 of use 0: detent_static_zero(tensor w.input_scale, tensor "
              "w.input_zero_point, -1, -128, 127)",
              "operand 0 of use 1: detent_dynamic(-1, -128, 127)"});
}

TEST_CASE("rows of an embedding are gathered before they are dequantized", "[torchscript]") {
  Rewriting r;
  r.add_int8("a", {10, 6});
  r.add_int8("b", {10, 6}, target(DETENT_U8, DETENT_PER_TENSOR, true, 1, 255));
  r.add_int8("c", {10, 6}, kInt8Zero);
  r.add_int4("d", {10, 7}, 4, true, DETENT_F16);
  r.program.add_quantized("e", DETENT_F32, {10, 6}, nullptr, {{"qweight", DETENT_F16, {10, 6}}},
                          "detent.cast/1");
  for (const char* weight : {"a", "b", "c", "d", "e"}) r.program.add_use("embedding", weight);
  REQUIRE(r.use() == DETENT_OK);
  CHECK(r.did("use 0: detent_affine_embedding_rows(operand 0, tensor a, tensor a_scale, 0, -1)"));
  CHECK(r.did("use 1: detent_affine_embedding(operand 0, tensor b, tensor b_scale, 128, -1)"));
  CHECK(
      r.did("use 2: detent_affine_embedding_rows_zero(operand 0, tensor c, tensor c_scale, tensor "
            "c_zero_point, -1)"));
  CHECK(
      r.did("use 3: detent_int4_embedding_zero(operand 0, tensor d, tensor d_scale, tensor "
            "d_zero_point, 7, 4, 5)"));
  CHECK(r.did("use 4: detent_cast_embedding(operand 0, tensor e, 6)"));
  CHECK(r.did("reads of e: detent_cast(tensor e, 6)"));
}

TEST_CASE("4-bit weights are unpacked into their own shape", "[torchscript]") {
  Rewriting r;
  r.add_int4("a", {4, 9}, 4, false);
  r.add_int4("b", {4, 3, 3, 3}, 128, true, DETENT_BF16);
  r.add_int4("c", {13}, 8, false);
  r.program.add_use("linear", "a");
  r.program.add_use("conv2d", "b");
  REQUIRE(r.use() == DETENT_OK);
  CHECK(
      r.program.calls ==
      Texts{
          "reads of a: detent_int4_2d(tensor a, tensor a_scale, 9, 4, 4, 9, -1)",
          "reads of b: detent_int4_4d_zero(tensor b, tensor b_scale, tensor b_zero_point, 27, 27, "
          "4, 3, 3, 3, 15)",
          "reads of c: detent_int4_1d(tensor c, tensor c_scale, 13, 8, 13, -1)"});
  CHECK(r.defines("detent_int4_2d"));
  CHECK(r.defines("detent_int4_4d_zero"));
  CHECK_FALSE(r.defines("detent_int4_4d"));
  CHECK_FALSE(r.defines("detent_affine"));
}

TEST_CASE("activations are quantized where they enter and leave an operator", "[torchscript]") {
  Rewriting r;
  r.program.add_kept("a.weight", DETENT_F32, {4, 8});
  r.add_int8("b.weight", {4, 8});
  ProgramActivation symmetric{DETENT_ACTIVATION_DYNAMIC, kInput, false};
  symmetric.qspec.symmetric = 1;
  symmetric.qspec.qdtype = DETENT_U8;
  symmetric.qspec.qmin = 0;
  symmetric.qspec.qmax = 255;
  ProgramActivation channels{DETENT_ACTIVATION_STATIC, kInput, false};
  channels.qspec.granularity = DETENT_PER_CHANNEL;
  channels.qspec.axis = 1;
  channels.qspec.symmetric = 1;
  r.program.add_use("conv2d", "a.weight", kStatic, symmetric);
  r.program.add_use("linear", "b.weight", channels, kDynamic);
  REQUIRE(r.use() == DETENT_OK);
  CHECK(r.program.calls ==
        Texts{"reads of b.weight: detent_affine(tensor b.weight, tensor b.weight_scale, 0, 1, -1)",
              "operand 0 of use 0: detent_static_zero(tensor a.input_scale, tensor "
              "a.input_zero_point, -1, -128, 127)",
              "result of use 0: detent_dynamic_symmetric(128, -1, 0, 255)",
              "operand 0 of use 1: detent_static(tensor b.input_scale, 0, 1, -128, 127)",
              "use 1: detent_affine_linear(operand 0, tensor b.weight, tensor b.weight_scale, "
              "operand 2)",
              "result of use 1: detent_dynamic(-1, -128, 127)"});
}

TEST_CASE("dynamic activations follow the rule of their target, and no fast operator does",
          "[torchscript]") {
  Rewriting r("fast");
  r.program.add_kept("a.weight", DETENT_F32, {4, 8});
  r.add_int8("b.weight", {4, 8});
  ProgramActivation symmetric{DETENT_ACTIVATION_DYNAMIC, kInput, false};
  symmetric.qspec.symmetric = 1;
  symmetric.qspec.affine_rules = DETENT_AFFINE_HALF_RANGE | DETENT_AFFINE_FLOOR_ZERO_ONLY;
  symmetric.qspec.min_scale = 0.125;
  ProgramActivation single = kDynamic;
  single.qspec.affine_rules = DETENT_AFFINE_FLOAT32 | DETENT_AFFINE_ROUND_LO_FIRST;
  r.program.add_use("conv2d", "a.weight", symmetric, kFloat);
  r.program.add_use("linear", "b.weight", single, kFloat);
  REQUIRE(r.use() == DETENT_OK);
  CHECK(
      r.did("operand 0 of use 0: detent_dynamic_symmetric_rule(0, -1, -128, 127, 127.500000, "
            "0.125000, True, False)"));
  CHECK(
      r.did("operand 0 of use 1: detent_dynamic_rule(-1, -128, 127, 0.000000, False, True, True)"));
}

TEST_CASE("the fast form packs a weight once, when the archive is loaded", "[torchscript]") {
  Rewriting r("fast");
  r.add_int8("a.weight", {4, 8});
  r.add_int8("b.weight", {4, 8}, kInt8Zero);
  r.add_int4("c.weight", {32, 256}, 128, true);
  r.program.add_use("linear", "a.weight", kDynamic);
  r.program.add_use("linear", "a.weight", kDynamic);
  r.program.add_use("linear", "b.weight", kDynamic);
  r.program.add_use("linear", "c.weight", kStatic);
  REQUIRE(r.use() == DETENT_OK);
  CHECK(r.did("prepare a.weight:packed: detent_pack8(tensor a.weight, tensor a.weight_scale)"));
  CHECK(r.did("use 0: detent_linear8(operand 0, prepared a.weight:packed, operand 2)"));
  CHECK(r.did("use 1: detent_linear8(operand 0, prepared a.weight:packed, operand 2)"));
  CHECK(
      r.did("prepare b.weight:packed: detent_pack8_zero(tensor b.weight, tensor b.weight_scale, "
            "tensor b.weight_zero_point)"));
  CHECK(r.did("prepare c.weight:packed: detent_pack4(tensor c.weight)"));
  CHECK(
      r.did("prepare c.weight:packed_scale: detent_pack4_scale_zero(tensor c.weight_scale, tensor "
            "c.weight_zero_point)"));
  CHECK(
      r.did("use 3: detent_linear4(operand 0, prepared c.weight:packed, prepared "
            "c.weight:packed_scale, 128, operand 2)"));
  // Other readers, and tools that look for the tensors, still find weights.
  CHECK(
      r.did("reads of a.weight: detent_affine(tensor a.weight, tensor a.weight_scale, 0, 1, -1)"));
  CHECK(r.program.warnings.empty());
}

TEST_CASE("the fast form says what stays portable and why", "[torchscript]") {
  Rewriting r("fast");
  r.add_int8("a.weight", {4, 8});
  r.add_int8("b.weight", {4, 8, 3});
  r.add_int4("c.weight", {24, 256}, 128, false);
  r.add_int4("d.weight", {32, 100}, 32, false);
  r.add_int4("e.weight", {32, 96}, 48, false);
  r.add_int8("f.weight", {10, 4});
  r.program.add_use("linear", "a.weight", kFloat);
  r.program.add_use("linear", "a.weight", kStatic);
  r.program.add_use("conv1d", "b.weight", kDynamic);
  r.program.add_use("linear", "c.weight");
  r.program.add_use("linear", "d.weight");
  r.program.add_use("linear", "e.weight");
  r.program.add_use("embedding", "f.weight");
  REQUIRE(r.use() == DETENT_OK);
  Texts warnings;
  for (const auto& [code, message] : r.program.warnings) {
    CHECK(code == "portable_form");
    warnings.push_back(message);
  }
  const std::string in = "1 operator is in the portable form, because ";
  CHECK(warnings ==
        Texts{in + "the fast 4-bit operator wants a multiple of 16 outputs: c",
              in + "the fast 4-bit operator wants groups of 32, 64, 128 or 256: e",
              in + "the fast 4-bit operator wants rows of whole groups: d",
              in + "the fast 8-bit operator computes its input's parameters in each run: a",
              in + "the fast 8-bit operator quantizes its input, which stays in floating point: a",
              in + "there is no fast operator for conv1d: b"});
  CHECK(
      r.did("use 0: detent_affine_linear(operand 0, tensor a.weight, tensor a.weight_scale, "
            "operand 2)"));
  CHECK(r.did("operand 0 of use 2: detent_dynamic(-1, -128, 127)"));
  CHECK_FALSE(r.defines("detent_linear4"));
}

TEST_CASE("an operator that the runtime lacks makes the fast form portable", "[torchscript]") {
  Rewriting r("fast");
  r.program.refused_source = "linear_prepack";
  r.add_int8("a.weight", {4, 8});
  r.program.add_use("linear", "a.weight", kDynamic);
  REQUIRE(r.use() == DETENT_OK);
  CHECK(
      r.did("use 0: detent_affine_linear(operand 0, tensor a.weight, tensor a.weight_scale, "
            "operand 2)"));
  CHECK(r.did("operand 0 of use 0: detent_dynamic(-1, -128, 127)"));
  REQUIRE(r.program.warnings.size() == 1);
  CHECK(r.program.warnings[0].second ==
        "1 operator is in the portable form, because LibTorch 0.0 lacks the operator: a");
}

TEST_CASE("the static form refuses what is not static", "[torchscript]") {
  Rewriting dynamic("static");
  dynamic.add_int8("a.weight", {4, 8});
  dynamic.program.add_use("linear", "a.weight", kDynamic);
  CHECK(dynamic.use() == DETENT_E_UNSUPPORTED);
  CHECK(dynamic.says("the activation of \"a\" is quantized with the parameters of each run"));
  Rewriting none("static");
  none.add_int8("a.weight", {4, 8});
  none.program.add_use("linear", "a.weight");
  CHECK(none.use() == DETENT_E_UNSUPPORTED);
  CHECK(none.says("no activation is quantized"));
  Rewriting good("static");
  good.add_int8("a.weight", {4, 8});
  good.program.add_use("linear", "a.weight", kStatic);
  CHECK(good.use() == DETENT_OK);
}

TEST_CASE("a mapping that no function undoes is refused by name", "[torchscript]") {
  Rewriting r;
  r.program.add_quantized("w", DETENT_F32, {4, 8}, nullptr, {{"qweight", DETENT_U8, {4, 8}}},
                          "acme.codebook/1");
  CHECK(r.use() == DETENT_E_UNSUPPORTED);
  CHECK(
      r.says("\"w\" cannot be written as TorchScript: the mapping \"acme.codebook/1\" is unknown"));
  CHECK(r.program.calls.empty());

  Rewriting blocks;
  detent_qspec t = kInt8;
  t.granularity = DETENT_PER_BLOCK;
  blocks.program.add_quantized("w", DETENT_F32, {4, 8}, &t,
                               {{"qweight", DETENT_I8, {4, 8}}, {"scale", DETENT_F32, {2, 2}}});
  CHECK(blocks.use() == DETENT_E_UNSUPPORTED);

  Rewriting groups;
  ProgramActivation grouped = kStatic;
  grouped.qspec.granularity = DETENT_PER_GROUP;
  groups.add_int8("w", {4, 8});
  groups.program.add_use("linear", "w", grouped);
  CHECK(groups.use() == DETENT_E_UNSUPPORTED);
  CHECK(groups.says("the activation of \"w\""));

  Rewriting indices;
  indices.add_int8("w", {4, 8});
  indices.program.add_use("embedding", "w", kStatic);
  CHECK(indices.use() == DETENT_E_UNSUPPORTED);
}
