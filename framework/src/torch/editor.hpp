// SPDX-License-Identifier: Apache-2.0
// Editor: replaces operators and tensors of a program and writes the result.
#pragma once
#include <functional>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "torch/uses.hpp"

namespace detent::torch_worker {

struct Operand {
  std::int64_t index = 0;
};
struct TensorName {
  std::string name;
};
struct PreparedName {
  std::string name;
};
using EditArgument = std::variant<Operand, TensorName, PreparedName, std::int64_t, double, bool>;

struct Call {
  std::string function;
  std::vector<EditArgument> arguments;
};

// Everything is collected first and applied by write.
//
// Errors  std::runtime_error saying what does not fit; LibTorch's own for sources that do not
// compile
class Editor {
 public:
  explicit Editor(LoadedModel& model);

  void define(const std::string& source);
  void set_tensor(const std::string& name, at::Tensor tensor);
  void prepare(const std::string& name, Call call);
  void replace_operand(std::size_t use, std::size_t operand, Call call);
  void replace_use(std::size_t use, Call call);
  void replace_result(std::size_t use, Call call);
  void replace_reads(const std::string& tensor, Call call);
  void set_extra_file(const std::string& name, std::string bytes);
  void write(const std::function<void(const void*, std::size_t)>& take);

 private:
  struct Attribute {
    Object object;
    std::string name;
  };
  // What is to be known of a tensor of the model before anything changes.
  struct Original {
    std::vector<Attribute> attributes;
    std::vector<torch::jit::Value*> readers;
  };

  void collect();
  const Object& object_at(const std::string& path);
  void answer_shape_questions(const std::string& name);
  void name_constants();
  void place_tensor(const std::string& name, const at::Tensor& tensor);
  void place_prepared(const std::string& name, const Call& call);
  void apply_operand(std::size_t use, std::size_t operand, const Call& call);
  void apply_use(std::size_t use, const Call& call);
  void apply_result(std::size_t use, const Call& call);
  const Use& use_at(std::size_t use) const;
  void apply_reads(const std::string& tensor, const Call& call);
  void refuse_stale_readers() const;
  void make_buffers();

  torch::jit::Function& function(const std::string& name);
  at::Tensor tensor_named(const std::string& name) const;
  torch::jit::Value* get(torch::jit::Graph& graph, const std::string& name);
  torch::jit::Value* value_of(const EditArgument& argument, torch::jit::Graph& graph,
                              const Use* use);
  // first, when there is one, goes before the arguments. At the graph's insert point.
  torch::jit::Value* insert_call(torch::jit::Graph& graph, const Call& call, const Use* use,
                                 torch::jit::Value* first = nullptr);

  LoadedModel& model_;
  Rebuilt rebuilt_;
  Uses uses_;
  std::map<std::string, Original> originals_;
  std::vector<std::shared_ptr<torch::jit::CompilationUnit>> sources_;
  std::vector<std::pair<std::string, at::Tensor>> tensors_;
  std::vector<std::pair<std::string, Call>> prepared_;
  std::map<std::string, std::string> prepared_places_;  // name -> name of the module that holds it
  std::map<std::pair<std::size_t, std::size_t>, Call> replaced_operands_;
  std::map<std::size_t, Call> replaced_uses_;
  std::map<std::size_t, Call> replaced_results_;
  std::map<std::size_t, torch::jit::Value*> results_;  // of uses, once they are replaced
  std::map<std::string, Call> replaced_reads_;
  std::unordered_map<std::string, std::string> extra_files_;
};

}  // namespace detent::torch_worker
