// SPDX-License-Identifier: Apache-2.0
// ProgramEdit: a copy of a model that runs, being rewritten. ProgramView: what a serializer is
// told about that model. Here, because serializers are lent both (detent/abi/program.h) and this
// stage comes before the one that knows how to rewrite.
#pragma once
#include <cstddef>
#include <cstdint>
#include <detent/abi.h>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "plugin/instance.hpp"

namespace detent {

// One argument of a function that replaces an operator or a tensor: see detent_program_arg.
struct EditArgument {
  enum class Kind { operand, tensor, integer, real, boolean, prepared } kind = Kind::tensor;
  std::int64_t operand = 0;  // index of the operator's own argument
  std::string name = {};     // of the tensor in the artefact, or of the prepared value
  std::int64_t integer = 0;
  double real = 0;
  bool boolean = false;
};

// Calls   any but write in any order (a function is defined before it is mentioned), then write,
//         which ends it. Dropping it without write leaves nothing behind. Several edits of one
//         program may be open at once, and the program may run meanwhile
// Errors  Error{quantization}: what is asked for does not fit the program
//         Error{unexpected}: the process that does the work is gone
// Threads one at a time, together with the program's other methods
class ProgramEdit {
 public:
  virtual ~ProgramEdit() = default;
  // TorchScript functions that replacements may call; those of one text may call one another.
  // Error{quantization} when they do not compile: the edit goes on as if nothing had been said.
  virtual void define(const std::string& source) = 0;
  // A value called `name`, made by function(arguments...) when the archive is loaded. Only the
  // arguments (tensors, numbers) are stored, tensors once and under their own names.
  virtual void prepare(const std::string& name, const std::string& function,
                       std::span<const EditArgument> arguments) = 0;
  // A tensor of that name becomes part of the program: it replaces one of that name, or is a new
  // buffer beside the module's others. Its bytes are taken before the call returns.
  virtual void set_tensor(const std::string& name, const detent_tensor& tensor) = 0;
  // Operand 0 or 1 of ProgramFacts::uses[use] becomes function(operand, arguments...), before
  // replace_use of that use if there is one. Here and in replace_result no argument is an operand.
  virtual void replace_operand(std::size_t use, std::size_t operand, const std::string& function,
                               std::span<const EditArgument> arguments) = 0;
  // The operator becomes a call of function(arguments...); refused where the operator gets a view
  // of its weight.
  virtual void replace_use(std::size_t use, const std::string& function,
                           std::span<const EditArgument> arguments) = 0;
  // What the operator gives (or what stands for it: after replace_use) becomes function(result,
  // arguments...) for all who read it.
  virtual void replace_result(std::size_t use, const std::string& function,
                              std::span<const EditArgument> arguments) = 0;
  // Wherever the program reads the tensor once all uses are replaced (also where a replaced use
  // still gets it as an operand), it gets function(arguments...). No such place is no error. May
  // be said before the uses are replaced: it takes effect in write.
  virtual void replace_reads(const std::string& tensor, const std::string& function,
                             std::span<const EditArgument> arguments) = 0;
  // A file beside the program in the archive, as Python's _extra_files.
  virtual void set_extra_file(const std::string& name, std::string bytes) = 0;
  // The archive's bytes, in order. Every tensor that was set is in it, read or not.
  virtual void write(const std::function<void(std::span<const std::byte>)>& take) = 0;
};

// One side of an operator; see detent_program_activation.
struct ProgramActivation {
  std::uint64_t mode = DETENT_ACTIVATION_FLOAT;
  QuantTarget target;  // unless the mode is FLOAT
  std::string scale;   // names of tensors; empty: none
  std::string zero_point;
};

struct ProgramUse {
  std::string op;
  std::string weight;
  std::string site;
  bool replaceable = true;  // replace_use is possible
  ProgramActivation input;
  ProgramActivation output;
};

struct ProgramTensor {
  PlannedTensor original;
  std::string scheme;  // empty: kept
  const QuantTarget* target = nullptr;
  std::vector<std::pair<std::string, std::string>> meta;  // key, JSON
  std::vector<PlannedTensor> stored;                      // under their names in the artefact
  std::vector<std::string> outputs;  // of the quantizer, one for each stored; empty: kept
};

struct ProgramView {
  std::string runtime;  // "LibTorch 2.13.0"
  std::vector<ProgramUse> uses;
  std::vector<ProgramTensor> tensors;
};

}  // namespace detent
