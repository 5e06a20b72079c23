// SPDX-License-Identifier: Apache-2.0
// Rebuilding a module so that its graphs can be edited, and finding values in them.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <torch/script.h>

namespace detent::torch_worker {

using Object = c10::intrusive_ptr<c10::ivalue::Object>;

// A copy in which every module instance has a class of its own (instances of one class share their
// graphs otherwise), and every method of the root is one graph without calls. Modules keep their
// places, so names stay; tensors are shared with the source.
//
// Errors  std::runtime_error for what cannot be taken apart; a module that is reached through an
//         interface stays a call, and its tensors are out of reach
struct Rebuilt {
  torch::jit::Module module;
  std::shared_ptr<torch::jit::CompilationUnit> unit;
  std::map<std::string, Object> objects;  // by path, "" is the root; each path of a shared module
};
Rebuilt rebuild(const torch::jit::Module& source);

// f(node) for each node, those in nested blocks first. f may destroy its node.
template <class F>
void each_node(torch::jit::Block* block, const F& f) {
  for (auto it = block->nodes().begin(); it != block->nodes().end();) {
    torch::jit::Node* node = *it++;
    for (torch::jit::Block* inner : node->blocks()) each_node(inner, f);
    f(node);
  }
}

// Until nothing is left to inline: what is called may itself call.
void inline_all(torch::jit::Graph& graph);

std::shared_ptr<torch::jit::Graph> graph_of(const torch::jit::Method& method);

// What a value is when that is known before the program runs: an attribute of a module, or a
// constant.
std::optional<c10::IValue> known_value(torch::jit::Value* value, const Object& root);
std::optional<at::Tensor> known_tensor(torch::jit::Value* value, const Object& root);

// From the module and from its class, which is its own after a rebuild.
void remove_attribute(const Object& object, const std::string& name);

// "aten::linear"
std::string kind_of(const torch::jit::Node* node);

}  // namespace detent::torch_worker
