// SPDX-License-Identifier: Apache-2.0
// The parameter "convention" on weights, against what the peers themselves made of them
// (tests/data/peer_vectors.py); what contradicts one is refused.
#include "plugins/quantizers/quantizing.hpp"
#include "support/catch.hpp"
#include "support/sha256.hpp"
#include "support/vectors.hpp"

namespace detent::test {
namespace {

const std::vector<const char*> kPeers = {"torch_ao", "onnxruntime", "tensorrt",
                                         "compressed_tensors"};

// The peers' answers for weights of these many bits.
std::vector<const json::Value*> answers(std::int64_t bits) {
  std::vector<const json::Value*> found;
  for (const json::Value& c : vector_cases("peers.json"))
    if (c.at_pointer("/bits") != nullptr && int_at(c, "/bits") == bits) found.push_back(&c);
  return found;
}

Params params_of(const json::Value& answer) {
  Params params{{"/convention", text_at(answer, "/convention").c_str()},
                {"/symmetric", *member(answer, "/symmetric").if_bool()}};
  if (answer.at_pointer("/group_size") != nullptr)
    params.set({"/group_size", static_cast<int>(int_at(answer, "/group_size"))});
  return params;
}

template <class T>
std::string digest(const std::vector<T>& values) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(values.data());
  return sha256_hex({bytes, bytes + values.size() * sizeof(T)});
}

void check_answer(const json::Value& answer, const Results& got, bool packed) {
  CAPTURE(text_at(answer, "/input"), text_at(answer, "/convention"),
          *member(answer, "/symmetric").if_bool());
  const auto scales = got.values<float>("scale");
  CHECK(digest(scales) == text_at(answer, "/scales_sha256"));
  const auto zeros = got.has("zero_point") ? got.values<std::int8_t>("zero_point")
                                           : std::vector<std::int8_t>(scales.size(), 0);
  CHECK(digest(zeros) == text_at(answer, "/zero_points_sha256"));
  const auto codes = packed ? unpack(got.tensor("qweight")) : got.values<std::int8_t>("qweight");
  // torch.ao and torchao multiply by 1 / scale: where that takes a tie to the other side, the code
  // is the neighbour's. The vectors have both, and how many differ.
  const bool multiplied = int_at(answer, "/codes_differ") != 0;
  CHECK(digest(codes) ==
        text_at(answer, multiplied ? "/codes_by_division_sha256" : "/codes_sha256"));
}

std::string refusal(const char* plugin, const Params& params,
                    std::uint32_t role = DETENT_ROLE_WEIGHT) {
  try {
    Quantizer quantizer(plugin, params, Order::forward, role);
  } catch (const std::runtime_error& e) {
    return e.what();
  }
  return "taken";
}

}  // namespace

TEST_CASE("int8 with a convention has the scales, zero points and codes of its owner") {
  REQUIRE(answers(8).size() == 35);
  for (const json::Value* answer : answers(8))
    check_answer(*answer,
                 Quantizer("int8", params_of(*answer))
                     .quantize(vector_input(text_at(*answer, "/input")).at(0)),
                 false);
}

TEST_CASE("int4_groupwise with a convention has the scales, zero points and codes of its owner") {
  REQUIRE(answers(4).size() == 49);
  for (const json::Value* answer : answers(4))
    check_answer(*answer,
                 Quantizer("int4_groupwise", params_of(*answer))
                     .quantize(vector_input(text_at(*answer, "/input")).at(0)),
                 true);
}

TEST_CASE("only torch.ao's symmetric codes differ from a division, by one step on ties") {
  std::int64_t differ = 0;
  for (const std::int64_t bits : {8, 4})
    for (const json::Value* answer : answers(bits)) {
      const std::int64_t n = int_at(*answer, "/codes_differ");
      differ += n;
      if (n == 0) continue;
      CHECK(text_at(*answer, "/convention") == "torch_ao");
      CHECK(*member(*answer, "/symmetric").if_bool());
    }
  CHECK(differ > 0);
}

TEST_CASE("an observer's scales for the target of a convention are the quantizer's own") {
  std::size_t checked = 0;
  for (const json::Value* answer : answers(8)) {
    Quantizer quantizer("int8", params_of(*answer));
    const Tensor weight = vector_input(text_at(*answer, "/input")).at(0);
    const auto target = quantizer.plan(weight.shape()).target;
    REQUIRE(target.has_value());
    Observer observer(Library::built_in("minmax").plugin("minmax"), {}, *target);
    observer.observe(weight);
    CHECK(all_bytes(quantizer.quantize(weight, observer.qparams())) ==
          all_bytes(quantizer.quantize(weight)));
    ++checked;
  }
  CHECK(checked == 35);
}

