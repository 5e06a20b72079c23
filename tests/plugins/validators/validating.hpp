// SPDX-License-Identifier: Apache-2.0
// A validator with its findings, and a check input that owns what it points to.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include <detent/sdk/testing.hpp>

namespace validating {

namespace testing = detent::sdk::testing;
using testing::Tensor;

// One tensor "fc.weight" of a model. Quantized once codes are put; kept otherwise.
struct Input {
  explicit Input(std::unique_ptr<Tensor> tensor) : original(std::move(tensor)) {
    qspec.struct_size = sizeof qspec;
    qspec.qdtype = DETENT_I8;
    qspec.scale_dtype = DETENT_F32;
    qspec.zero_dtype = DETENT_I8;
    qspec.qmin = -127;
    qspec.qmax = 127;
    qspec.scheme = "detent.affine/1";
  }
  // `found` may be null: the artefact has no such tensor.
  void stored_as(const char* name, const detent_tensor* found, const char* digest_found = "d1") {
    stored.push_back({name, found, "d1", digest_found});
  }
  detent_check_input c() {
    const bool kept = quantized.tensors.empty();
    const detent_tensor& t = *static_cast<const detent_tensor*>(*original);
    spec = {"fc.weight", t.shape, t.ndim, t.dtype};
    return {sizeof(detent_check_input),
            "fc.weight",
            &spec,
            nullptr,
            nullptr,
            kept ? nullptr : quantized.source(),
            kept ? nullptr : &qspec,
            stored.data(),
            stored.size(),
            last ? &metrics : nullptr,
            first_row,
            last ? 1U : 0U,
            kept ? 0U : 1U};
  }

  std::unique_ptr<Tensor> original;
  testing::Store quantized;
  detent_qspec qspec{};
  detent_tensor_spec spec{};
  std::vector<detent_stored_tensor> stored;
  detent_metrics metrics{30, 0.1, 16, 8, 0, 0};
  uint64_t first_row = 0;
  bool last = true;
};

inline std::unique_ptr<Tensor> floats(std::vector<int64_t> shape, const std::vector<float>& v) {
  return std::make_unique<Tensor>(std::move(shape), v);
}

// A program of which everything is known and good; tests spoil one thing.
inline detent_output_input output() {
  detent_output_input in{};
  in.struct_size = sizeof in;
  in.how = DETENT_OUTPUT_ARTIFACT;
  in.exact = 1;
  in.why = "";
  in.samples = 200;
  in.judged = 200;
  in.output_sqnr_db = 35;
  in.max_abs_error = 0.1;
  in.cosine_mean = 0.9995;
  in.cosine_min = 0.999;
  in.top1_agreement = 0.98;
  in.accuracy_before = 0.97;
  in.accuracy_after = 0.96;
  in.intended_samples = 16;
  in.intended_sqnr_db = 110;
  in.intended_mismatch = "";
  return in;
}

struct Validator {
  explicit Validator(const std::string& id, testing::Params::List values = {})
      : library(DETENT_TEST_PLUGINS "/" + id + ".detent.so"),
        params(std::move(values)),
        validator(library.plugin(id), params.config()) {}

  int32_t check(Input& input) {
    const detent_check_input c = input.c();
    return validator->check(validator, call, &c, findings);
  }
  int32_t check_output(const detent_output_input& in) {
    return validator->check_output(validator, call, &in, findings);
  }
  int32_t finish(const detent_run_summary& summary) {
    return validator->finish(validator, call, &summary, findings);
  }
  std::size_t count(int32_t severity) const {
    std::size_t n = 0;
    for (const auto& f : findings.all) n += f.severity == severity ? 1 : 0;
    return n;
  }

  testing::Library library;
  testing::Params params;
  testing::Validator validator;
  testing::Call call;
  testing::Findings findings;
};

inline detent_run_summary summary(uint64_t tensors, uint64_t quantized, uint64_t before,
                                  uint64_t after, uint64_t file_before, uint64_t file_after) {
  return {sizeof(detent_run_summary), tensors, quantized, before, after, file_before, file_after};
}

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace validating
