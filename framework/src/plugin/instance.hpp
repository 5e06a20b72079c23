// SPDX-License-Identifier: Apache-2.0
// Instances of plugins: the C tables as C++ objects that throw Error with plugin, tensor and
// reason.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/thread_pool.hpp"
#include "json/value.hpp"
#include "plugin/plugin.hpp"
#include "plugin/tensor_store.hpp"

namespace detent {

// A detent_qspec that owns its text.
struct QuantTarget {
  mutable detent_qspec spec{};  // struct_size set; spec.scheme is set by c() only
  std::string scheme;
  QuantTarget() { spec.struct_size = sizeof spec; }
  const detent_qspec* c() const;  // with scheme in place; valid while this lives unchanged
};

struct InstanceConfig {
  json::Object params;  // complete: defaults filled in
  std::string target;   // name of the tensor, layer or file, for messages and for the plugin
  std::uint32_t role = DETENT_ROLE_NONE;
  const QuantTarget* qspec = nullptr;  // observers
};

// What a plugin's refusal means: its status and text become
//   Error{quantization}  UNSUPPORTED and NUMERIC; NOT_READY from an observer's or quantizer's work;
//   PARAMS
//                        from plan (parameters that do not fit a tensor)
//   Error{config}        PARAMS from create
//   Error{io}            IO; BAD_STATE from load_state
//   Error{interrupted|terminated}  CANCELLED after a signal
//   Error{plugin}        everything else: the plugin broke the contract, crashed or threw
// The first line of its text is the message, the second the hint; plugin id, tensor or layer are in
// `where` and in the message. An instance keeps its library; the pool has to outlive it.
//
// Threads  an instance is used by one thread at a time

class Observer {
 public:
  Observer(const Plugin& plugin, ThreadPool& pool, const InstanceConfig& config);
  ~Observer();
  Observer(Observer&&) noexcept;
  void observe(const detent_tensor& x);
  void observe_weighted(const detent_tensor& x, const detent_tensor& importance);
  void reset();
  bool can_merge() const;
  void merge(const Observer& other);
  std::string save_state() const;
  void load_state(std::string_view bytes);
  // Replaces what is in out. Checks the answer: "scale" is there, of the target's dtype, finite and
  // positive; zero points are integers within qmin..qmax. Error{plugin} otherwise.
  void compute_qparams(const QuantTarget& target, TensorStore& out) const;
  void compute_stat(const std::string& id, TensorStore& out) const;  // adds to out
  bool provides(std::string_view stat_id) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Has it observe_weighted: can it be told how much each element of a weight counts?
bool takes_importance(const Plugin& observer);

struct PlannedTensor {
  std::string name;  // "qweight", "scale", "zero_point"
  detent_dtype dtype = 0;
  std::vector<std::int64_t> shape;
  std::uint64_t nbytes() const;
};

struct QuantizerWarning {
  std::string code;
  std::string message;
};

struct QuantizerPlan {
  std::string declined;  // the reason; empty when the tensor is taken
  std::optional<QuantTarget> target;
  std::vector<PlannedTensor> outputs;
  std::vector<std::string> required_stats;        // of the weight
  std::vector<std::string> required_input_stats;  // of the inputs of its operators
  std::uint64_t memory_bytes = 0;
  std::vector<QuantizerWarning> warnings;
  std::vector<std::pair<std::string, std::string>> meta;  // key, JSON; stored in the artefact
};

struct QuantizerInput {  // see detent_tensor_info
  std::string name;
  detent_dtype dtype = 0;
  std::vector<std::int64_t> shape;
  std::string layer;
  std::string layer_type;
  std::string param;
  std::uint64_t layer_params = 0;
};

class Quantizer {
 public:
  Quantizer(const Plugin& plugin, ThreadPool& pool, const InstanceConfig& config);
  ~Quantizer();
  Quantizer(Quantizer&&) noexcept;
  // Checks the answer: taken or declined, not both; outputs that can exist, each once and of exact
  // shape; metadata are JSON, "scheme" among them when there are outputs. For activations a target
  // alone is enough. Error{plugin} otherwise.
  QuantizerPlan plan(const QuantizerInput& input);
  // Replaces what is in out. Checks the answer: every tensor that the last plan declared is there
  // with that dtype and shape, and no other; scales are finite and positive; with a target, codes
  // and zero points lie within qmin..qmax; spare bits of packed rows are zero. Error{plugin}
  // otherwise. The metadata of plan are added to out.
  void quantize(const detent_tensor& weight, const TensorStore& stats, TensorStore& out);
  void dequantize(const TensorStore& quantized, const detent_tensor& out);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

struct SerializerWarning {
  std::string code;
  std::string message;
};

class ProgramEdit;  // plugin/program_edit.hpp
struct ProgramView;

class Serializer {
 public:
  Serializer(const Plugin& plugin, ThreadPool& pool, const InstanceConfig& config);
  ~Serializer();  // aborts what was not finished
  Serializer(Serializer&&) noexcept;
  // Does it write models that run (detent/abi/program.h)?
  bool takes_program() const;
  // Before begin, for a serializer that takes one. Lent until finish or an abort; finish fails when
  // the program was not written.
  void use_program(ProgramView view, std::unique_ptr<ProgramEdit> edit);
  std::vector<SerializerWarning> warnings() const;  // what it said about the program
  void begin(const std::filesystem::path& folder, const std::string& name);
  void declare(const PlannedTensor& tensor);
  // Nothing, where the format has no second names.
  void declare_alias(const std::string& alias, const std::string& name);
  void set_metadata(const std::string& key, const std::string& value_json);
  void add_tensor(const std::string& name, const detent_tensor& tensor);
  void add_rows(const std::string& name, std::uint64_t first_row, const detent_tensor& rows);
  // Closes the files after fsync. The names of the files that were written, relative to the folder.
  // Files of a serializer that ends otherwise are removed.
  std::vector<std::string> finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Has it add_rows: can it be given a tensor piece by piece?
bool takes_rows(const Plugin& serializer);

struct Finding {
  std::string validator;  // id
  std::string target;     // tensor, or empty for the run
  std::string metric;
  double value = 0;
  double threshold = 0;  // NaN: none
  int severity = DETENT_FINDING_INFO;
  std::string message;
};

class Validator {
 public:
  Validator(const Plugin& plugin, ThreadPool& pool, const InstanceConfig& config);
  ~Validator();
  Validator(Validator&&) noexcept;
  std::vector<Finding> check(const detent_check_input& input);
  std::vector<Finding> check_output(const detent_output_input& input);
  std::vector<Finding> finish(const detent_run_summary& summary);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace detent
