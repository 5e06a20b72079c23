// SPDX-License-Identifier: Apache-2.0
// Rewrite: decides what the operators and tensors of a program become, and tells the host.
//
// Every read of a quantized tensor becomes the weight that its codes stand for: that fits any
// operator. On top of that linear and embedding have functions that spare the detour, and
// activations are quantized and dequantized where they enter or leave an operator.
#pragma once
#include <map>
#include <set>
#include <string>
#include <vector>

#include "weight.hpp"

namespace detent::torchscript {

enum class Form {
  portable,  // dequantize in the graph, with operators that any PyTorch since 1.13 has
  fast,      // this PyTorch's own kernels where they fit, else portable, with a warning
  statical   // portable; an activation that is quantized in another way is refused
};

class Rewrite {
 public:
  Rewrite(const sdk::Program& program, Form form) : program_(program), form_(form) {}

  // Once, before any tensor. Throws sdk::Error, UNSUPPORTED where the model cannot be written.
  void run();

 private:
  void read_weights();
  void refuse_other_activations() const;
  void define_sources();
  void replace_reads(const Weight& w);
  void replace_use(uint64_t i, const detent_program_use& use);
  void replace_linear(uint64_t i, const Weight& w);
  void replace_embedding(uint64_t i, const Weight& w);
  void quantize_activation(uint64_t i, const detent_program_use& use, bool output);

  bool wants_fast(const detent_program_use& use, const Weight& w);
  // Why the fast form does not fit; empty when it does.
  std::string why_not_fast(const detent_program_use& use, const Weight& w);
  std::string why_not_fast_int8(const detent_program_use& use, const Weight& w);
  std::string why_not_fast_int4(const Weight& w);
  void make_fast(uint64_t i, const Weight& w);
  void warn_of_portable() const;

  sdk::Program program_;
  Form form_;
  std::map<std::string, Weight, std::less<>> weights_;
  std::set<std::string> packed_;                              // weights that are prepared
  std::map<std::string, std::vector<std::string>> portable_;  // reason -> sites
  std::map<Weight::Codes, std::string> no_fast_;              // why this runtime has no kernels
};

// A refusal of the host keeps the host's own text.
inline void must(const sdk::Status& status) {
  if (!status.ok()) throw sdk::Error(status.code(), status.message());
}

// How an activation of that specification is quantized: a function of kActivation and what it gets
// besides the activation. Throws sdk::Error UNSUPPORTED.
struct ActivationCall {
  std::string function;
  sdk::Arguments arguments;
};
ActivationCall activation_call(const detent_program_activation& activation, const char* site);

}  // namespace detent::torchscript