TEST_CASE("a convention brings its own codes") {
  const auto codes = [](const char* convention, const Params& more) {
    Params params = more;
    params.set({"/convention", convention});
    const auto target = Quantizer("int8", params).plan({4, 4}).target;
    return std::pair(target->qmin, target->qmax);
  };
  using Codes = std::pair<std::int64_t, std::int64_t>;
  const Params uint8{{"/dtype", "uint8"}};
  CHECK(codes("detent", {}) == Codes(-127, 127));
  CHECK(codes("torch_ao", {}) == Codes(-128, 127));
  CHECK(codes("onnxruntime", {}) == Codes(-127, 127));
  CHECK(codes("tensorrt", {}) == Codes(-128, 127));
  CHECK(codes("compressed_tensors", {}) == Codes(-128, 127));
  CHECK(codes("detent", uint8) == Codes(1, 255));
  CHECK(codes("torch_ao", uint8) == Codes(0, 255));
  CHECK(codes("onnxruntime", uint8) == Codes(0, 255));
  for (const char* peer : {"torch_ao", "onnxruntime", "compressed_tensors"})
    CHECK(codes(peer, {{"/symmetric", false}}) == Codes(-128, 127));
  CHECK(codes("torch_ao", {{"/narrow_range", true}}) == Codes(-127, 127));
  CHECK(codes("tensorrt", {{"/narrow_range", true}}) == Codes(-127, 127));
}

TEST_CASE("what a convention's owner does not have is refused with the reason") {
  CHECK(refusal("int8", {{"/convention", "tensorrt"}, {"/symmetric", false}}) ==
        "convention \"tensorrt\": TensorRT quantizes symmetrically only, its zero point is always "
        "0\nset \"symmetric\": true, or choose another \"convention\"");
  // By default activations are asymmetric.
  CHECK(refusal("int8", {{"/convention", "tensorrt"}}, DETENT_ROLE_ACTIVATION)
            .find("symmetrically only") != std::string::npos);
  CHECK(refusal("int8", {{"/convention", "tensorrt"}, {"/symmetric", true}},
                DETENT_ROLE_ACTIVATION) == "taken");
  CHECK(refusal("int4_groupwise", {{"/convention", "tensorrt"}, {"/symmetric", false}})
            .find("symmetrically only") != std::string::npos);
  for (const char* peer : {"tensorrt", "compressed_tensors"})
    CHECK(refusal("int8", {{"/convention", peer}, {"/dtype", "uint8"}})
              .find("has signed codes only\nset \"dtype\": \"int8\"") != std::string::npos);
  CHECK(refusal("int8", {{"/convention", "onnxruntime"}, {"/narrow_range", false}}) ==
        "convention \"onnxruntime\": ONNX Runtime uses the codes -127..127 here\nleave out "
        "\"narrow_range\", or choose another \"convention\"");
  CHECK(refusal("int8", {{"/convention", "onnxruntime"}, {"/narrow_range", true}}) == "taken");
  CHECK(refusal("int8",
                {{"/convention", "onnxruntime"}, {"/symmetric", false}, {"/narrow_range", true}})
            .find("-128..127") != std::string::npos);
  CHECK(refusal("int8",
                {{"/convention", "onnxruntime"}, {"/dtype", "uint8"}, {"/narrow_range", true}})
            .find("0..255") != std::string::npos);
  CHECK(refusal("int8", {{"/convention", "compressed_tensors"}, {"/narrow_range", true}})
            .find("-128..127") != std::string::npos);
  CHECK(refusal("int8", {{"/convention", "keras"}}) == "there is no convention \"keras\"");
}

TEST_CASE("a convention stands in the metadata, and Detent's own does not") {
  for (const char* plugin : {"int8", "int4_groupwise"}) {
    CHECK(Quantizer(plugin).plan({64, 64}).meta.count("convention") == 0);
    for (const char* peer : kPeers)
      CHECK(Quantizer(plugin, {{"/convention", peer}}).plan({64, 64}).meta.at("convention") ==
            '"' + std::string(peer) + '"');
  }
}

TEST_CASE("whoever reads needs no convention: scales and zero points say it all") {
  const Tensor weight = vector_input("inputs/weight_edges.safetensors").at(0);
  for (const char* peer : {"torch_ao", "onnxruntime", "compressed_tensors"})
    for (const char* plugin : {"int8", "int4_groupwise"}) {
      Quantizer writer(plugin, {{"/convention", peer}, {"/symmetric", false}});
      const Results stored = writer.quantize(weight);
      CHECK(Quantizer(plugin).dequantize(stored, weight.shape()) ==
            writer.dequantize(stored, weight.shape()));
    }
}

TEST_CASE("the mse search under a convention is worse on no group than its plain rounding") {
  const Tensor weight = vector_input("inputs/weight_12x100.safetensors").at(0);
  for (const char* peer : {"torch_ao", "compressed_tensors"})
    for (const bool symmetric : {true, false}) {
      Params params{{"/convention", peer}, {"/symmetric", symmetric}, {"/group_size", 25}};
      Quantizer plain("int4_groupwise", params);
      params.set({"/search", "mse"});
      Quantizer searching("int4_groupwise", params);
      const auto x = weight.values<float>();
      const double before = sqnr_db(x, plain.dequantize(plain.quantize(weight), weight.shape()));
      const double after =
          sqnr_db(x, searching.dequantize(searching.quantize(weight), weight.shape()));
      CHECK(after > before + 0.1);
    }
}

}  // namespace detent::test
