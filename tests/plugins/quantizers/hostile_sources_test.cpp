// SPDX-License-Identifier: Apache-2.0
// What is read back from a file may be anything: each of these is an error and none a crash.
#include <functional>
#include <limits>

#include "plugins/quantizers/quantizing.hpp"
#include "support/catch.hpp"

namespace detent::test {
namespace {

const Shape kShape = {4, 10};

Results stored_by(const char* id, bool symmetric) {
  const Params params = std::string(id) == "fp16" ? Params{}
                        : std::string(id) == "int8"
                            ? Params{{"/symmetric", symmetric}}
                            : Params{{"/symmetric", symmetric}, {"/group_size", 4}};
  return Quantizer(id, params).quantize(Tensor::of(kShape, random_weights(40, 1)));
}

// Changes one thing and reads: the status, and a text for every failure.
std::int32_t read_after(const char* id, bool symmetric,
                        const std::function<void(Results&)>& change) {
  Results stored = stored_by(id, symmetric);
  change(stored);
  Quantizer q(id);
  Tensor out(DETENT_F32, kShape);
  const std::int32_t status = q.try_dequantize(stored, out);
  CHECK((status == DETENT_OK) == q.error().empty());
  return status;
}

Results without(Results results, const char* name) {
  Results fewer;
  for (const char* kept : {"qweight", "scale", "zero_point"})
    if (results.has(kept) && std::string(kept) != name) fewer.put(kept, results.tensor(kept));
  fewer.meta = results.meta;
  return fewer;
}

}  // namespace

TEST_CASE("a missing tensor is an error") {
  for (const char* id : {"int8", "int4_groupwise"}) {
    for (const char* name : {"qweight", "scale", "zero_point"}) {
      CAPTURE(id, name);
      CHECK(read_after(id, false, [&](Results& r) { r = without(std::move(r), name); }) ==
            DETENT_E_UNSUPPORTED);
    }
  }
  CHECK(read_after("fp16", true, [](Results& r) { r = Results(); }) == DETENT_E_UNSUPPORTED);
}

TEST_CASE("a tensor of another type or shape is an error") {
  const std::vector<Tensor> strange = {
      Tensor(DETENT_F32, {4, 10}), Tensor(DETENT_I8, {10, 4}), Tensor(DETENT_I8, {4, 9}),
      Tensor(DETENT_I8, {0}),      Tensor(DETENT_I4, {4, 11}), Tensor(DETENT_I64, {}),
      Tensor(DETENT_U8, {4, 4}),   Tensor(DETENT_F16, {40}),   Tensor(DETENT_F64, {4, 3}),
      Tensor(DETENT_F32, {5}),     Tensor(DETENT_F32, {4, 4}), Tensor(DETENT_F32, {4, 3, 1})};
  for (const char* id : {"int8", "int4_groupwise", "fp16"}) {
    for (const char* name : {"qweight", "scale", "zero_point"}) {
      if (std::string(id) == "fp16" && std::string(name) != "qweight") continue;
      for (std::size_t i = 0; i < strange.size(); ++i) {
        CAPTURE(id, name, i);
        CHECK(read_after(id, false, [&](Results& r) { r.put(name, strange[i]); }) ==
              DETENT_E_UNSUPPORTED);
      }
    }
  }
}

TEST_CASE("a tensor with fewer bytes than its shape says, or with strides, is an error") {
  for (const char* id : {"int8", "int4_groupwise", "fp16"}) {
    CAPTURE(id);
    CHECK(read_after(id, true, [](Results& r) {
            Tensor cut = r.tensor("qweight");
            cut.bytes().pop_back();
            r.put("qweight", cut);
          }) == DETENT_E_UNSUPPORTED);
    CHECK(read_after(id, true, [](Results& r) {
            r.put("qweight", r.tensor("qweight").strided(r.tensor("qweight").shape(), {1, 4}));
          }) == DETENT_E_UNSUPPORTED);
  }
}

TEST_CASE("scales and zero points that no quantization has are errors") {
  for (const float bad :
       {0.0F, -1.0F, std::numeric_limits<float>::infinity(), std::nanf(""), 1e-40F}) {
    CAPTURE(bad);
    CHECK(read_after("int8", true, [&](Results& r) {
            r.put("scale", Tensor::of<float>({4}, {1, 1, bad, 1}));
          }) == DETENT_E_NUMERIC);
    CHECK(read_after("int4_groupwise", true, [&](Results& r) {
            r.put("scale", Tensor::of<float>({4, 3}, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, bad}));
          }) == DETENT_E_NUMERIC);
  }
  CHECK(read_after("int4_groupwise", false, [](Results& r) {
          r.put("zero_point", Tensor::of<std::int8_t>({4, 3}, std::vector<std::int8_t>(12, 8)));
        }) == DETENT_E_NUMERIC);
}

TEST_CASE("metadata that is no number, or does not fit, is an error") {
  const auto with = [](const char* id, const char* key, const char* value) {
    return read_after(id, true, [&](Results& r) { r.meta[key] = value; });
  };
  for (const char* bad : {"", "x", "1.5", "\"4\"", "99999999999999999999", "[]", "4 ", "-"}) {
    CAPTURE(bad);
    CHECK(with("int4_groupwise", "group_size", bad) == DETENT_E_UNSUPPORTED);
    CHECK(with("int8", "axis", bad) == DETENT_E_UNSUPPORTED);
  }
  CHECK(with("int4_groupwise", "group_size", "0") == DETENT_E_UNSUPPORTED);
  CHECK(with("int4_groupwise", "group_size", "-4") == DETENT_E_UNSUPPORTED);
  CHECK(with("int4_groupwise", "group_size", "5") ==
        DETENT_E_UNSUPPORTED);  // two groups, not three
  CHECK(with("int4_groupwise", "group_size", "9223372036854775807") == DETENT_E_UNSUPPORTED);
  CHECK(with("int8", "axis", "-1") == DETENT_E_UNSUPPORTED);
  CHECK(with("int8", "axis", "2") == DETENT_E_UNSUPPORTED);
  CHECK(with("int8", "axis", "1") == DETENT_E_UNSUPPORTED);  // ten channels, four scales
  CHECK(with("int8", "zero_point", "300") == DETENT_E_NUMERIC);
  // A file that says asymmetric without zero points has lost them.
  CHECK(with("int8", "symmetric", "false") == DETENT_E_UNSUPPORTED);
  CHECK(with("int4_groupwise", "symmetric", "false") == DETENT_E_UNSUPPORTED);
}

TEST_CASE("codes that the quantizer never writes are read by the formula") {
  const auto read = [](std::uint8_t byte) {
    Results r = stored_by("int4_groupwise", true);
    Tensor q = r.tensor("qweight");
    std::fill(q.bytes().begin(), q.bytes().end(), byte);
    r.put("qweight", q);
    r.put("scale", Tensor::of<float>({4, 3}, std::vector<float>(12, 0.5F)));
    return Quantizer("int4_groupwise").dequantize(r, kShape)[0];
  };
  CHECK(read(0x88) == -4.0F);
  CHECK(read(0x77) == 3.5F);
}

TEST_CASE("a target that is not float32 is an error") {
  const Results stored = stored_by("int8", true);
  Tensor out(DETENT_F64, kShape);
  CHECK(Quantizer("int8").try_dequantize(stored, out) == DETENT_E_INVALID_ARG);
  Tensor other(DETENT_F32, {4, 11});
  CHECK(Quantizer("int8").try_dequantize(stored, other) == DETENT_E_UNSUPPORTED);
}

}  // namespace detent::test
