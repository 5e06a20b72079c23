// SPDX-License-Identifier: Apache-2.0
// QuantizerUnderTest: one instance, driven through its C table. PlanRecord: what plan said.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "conformance/exchange.hpp"
#include "conformance/input.hpp"
#include "conformance/subject.hpp"
#include "conformance/world.hpp"

namespace detent::conformance {

struct PlanRecord {
  bool declined = false;
  std::string reason;
  std::optional<detent_qspec> target;  // scheme points into `scheme`
  std::string scheme;
  struct Output {
    std::string name;
    detent_dtype dtype;
    Shape shape;
    bool bound;
    bool operator==(const Output&) const = default;
  };
  std::vector<Output> outputs;
  std::vector<std::string> stats;
  std::uint64_t memory = 0;
  std::map<std::string, std::string> meta;
  std::string misuse;

  // As text, to be compared.
  std::string summary() const;
  std::string meta_text(const std::string& key) const;  // a JSON string, without its quotes
};

// A weight of a model.
struct Weight {
  Shape shape;
  std::vector<double> values;
  const char* layer_type = "Linear";
  detent_dtype dtype = DETENT_F32;
};

class QuantizerUnderTest {
 public:
  // Errors  Failure when create refuses with anything but UNSUPPORTED or PARAMS
  QuantizerUnderTest(Subject& subject, World& world, std::uint32_t role = DETENT_ROLE_WEIGHT);
  ~QuantizerUnderTest();
  QuantizerUnderTest(const QuantizerUnderTest&) = delete;
  QuantizerUnderTest& operator=(const QuantizerUnderTest&) = delete;

  bool made() const { return handle_ != nullptr; }
  // Only shape, dtype and layer_type of the weight are looked at.
  std::int32_t try_plan(const Weight& weight, PlanRecord& out);
  PlanRecord plan(const Weight& weight);
  std::int32_t try_quantize(const detent_tensor& weight, const detent_tensor_source* stats,
                            Sink& sink);
  Answers quantize(const detent_tensor& weight);
  Answers quantize(const Weight& weight);
  std::int32_t try_dequantize(const Source& quantized, const Shape& shape,
                              std::vector<double>* values = nullptr);

 private:
  World& world_;
  const detent_quantizer_vtbl& vtbl_;
  Configuration configuration_;
  detent_quantizer* handle_ = nullptr;
};

// One weight through plan, quantize and, in an instance of its own, dequantize.
struct Quantized {
  PlanRecord plan;
  Answers outputs;
  std::vector<double> values;
};

// Nothing when the quantizer declines this weight, with a reason, or refuses its shape with a text.
std::optional<Quantized> work_on(Subject& subject, const Weight& weight, Wishes wishes = {});

// A weight that the quantizer takes, of bell-shaped values of different size in each row.
//
// Errors  Skip when it declines all that the check has
Weight good_weight(Subject& subject);

// The zero point of each entry of "scale".
std::vector<double> zero_points_of(const Quantized& q);
bool is_affine(const Quantized& q);   // of the scheme "detent.affine/1", with a target and scales
bool is_rounded(const Quantized& q);  // codes are the values rounded to nearest, says the plan

}  // namespace detent::conformance
