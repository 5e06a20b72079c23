// SPDX-License-Identifier: Apache-2.0
#include "torch/editor.hpp"

#include <algorithm>
#include <set>
#include <stdexcept>
#include <torch/csrc/jit/api/compilation_unit.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/constant_pooling.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>
#include <torch/csrc/jit/serialization/export.h>
#include <torch/jit.h>

#include "torch/archive_source.hpp"
#include "torch/prepared_module.hpp"

namespace detent::torch_worker {
namespace {

namespace jit = torch::jit;

std::pair<std::string, std::string> split(const std::string& name) {
  const std::size_t dot = name.rfind('.');
  if (dot == std::string::npos) return {"", name};
  return {name.substr(0, dot), name.substr(dot + 1)};
}

void add_buffer(const Object& object, const std::string& name, const at::Tensor& tensor) {
  const std::size_t slot = object->type()->addAttribute(name, c10::TensorType::get(), false, true);
  object->setSlot(slot, tensor);
}

}  // namespace

Editor::Editor(LoadedModel& model)
    : model_(model), rebuilt_(rebuild(model.module())), uses_(find_uses(rebuilt_, model)) {
  collect();
}

void Editor::collect() {
  std::set<const void*> seen;
  for (const auto& [path, object] : rebuilt_.objects) {
    if (!seen.insert(object.get()).second) continue;
    for (std::size_t i = 0; i < object->type()->numAttributes(); ++i) {
      const c10::IValue& value = object->getSlot(i);
      if (!value.isTensor() || !value.toTensor().defined()) continue;
      const ModelTensor* owner = model_.owner(value.toTensor());
      if (owner != nullptr && is_same_tensor(owner->tensor, value.toTensor()))
        originals_[owner->name].attributes.push_back({object, object->type()->getAttributeName(i)});
    }
  }
  const Object root = rebuilt_.module._ivalue();
  for (const jit::Method& method : rebuilt_.module.get_methods()) {
    each_node(graph_of(method)->block(), [&](jit::Node* node) {
      if (node->kind() != c10::prim::GetAttr && node->kind() != c10::prim::Constant) return;
      const auto tensor = known_tensor(node->output(), root);
      if (!tensor) return;
      if (const ModelTensor* owner = model_.owner(*tensor))
        originals_[owner->name].readers.push_back(node->output());
    });
  }
}

void Editor::define(const std::string& source) { sources_.push_back(compile_source(source)); }

void Editor::set_tensor(const std::string& name, at::Tensor tensor) {
  if (const auto it = uses_.out_of_reach.find(name); it != uses_.out_of_reach.end())
    throw std::runtime_error("tensor \"" + name + "\" cannot be replaced: " + it->second);
  tensors_.emplace_back(name, std::move(tensor));
}

void Editor::prepare(const std::string& name, Call call) {
  prepared_.emplace_back(name, std::move(call));
}

const Use& Editor::use_at(std::size_t use) const {
  if (use >= uses_.uses.size()) throw std::runtime_error("there is no such use");
  return uses_.uses[use];
}

void Editor::replace_operand(std::size_t use, std::size_t operand, Call call) {
  use_at(use);
  if (operand > 1) throw std::runtime_error("only operands 0 and 1 can be replaced");
  replaced_operands_[{use, operand}] = std::move(call);
}

void Editor::replace_result(std::size_t use, Call call) {
  use_at(use);
  replaced_results_[use] = std::move(call);
}

void Editor::replace_use(std::size_t use, Call call) {
  const Use& u = use_at(use);
  if (!u.replaceable)
    throw std::runtime_error("operator " + u.op + " of \"" + u.weight +
                             "\" gets a view of its weight and cannot be replaced as one");
  replaced_uses_[use] = std::move(call);
}

void Editor::replace_reads(const std::string& tensor, Call call) {
  replaced_reads_[tensor] = std::move(call);
}

void Editor::set_extra_file(const std::string& name, std::string bytes) {
  extra_files_[name] = std::move(bytes);
}

void Editor::write(const std::function<void(const void*, std::size_t)>& take) {
  for (const auto& [name, tensor] : tensors_) answer_shape_questions(name);
  for (const auto& [name, tensor] : tensors_) place_tensor(name, tensor);
  name_constants();
  for (const auto& [name, call] : prepared_) place_prepared(name, call);
  for (const auto& [place, call] : replaced_operands_)
    apply_operand(place.first, place.second, call);
  for (const auto& [use, call] : replaced_uses_) apply_use(use, call);
  for (const auto& [use, call] : replaced_results_) apply_result(use, call);
  for (const auto& [tensor, call] : replaced_reads_) apply_reads(tensor, call);
  refuse_stale_readers();
  for (const jit::Method& method : rebuilt_.module.get_methods()) {
    const auto graph = graph_of(method);
    jit::EliminateDeadCode(graph);
    jit::ConstantPooling(graph);
  }
  make_buffers();
  jit::ExportModule(
      rebuilt_.module,
      [&](const void* bytes, std::size_t n) {
        take(bytes, n);
        return n;
      },
      extra_files_);
}

// A shape is known: nobody needs the weight itself for it.
void Editor::answer_shape_questions(const std::string& name) {
  const auto original = originals_.find(name);
  const ModelTensor* before = model_.find(name);
  if (original == originals_.end() || before == nullptr) return;
  const at::IntArrayRef sizes = before->tensor.sizes();
  for (jit::Value* reader : original->second.readers) {
    const std::vector<jit::Use> uses(reader->uses().begin(), reader->uses().end());
    for (const jit::Use& use : uses) {
      jit::Node* node = use.user;
      const jit::WithInsertPoint before_it(node);
      std::optional<c10::IValue> answer;
      if (kind_of(node) == "aten::dim") answer = before->tensor.dim();
      if (kind_of(node) == "aten::size" && node->inputs().size() == 1) answer = sizes;
      if (kind_of(node) == "aten::size" && node->inputs().size() == 2)
        if (const auto dim = jit::constant_as<std::int64_t>(node->input(1)))
          answer = before->tensor.size(*dim);
      if (!answer) continue;
      node->output()->replaceAllUsesWith(node->owningGraph()->insertConstant(*answer));
      node->destroy();
    }
  }
}

// The constants of a frozen program get their names in the archive too: the number that a constant
// is known by would be another one's after the edit.
void Editor::name_constants() {
  for (const ModelTensor& t : model_.tensors()) {
    const auto original = originals_.find(t.name);
    const bool set = std::any_of(tensors_.begin(), tensors_.end(),
                                 [&](const auto& named) { return named.first == t.name; });
    if (set || original == originals_.end() || !original->second.attributes.empty()) continue;
    place_tensor(t.name, t.tensor);
    for (jit::Value* reader : original->second.readers) {
      const jit::WithInsertPoint after(reader->node()->next());
      reader->replaceAllUsesWith(get(*reader->owningGraph(), t.name));
    }
  }
}

// The module of that path; where the model has none (for the constants of a frozen program), one
// that holds nothing yet.
const Object& Editor::object_at(const std::string& path) {
  if (const auto it = rebuilt_.objects.find(path); it != rebuilt_.objects.end()) return it->second;
  const auto [parent_path, name] = split(path);
  const Object parent = object_at(parent_path);
  const auto type = c10::ClassType::create(
      rebuilt_.unit->mangle(c10::QualifiedName("__torch__.detent.Tensors")), rebuilt_.unit, true);
  rebuilt_.unit->register_type(type);
  type->addAttribute("training", c10::BoolType::get(), false, false);
  const Object made = c10::ivalue::Object::create(c10::StrongTypePtr(rebuilt_.unit, type), 1);
  made->setSlot(0, false);
  parent->setSlot(parent->type()->addAttribute(name, type, false, false), made);
  return rebuilt_.objects.emplace(path, made).first->second;
}

void Editor::place_tensor(const std::string& name, const at::Tensor& tensor) {
  const auto [path, attribute] = split(name);
  const Object object = object_at(path);
  // Also an attribute that is declared as Optional[Tensor] is a tensor from now on.
  if (object->type()->hasAttribute(attribute)) remove_attribute(object, attribute);
  add_buffer(object, attribute, tensor);
}

void Editor::place_prepared(const std::string& name, const Call& call) {
  std::vector<at::Tensor> tensors;
  std::vector<std::string> literals;
  for (const EditArgument& argument : call.arguments) {
    if (const auto* tensor = std::get_if<TensorName>(&argument)) {
      tensors.push_back(tensor_named(tensor->name));
    } else if (const auto* integer = std::get_if<std::int64_t>(&argument)) {
      literals.push_back(std::to_string(*integer));
    } else {
      throw std::runtime_error("\"" + name + "\" can be prepared from tensors and integers only");
    }
  }
  const std::string place = "detent_prepared_" + std::to_string(prepared_places_.size());
  const Object holder =
      make_prepared(rebuilt_.unit, function(call.function), std::move(tensors), literals);
  const Object root = rebuilt_.module._ivalue();
  root->setSlot(root->type()->addAttribute(place, holder->type(), false, false), holder);
  if (!prepared_places_.emplace(name, place).second)
    throw std::runtime_error("\"" + name + "\" is prepared twice");
}

jit::Function& Editor::function(const std::string& name) {
  for (const auto& unit : sources_)
    if (jit::Function* found = unit->find_function(c10::QualifiedName(name))) return *found;
  throw std::runtime_error("no function \"" + name + "\" was defined");
}

at::Tensor Editor::tensor_named(const std::string& name) const {
  for (const auto& [set, tensor] : tensors_)
    if (set == name) return tensor;
  if (const ModelTensor* found = model_.find(name)) return found->tensor;
  throw std::runtime_error("there is no tensor \"" + name + "\"");
}

// The value of a module's tensor, by way of the modules above it.
jit::Value* Editor::get(jit::Graph& graph, const std::string& name) {
  const auto [path, attribute] = split(name);
  jit::Value* object = graph.inputs()[0];
  for (std::size_t at = 0; at < path.size();) {
    const std::size_t end = std::min(path.find('.', at), path.size());
    object = graph.insertNode(graph.createGetAttr(object, path.substr(at, end - at)))->output();
    at = end + 1;
  }
  if (!object->type()->expect<c10::ClassType>()->hasAttribute(attribute))
    throw std::runtime_error("there is no tensor \"" + name + "\"");
  return graph.insertNode(graph.createGetAttr(object, attribute))->output();
}

jit::Value* Editor::value_of(const EditArgument& argument, jit::Graph& graph, const Use* use) {
  if (const auto* operand = std::get_if<Operand>(&argument)) {
    const auto index = static_cast<std::size_t>(operand->index);
    if (use == nullptr || operand->index < 0 || index >= use->what->operands.size())
      throw std::runtime_error("there is no operand " + std::to_string(operand->index));
    return use->node->input(static_cast<std::size_t>(use->what->operands[index]));
  }
  if (const auto* tensor = std::get_if<TensorName>(&argument)) return get(graph, tensor->name);
  if (const auto* prepared = std::get_if<PreparedName>(&argument)) {
    const auto place = prepared_places_.find(prepared->name);
    if (place == prepared_places_.end())
      throw std::runtime_error("nothing is prepared under \"" + prepared->name + "\"");
    return get(graph, place->second + "." + kPreparedValue);
  }
  if (const auto* integer = std::get_if<std::int64_t>(&argument))
    return graph.insertConstant(*integer);
  if (const auto* real = std::get_if<double>(&argument)) return graph.insertConstant(*real);
  return graph.insertConstant(std::get<bool>(argument));
}

jit::Value* Editor::insert_call(jit::Graph& graph, const Call& call, const Use* use,
                                jit::Value* first) {
  jit::Function& callee = function(call.function);
  std::vector<jit::Value*> values;
  if (first != nullptr) values.push_back(first);
  for (const EditArgument& argument : call.arguments)
    values.push_back(value_of(argument, graph, use));
  auto body = jit::toGraphFunction(callee).graph()->copy();
  inline_all(*body);
  if (body->inputs().size() != values.size() || body->outputs().size() != 1)
    throw std::runtime_error("function \"" + call.function + "\" takes " +
                             std::to_string(body->inputs().size()) + " arguments, not " +
                             std::to_string(values.size()));
  return jit::insertGraph(graph, *body, values)[0];
}

void Editor::apply_operand(std::size_t use, std::size_t operand, const Call& call) {
  const Use& u = uses_.uses[use];
  const int index = operand == 0 ? u.what->input : u.what->weight;
  const auto at = static_cast<std::size_t>(index);
  const jit::WithInsertPoint before(u.node);
  jit::Value* given = u.node->input(at);
  jit::Value* result = insert_call(*u.node->owningGraph(), call, nullptr, given);
  result->setType(given->type());
  u.node->replaceInput(at, result);
}

void Editor::apply_use(std::size_t use, const Call& call) {
  const Use& u = uses_.uses[use];
  const jit::WithInsertPoint before(u.node);
  jit::Value* result = insert_call(*u.node->owningGraph(), call, &u);
  result->setType(u.node->output()->type());
  u.node->output()->replaceAllUsesWith(result);
  u.node->destroy();
  results_[use] = result;
}

void Editor::apply_result(std::size_t use, const Call& call) {
  const auto replaced = results_.find(use);
  jit::Value* result =
      replaced != results_.end() ? replaced->second : uses_.uses[use].node->output();
  const std::vector<jit::Use> readers(result->uses().begin(), result->uses().end());
  const jit::WithInsertPoint after(result->node()->next());
  jit::Value* changed = insert_call(*result->owningGraph(), call, nullptr, result);
  changed->setType(result->type());
  for (const jit::Use& reader : readers) reader.user->replaceInput(reader.offset, changed);
}

void Editor::apply_reads(const std::string& tensor, const Call& call) {
  const auto original = originals_.find(tensor);
  if (original == originals_.end()) return;
  for (jit::Value* reader : original->second.readers) {
    if (reader->uses().empty()) continue;
    jit::Graph& graph = *reader->owningGraph();
    const jit::WithInsertPoint at(reader->node()->next());
    jit::Value* result = insert_call(graph, call, nullptr);
    if (reader->type()->isSubtypeOf(*c10::TensorType::get())) result->setType(reader->type());
    reader->replaceAllUsesWith(result);
  }
}

void Editor::refuse_stale_readers() const {
  for (const auto& [name, tensor] : tensors_) {
    const auto original = originals_.find(name);
    const ModelTensor* before = model_.find(name);
    if (original == originals_.end() || before == nullptr) continue;
    if (before->tensor.sizes() == tensor.sizes() &&
        before->tensor.scalar_type() == tensor.scalar_type())
      continue;
    for (const jit::Value* reader : original->second.readers)
      if (!reader->uses().empty())
        throw std::runtime_error("tensor \"" + name + "\" is replaced, and still read by " +
                                 kind_of(reader->uses()[0].user));
  }
}

// Codes are no parameters, and a shared weight that was replaced has one name: nothing reads the
// others any more.
void Editor::make_buffers() {
  for (const auto& [name, tensor] : tensors_) {
    const auto original = originals_.find(name);
    if (original == originals_.end() || original->second.attributes.empty()) continue;
    for (const Attribute& attribute : original->second.attributes)
      remove_attribute(attribute.object, attribute.name);
    const auto [path, own] = split(name);
    add_buffer(object_at(path), own, tensor);
  }
}

}  // namespace detent::torch_worker
