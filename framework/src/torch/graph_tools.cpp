// SPDX-License-Identifier: Apache-2.0
#include "torch/graph_tools.hpp"

#include <stdexcept>
#include <torch/csrc/jit/passes/inline_fork_wait.h>
#include <torch/csrc/jit/passes/inliner.h>

#include "torch/tensor_lists.hpp"

namespace detent::torch_worker {
namespace {

namespace jit = torch::jit;
namespace prim = c10::prim;

c10::ClassTypePtr module_class(const c10::TypePtr& type) {
  auto cls = type->cast<c10::ClassType>();
  return cls != nullptr && cls->is_module() ? cls : nullptr;
}

class Cloner {
 public:
  explicit Cloner(Rebuilt& out) : out_(out) {}

  Object clone(const Object& source, const std::string& path) {
    const auto known = done_.find(source.get());
    if (known != done_.end()) {
      name_again(known->second, path);
      return known->second;
    }
    const c10::ClassTypePtr from = source->type();
    const auto to = c10::ClassType::create(out_.unit->mangle(*from->name()), out_.unit, true,
                                           from->doc_string());
    out_.unit->register_type(to);
    std::vector<c10::IValue> slots;
    for (std::size_t i = 0; i < from->numAttributes(); ++i)
      slots.push_back(clone_slot(source, i, path, *to));
    for (std::size_t i = 0; i < from->numConstants(); ++i)
      to->addConstant(from->getConstantName(i), from->getConstant(i));
    Object copy = c10::ivalue::Object::create(c10::StrongTypePtr(out_.unit, to), slots.size());
    for (std::size_t i = 0; i < slots.size(); ++i) copy->setSlot(i, std::move(slots[i]));
    done_.emplace(source.get(), copy);
    out_.objects.emplace(path, copy);
    return copy;
  }

 private:
  c10::IValue clone_slot(const Object& source, std::size_t i, const std::string& path,
                         c10::ClassType& to) {
    const c10::ClassTypePtr from = source->type();
    const std::string& name = from->getAttributeName(i);
    c10::IValue value = source->getSlot(i);
    c10::TypePtr type = from->getAttribute(i);
    const bool is_module = module_class(type) != nullptr && value.isObject();
    if (is_module) {
      Object child = clone(value.toObject(), path.empty() ? name : path + "." + name);
      type = child->type();
      value = child;
    }
    to.addAttribute(name, type, !is_module && from->is_parameter(i),
                    !is_module && from->is_buffer(i));
    return value;
  }

  // A shared module is one object with several names, and so are the modules below it.
  void name_again(const Object& object, const std::string& path) {
    out_.objects.emplace(path, object);
    const c10::ClassTypePtr type = object->type();
    for (std::size_t i = 0; i < type->numAttributes(); ++i)
      if (module_class(type->getAttribute(i)) != nullptr && object->getSlot(i).isObject())
        name_again(object->getSlot(i).toObject(), path + "." + type->getAttributeName(i));
  }

  Rebuilt& out_;
  std::map<c10::ivalue::Object*, Object> done_;
};

// After inlining, the classes of the copies stand where those of the source stood.
void retype(jit::Block* block) {
  for (jit::Node* node : block->nodes()) {
    if (node->kind() == prim::GetAttr) {
      if (const auto cls = node->input()->type()->cast<c10::ClassType>())
        node->output()->setType(cls->getAttribute(node->s(c10::attr::name)));
    } else {
      if (node->kind() == prim::CallMethod && module_class(node->input(0)->type()) != nullptr)
        throw std::runtime_error("the call of method \"" + node->s(c10::attr::name) +
                                 "\" cannot be taken apart");
      for (const jit::Value* output : node->outputs())
        if (module_class(output->type()) != nullptr)
          throw std::runtime_error("the program chooses a module while it runs (" + kind_of(node) +
                                   ")");
    }
    if (node->hasAttribute(c10::attr::Subgraph))
      throw std::runtime_error("the program has a graph within a graph (" + kind_of(node) + ")");
    for (jit::Block* inner : node->blocks()) retype(inner);
  }
}

void copy_method(const jit::Method& method, const c10::ClassTypePtr& root, Rebuilt& out) {
  auto graph = method.graph()->copy();
  inline_all(*graph);
  jit::InlineForkWait(graph);
  inline_all(*graph);
  graph->inputs()[0]->setType(root);
  retype(graph->block());
  jit::Function* function =
      out.unit->create_function(c10::QualifiedName(*root->name(), method.name()), graph);
  const c10::FunctionSchema& schema = method.function().getSchema();
  std::vector<c10::Argument> arguments = schema.arguments();
  arguments[0] = c10::Argument(arguments[0].name(), root, arguments[0].N());
  function->setSchema(c10::FunctionSchema(method.name(), "", arguments, schema.returns(),
                                          schema.is_vararg(), schema.is_varret()));
  root->addMethod(function);
}

}  // namespace

Rebuilt rebuild(const jit::Module& source) {
  Rebuilt out;
  out.unit = std::make_shared<jit::CompilationUnit>();
  const Object root = Cloner(out).clone(source._ivalue(), "");
  out.module = jit::Module(root);
  for (const jit::Method& method : source.get_methods()) copy_method(method, root->type(), out);
  spread_tensor_lists(out);
  return out;
}

void inline_all(jit::Graph& graph) {
  constexpr int kDeepest = 200;  // calls within calls; TorchScript knows no recursion
  for (int depth = 0; depth < kDeepest; ++depth) {
    bool calls = false;
    each_node(graph.block(), [&](jit::Node* node) {
      calls = calls || node->kind() == prim::CallFunction ||
              (node->kind() == prim::CallMethod && node->input(0)->type()->cast<c10::ClassType>());
    });
    if (!calls) return;
    jit::Inline(graph);
  }
}

std::shared_ptr<jit::Graph> graph_of(const jit::Method& method) {
  return jit::toGraphFunction(method.function()).graph();
}

std::optional<c10::IValue> known_value(jit::Value* value, const Object& root) {
  jit::Node* node = value->node();
  if (node->kind() == prim::Param && value->owningGraph()->inputs()[0] == value)
    return c10::IValue(root);
  if (node->kind() == prim::GetAttr) {
    const auto object = known_value(node->input(), root);
    if (!object || !object->isObject()) return std::nullopt;
    return object->toObject()->getAttr(node->s(c10::attr::name));
  }
  if (node->kind() == prim::Constant) return jit::toIValue(value);
  return std::nullopt;
}

std::optional<at::Tensor> known_tensor(jit::Value* value, const Object& root) {
  const auto known = known_value(value, root);
  if (!known || !known->isTensor() || !known->toTensor().defined()) return std::nullopt;
  return known->toTensor();
}

void remove_attribute(const Object& object, const std::string& name) {
  const c10::ClassTypePtr type = object->type();
  const std::size_t slot = type->getAttributeSlot(name);
  type->unsafeRemoveAttribute(name);
  object->unsafeRemoveSlot(slot);
}

std::string kind_of(const jit::Node* node) { return node->kind().toQualString(); }

}  // namespace detent::torch_worker
