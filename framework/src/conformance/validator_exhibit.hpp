// SPDX-License-Identifier: Apache-2.0
// Exhibit: a tensor of a model and what an artefact holds of it, sound or with a planted fault.
#pragma once
#include <cstdint>
#include <detent/abi/validator.h>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "conformance/exchange.hpp"
#include "conformance/subject.hpp"

namespace detent::conformance {

// One tensor of the artefact.
struct StoredExhibit {
  std::string name;
  Made data;
  std::string digest_intended;
  std::string digest_found;
  bool found = true;
};

struct Exhibit {
  std::string target;
  Shape shape;
  std::vector<double> original;
  bool is_quantized = true;
  detent_qspec qspec{};
  std::vector<double> dequantized;  // empty when it was kept
  Answers outputs;                  // "qweight", "scale"; empty when it was kept
  std::vector<StoredExhibit> stored;
  detent_metrics metrics{};

  std::uint64_t rows() const { return shape.empty() ? 1 : static_cast<std::uint64_t>(shape[0]); }
};

// 8 bits per channel. Exact: the values are those that the codes stand for.
Exhibit quantized_exhibit(const std::string& target, Random& random, bool exact = false);
Exhibit kept_exhibit(const std::string& target, const Shape& shape, Random& random);

// What can be wrong with a tensor.
struct TensorFault {
  const char* name;
  void (*plant)(Exhibit&);
};
std::span<const TensorFault> tensor_faults();
// By its name.
Exhibit faulty(Exhibit exhibit, const char* fault);

detent_run_summary summary_of(std::span<const Exhibit> exhibits);
// What is wrong with a run.
struct RunFault {
  const char* name;
  void (*plant)(detent_run_summary&);
};
std::span<const RunFault> run_faults();

// The model's own output, as good as can be; what is said where nothing ran, or could not.
detent_output_input good_output();
detent_output_input no_output(std::uint32_t how, const char* why);
struct OutputFault {
  const char* name;
  void (*plant)(detent_output_input&);
};
std::span<const OutputFault> output_faults();

}  // namespace detent::conformance
