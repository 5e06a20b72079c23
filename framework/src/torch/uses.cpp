// SPDX-License-Identifier: Apache-2.0
#include "torch/uses.hpp"

#include <algorithm>
#include <set>

namespace detent::torch_worker {
namespace {

namespace jit = torch::jit;

// Operators that hand on a weight in another view.
bool is_view(const jit::Node* node) {
  static const std::set<std::string> kViews = {"aten::t",       "aten::transpose",  "aten::numpy_T",
                                               "aten::mT",      "aten::permute",    "aten::view",
                                               "aten::reshape", "aten::unsqueeze",  "aten::squeeze",
                                               "aten::expand",  "aten::contiguous", "aten::detach"};
  return kViews.contains(kind_of(node));
}

// Operators that look at a tensor's shape and not at its values.
bool asks_for_shape(const jit::Node* node) {
  static const std::set<std::string> kShape = {"aten::size", "aten::dim", "prim::device",
                                               "prim::dtype"};
  return kShape.contains(kind_of(node));
}

// Every node of the graph with those of inner blocks in the place where they run.
void in_order(jit::Block* block, std::vector<jit::Node*>& nodes) {
  for (jit::Node* node : block->nodes()) {
    nodes.push_back(node);
    for (jit::Block* inner : node->blocks()) in_order(inner, nodes);
  }
}

class Finder {
 public:
  Finder(const Rebuilt& rebuilt, LoadedModel& model) : rebuilt_(rebuilt), model_(model) {}

  Uses find() {
    for (const jit::Method& method : rebuilt_.module.get_methods()) {
      std::vector<jit::Node*> nodes;
      in_order(graph_of(method)->block(), nodes);
      for (jit::Node* node : nodes) look_at(node, method.name());
    }
    mark_interfaces(rebuilt_.module._ivalue());
    return std::move(found_);
  }

 private:
  const ModelTensor* tensor_of(jit::Value* value) {
    const auto tensor = known_tensor(value, rebuilt_.module._ivalue());
    if (!tensor || !tensor->has_storage()) return nullptr;
    if (const ModelTensor* owner = model_.owner(*tensor)) return owner;
    const bool constant = value->node()->kind() == c10::prim::Constant;
    const ModelTensor* equal = constant ? model_.constant(*tensor) : nullptr;
    if (equal != nullptr) model_.bind(*tensor, *equal);
    return equal;
  }

  // The weight behind a value, directly or through views.
  const ModelTensor* weight_behind(jit::Value* value, bool* direct) {
    *direct = true;
    while (is_view(value->node())) {
      *direct = false;
      value = value->node()->input(0);
    }
    return tensor_of(value);
  }

  void look_at(jit::Node* node, const std::string& method) {
    const Operator* what = find_operator(kind_of(node));
    const auto inputs = node->inputs();
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (is_view(node) || asks_for_shape(node) ||
          !inputs[i]->type()->isSubtypeOf(*c10::TensorType::get()))
        continue;
      bool direct = true;
      const ModelTensor* tensor = weight_behind(inputs[i], &direct);
      if (tensor == nullptr) continue;
      if (what != nullptr && static_cast<int>(i) == what->weight &&
          tensor->tensor.is_floating_point() && tensor->tensor.dim() >= 2) {
        add_use(node, method, *what, *tensor, direct);
      } else if (tensor->tensor.is_floating_point()) {
        note_readers(tensor->name, node);
      }
    }
  }

  // A list or tuple of tensors is read by whoever gets it.
  void note_readers(const std::string& tensor, jit::Node* node) {
    const bool collects =
        node->kind() == c10::prim::ListConstruct || node->kind() == c10::prim::TupleConstruct;
    if (!collects) return note_reader(tensor, kind_of(node));
    for (const jit::Use& use : node->output()->uses()) note_reader(tensor, kind_of(use.user));
  }

  void add_use(jit::Node* node, const std::string& method, const Operator& what,
               const ModelTensor& tensor, bool direct) {
    bool transposed = false;
    if (what.transposed >= 0) {
      const auto flag = known_value(node->input(static_cast<std::size_t>(what.transposed)),
                                    rebuilt_.module._ivalue());
      if (!flag || !flag->isBool()) return note_reader(tensor.name, kind_of(node));
      transposed = flag->toBool();
    }
    found_.uses.push_back({tensor.name, op_name(what, tensor.tensor.dim(), transposed), method,
                           &what, node, direct && !what.operands.empty()});
  }

  void note_reader(const std::string& tensor, const std::string& reader) {
    std::string& readers = found_.other_readers[tensor];
    if (readers.empty()) {
      readers = reader;
    } else if (readers.find(reader) == std::string::npos) {
      readers += ", " + reader;
    }
  }

  // What an interface hides is called, not inlined: nothing in it can be replaced.
  void mark_interfaces(const Object& object) {
    const c10::ClassTypePtr type = object->type();
    for (std::size_t i = 0; i < type->numAttributes(); ++i) {
      const c10::IValue& value = object->getSlot(i);
      if (!value.isObject()) continue;
      const bool hidden = type->getAttribute(i)->cast<c10::InterfaceType>() != nullptr;
      if (hidden) {
        mark_all(value.toObject());
      } else if (value.toObject()->type()->is_module()) {
        mark_interfaces(value.toObject());
      }
    }
  }

  void mark_all(const Object& object) {
    const c10::ClassTypePtr type = object->type();
    for (std::size_t i = 0; i < type->numAttributes(); ++i) {
      const c10::IValue& value = object->getSlot(i);
      if (value.isObject() && value.toObject()->type()->is_module()) mark_all(value.toObject());
      if (!value.isTensor() || !value.toTensor().defined()) continue;
      if (const ModelTensor* tensor = model_.owner(value.toTensor()))
        found_.out_of_reach[tensor->name] = "it is used through a module interface";
    }
  }

  const Rebuilt& rebuilt_;
  LoadedModel& model_;
  Uses found_;
};

}  // namespace

Uses find_uses(const Rebuilt& rebuilt, LoadedModel& model) { return Finder(rebuilt, model).find(); }

}  // namespace detent::torch_worker
