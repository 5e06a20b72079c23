// SPDX-License-Identifier: Apache-2.0
// Program: a model that runs. It runs in a process of its own, which has nothing but the model's
// bytes; here is what the host sees of it.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "model/model.hpp"
#include "plugin/instance.hpp"
#include "plugin/program_edit.hpp"
#include "plugin/tensor_store.hpp"

namespace detent {

struct ProgramInput {  // of `forward`
  std::string name;    // "input_ids"
  std::string type;    // "Tensor", "Optional[Tensor]", "int", ...
  bool has_default = false;
};

// An operator of the program that uses a weight of the model: a place ("site") where activations
// are observed and quantized. A weight that several operators use has several.
struct WeightUse {
  std::string weight;  // name of the tensor, as in Model::tensors()
  std::string op;      // "linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", ..., "matmul",
                       // "embedding"
  std::string method;  // "forward"
  // The operator gets the weight itself. Otherwise it gets a view of it (x @ w.t()), and
  // replace_use refuses it: the weight's reads can be replaced.
  bool replaceable = true;
};

struct ProgramFacts {
  std::vector<ProgramInput> inputs;
  std::vector<WeightUse> uses;  // in the order of the program
  // Floating-point tensors that some other operator reads: "aten::lstm". Their activations are not
  // seen. A tensor that nothing reads is in neither.
  std::map<std::string, std::string> other_readers;
  // Tensors that set_tensor refuses, and why: "it is used through a module interface".
  std::map<std::string, std::string> out_of_reach;
  std::string not_editable;  // why nothing can be simulated or rewritten; empty when it can
  std::string runtime;       // "LibTorch 2.13.0"
  std::string isolation;     // "landlock+seccomp", "process"
};

enum class Side { input, output };  // of an operator
const char* to_string(Side side);

// How the activation at one side of a site is quantized when the program is simulated.
struct ActivationParams {
  bool dynamic = false;  // scale and zero point of each run from the data, as target says
  QuantTarget target;
  std::vector<float> scale;  // static: one, or one per channel along target.axis
  std::vector<std::int32_t> zero_point;
};

// What a weight becomes when the program is simulated.
struct SimulatedWeight {
  std::string weight;
  const HostTensor* dequantized = nullptr;  // F32 of the weight's shape; nullptr: as it is
  std::optional<ActivationParams> input;
  std::optional<ActivationParams> output;
};

// Sums over what a site's output was: of y^2, and of (y - y')^2 where y' is computed from the same
// float input with the quantized weight and activation.
struct LocalError {
  double signal = 0;
  double noise = 0;
};

// A tensor lent for the length of one call.
struct NamedTensor {
  std::string name;
  detent_tensor view{};
};

struct Watch {
  // Sites to watch, by weight.
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
  // Called in the order in which the program reaches them; x is compact, read-only, gone
  // afterwards.
  using Seen = std::function<void(const std::string& weight, Side side, const detent_tensor& x)>;
  Seen seen;
  // When there is one, called instead where x is, element by element, what it was in the call
  // before: operators that share an input. A program need not notice.
  Seen again = {};
};

using Outputs = std::vector<std::unique_ptr<HostTensor>>;

// Errors  Error{io}: the file is corrupt or hostile, its code failed or did not end in time
//         Error{quantization}: the program refused its input, with its own words
//         Error{unexpected}: the process that runs it is gone
// Threads one at a time
class Program {
 public:
  virtual ~Program() = default;
  virtual const ProgramFacts& facts() const = 0;

  // Runs `forward` once, in eval mode and without gradients. inputs are given by name; one that is
  // named "input" is the first argument when the program has none of that name. The tensors of its
  // result, in order, tuples, lists and dictionaries taken apart; none for what is no tensor.
  virtual Outputs run(std::span<const NamedTensor> inputs, const Watch* watch = nullptr) = 0;

  // Simulation: the same program with other weights and quantized activations.
  virtual void simulate(std::span<const SimulatedWeight> weights) = 0;  // adds to those set before
  virtual Outputs run_simulated(std::span<const NamedTensor> inputs) = 0;
  // Adds up, per weight, the errors that the last simulate would make in each operator alone.
  virtual std::map<std::string, LocalError> measure_local(std::span<const NamedTensor> inputs) = 0;

  // Rewriting a copy. Several edits may be open at once; each outlives no Program.
  virtual std::unique_ptr<ProgramEdit> begin_edit() = 0;
};

struct ProgramOptions {
  unsigned threads = 1;
  bool trust_model = false;            // run without a sandbox
  std::int64_t timeout_seconds = 600;  // for one step: loading, one run, writing
};

// nullptr when the model is not one that runs, or this installation cannot run it (see
// why_not_runnable). Model::files()[0] is opened.
std::unique_ptr<Program> open_program(const Model& model, const ProgramOptions& options);

// Why open_program gives nullptr: "model.safetensors holds weights only", "this installation has no
// LibTorch"; empty when it does not.
std::string why_not_runnable(const Model& model);

}  // namespace detent
