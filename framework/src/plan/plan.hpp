// SPDX-License-Identifier: Apache-2.0
// Plan: what happens to every tensor and why. `detent plan` prints it, `run` carries it out.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/thread_pool.hpp"
#include "config/config.hpp"
#include "model/model.hpp"
#include "plan/layers.hpp"
#include "plugin/instance.hpp"
#include "program/program.hpp"

namespace detent {

struct StoredName {
  std::string output;  // as the quantizer calls it: "scale"
  std::string name;    // in the artefact: "fc1.weight_scale"
};

struct TensorPlan {
  std::size_t tensor = 0;  // index into Model::tensors()
  std::size_t layer = 0;   // index into Plan::layers
  std::uint64_t layer_params = 0;
  QuantizerInput input;  // what a quantizer is told of it
  bool quantize = false;
  std::string reason;                    // why it is kept, or which rule selected it
  int rule = -1;                         // index; -1: none matched
  const TensorScheme* scheme = nullptr;  // when quantized; points into the Config
  QuantizerPlan quantizer;               // when quantized
  std::vector<StoredName> stored;        // one per output of the quantizer
  unsigned bits = 0;                     // of a code, or of the dtype that is kept
  std::uint64_t bytes_before = 0;
  std::uint64_t bytes_after = 0;
  std::uint64_t block_rows = 0;  // it goes in blocks of so many rows; 0: as a whole
};

// An activation that is quantized: one side of the operators that use a weight.
struct ActivationPlan {
  std::string weight;  // whose operators they are
  std::string site;  // prefix of what is stored: the layer's name, or the tensor's where its param
                     // is not "weight" (a layer can have several) or its layer has no name
  std::string layer;
  Side side = Side::input;
  int rule = -1;
  const TensorScheme* scheme = nullptr;  // points into the Config
  QuantTarget target;
  bool dynamic = false;            // no observer: parameters of each run
  std::vector<StoredName> stored;  // "scale" -> "fc1.input_scale", ...; empty when dynamic
};

// Which dimension of a weight goes with the channels of its operators' inputs.
enum class ChannelDim {
  first,     // transposed convolutions, [in, out / groups, ...]
  second,    // convolutions, [out, in / groups, ...]
  last,      // linear operators, [out, in]
  matching,  // the one dimension of two that is as long: x @ w, or a view of w
};

// A statistic of the inputs of the operators that use a quantized weight. An observer of the
// model's activations collects it, which the user need not name.
struct StatisticPlan {
  std::size_t tensor = 0;  // index into Plan::tensors
  std::string weight;
  std::string site;  // as of activations
  std::string layer;
  std::string statistic;                // "stat:second_moment/1"
  const PluginUse* provider = nullptr;  // points into the Config
  std::vector<std::string> wanted_by;   // "observer imatrix", "quantizer gptq"
  std::string op;                       // "linear", "conv2d"
  std::size_t inner = 0;                // dimensions of an input behind that of its channels
  ChannelDim channel_dim = ChannelDim::last;
  QuantTarget target;  // of the observer: an activation [outer, channels, inner], per channel
};

// A layer whose activations a rule selects and that keep floating point all the same.
struct SkippedActivation {
  std::string layer;
  std::string reason;
  int rule = -1;
};

struct Plan {
  std::vector<Layer> layers;
  std::vector<TensorPlan> tensors;          // in the order of the model
  std::vector<ActivationPlan> activations;  // in the order of the program's uses
  std::vector<SkippedActivation> skipped_activations;
  std::vector<StatisticPlan> statistics;  // in the order of the tensors
  std::vector<Warning> warnings;
  std::vector<Warning> notes;  // natural, and worth knowing; never an error
  std::uint64_t bytes_before = 0;
  std::uint64_t bytes_after = 0;
  std::uint64_t peak_memory_bytes = 0;  // at most, the program itself included
};

// Layers that are kept whatever the rules say of them, and why: a plugin failed on them.
using KeptLayers = std::map<std::string, std::string>;

// Binds rules to tensors. Reads names, shapes and dtypes, no data. The Config's plugins are
// resolved (check_plugins) and the Config outlives the Plan. program: nullptr when the model does
// not run.
//
// Errors  Error{config}: activations, statistics of inputs or a serializer that need a program
//         where there is none,
//         observers of activations or statistics of inputs without calibration data, two tensors
//         of one name
//         Error{quantization}: parameters that do not fit a tensor
//         Error{plugin}: a quantizer broke its contract
Plan make_plan(const Config& config, const Model& model, const Program* program, ThreadPool& pool,
               const KeptLayers& kept = {});

// The instance that plans, quantizes and dequantizes this tensor.
Quantizer make_quantizer(const TensorScheme& scheme, const std::string& tensor, ThreadPool& pool);

}  // namespace detent
