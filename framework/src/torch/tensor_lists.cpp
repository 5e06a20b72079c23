// SPDX-License-Identifier: Apache-2.0
#include "torch/tensor_lists.hpp"

#include <algorithm>
#include <set>

#include "torch/loaded_model.hpp"

namespace detent::torch_worker {
namespace {

namespace jit = torch::jit;

bool is_tensor_list(const c10::TypePtr& type) {
  const auto list = type->cast<c10::ListType>();
  return list != nullptr && list->getElementType()->isSubtypeOf(*c10::TensorType::get());
}

bool changes_its_list(const jit::Node* node) {
  static const std::set<std::string> kChanges = {
      "aten::append", "aten::_set_item", "aten::insert", "aten::extend", "aten::clear",
      "aten::pop",    "aten::reverse",   "aten::sort",   "aten::remove", "prim::SetAttr"};
  return kChanges.contains(kind_of(node));
}

// The attributes of the module that are the list's tensors; empty when one of them is none.
std::vector<std::string> names_of(const c10::List<at::Tensor>& list, const Object& object) {
  std::vector<std::string> names;
  for (const at::Tensor& tensor : list.vec()) {
    const c10::ClassTypePtr type = object->type();
    for (std::size_t i = 0; i < type->numAttributes(); ++i) {
      const c10::IValue& value = object->getSlot(i);
      if (!value.isTensor() || !is_same_tensor(value.toTensor(), tensor)) continue;
      names.push_back(type->getAttributeName(i));
      break;
    }
  }
  return names.size() == list.size() ? names : std::vector<std::string>{};
}

bool spread(jit::Node* node, const Object& root) {
  const auto owner = known_value(node->input(), root);
  if (!owner || !owner->isObject()) return false;
  const c10::IValue value = owner->toObject()->getAttr(node->s(c10::attr::name));
  if (!value.isTensorList()) return false;
  const auto& uses = node->output()->uses();
  const bool changed = std::any_of(uses.begin(), uses.end(),
                                   [](const jit::Use& use) { return changes_its_list(use.user); });
  const std::vector<std::string> names = names_of(value.toTensorList(), owner->toObject());
  if (changed || names.empty()) return false;
  jit::Graph& graph = *node->owningGraph();
  const jit::WithInsertPoint at(node);
  std::vector<jit::Value*> tensors;
  for (const std::string& name : names)
    tensors.push_back(graph.insertNode(graph.createGetAttr(node->input(), name))->output());
  jit::Node* list = graph.insertNode(graph.createList(c10::TensorType::get(), tensors));
  list->output()->setType(node->output()->type());
  node->output()->replaceAllUsesWith(list->output());
  node->destroy();
  return true;
}

}  // namespace

void spread_tensor_lists(const Rebuilt& rebuilt) {
  const Object root = rebuilt.module._ivalue();
  std::set<std::pair<Object, std::string>> spread_out;
  std::set<std::pair<Object, std::string>> still_read;
  for (const jit::Method& method : rebuilt.module.get_methods()) {
    each_node(graph_of(method)->block(), [&](jit::Node* node) {
      if (node->kind() != c10::prim::GetAttr && node->kind() != c10::prim::SetAttr) return;
      const auto owner = known_value(node->input(0), root);
      if (!owner || !owner->isObject()) return;
      const std::pair place{owner->toObject(), node->s(c10::attr::name)};
      if (!is_tensor_list(place.first->type()->getAttribute(place.second))) return;
      const bool done = node->kind() == c10::prim::GetAttr && spread(node, root);
      (done ? spread_out : still_read).insert(place);
    });
  }
  for (const auto& [object, name] : spread_out) {
    if (still_read.contains({object, name})) continue;
    remove_attribute(object, name);
  }
}

}  // namespace detent::torch_worker
