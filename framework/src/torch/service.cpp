// SPDX-License-Identifier: Apache-2.0
#include "torch/service.hpp"

#include <torch/version.h>

#include "sandbox/sandbox.hpp"
#include "torch/messages.hpp"

namespace detent::torch_worker {
namespace {

namespace jit = torch::jit;

const char* side_of(bool output) { return output ? "output" : "input"; }

std::set<std::string> names_of(const json::Object& facts, std::string_view key) {
  std::set<std::string> names;
  for (const json::Value& value : wire::list_of(facts, key))
    if (const std::string* text = value.if_string()) names.insert(*text);
  return names;
}

json::Object to_json(const std::map<std::string, std::string>& texts) {
  json::Object object;
  for (const auto& [key, text] : texts) object.append({key, {}, text});
  return object;
}

}  // namespace

void Service::open(int model_fd, std::uint64_t bytes) {
  const c10::InferenceMode no_gradients(false);
  model_ = std::make_unique<LoadedModel>(model_fd, bytes);
  refuse_violation();
  try {
    const Rebuilt rebuilt = rebuild(model_->module());
    uses_ = find_uses(rebuilt, *model_);
  } catch (const std::exception& e) {
    not_editable_ = short_message(e);
  }
  channel_.send(facts());
}

json::Object Service::facts() const {
  json::Array inputs;
  const auto& schema = model_->module().get_method("forward").function().getSchema();
  for (std::size_t i = 1; i < schema.arguments().size(); ++i) {
    const c10::Argument& a = schema.arguments()[i];
    inputs.push_back(json::Object{{"name", a.name()},
                                  {"type", a.type()->annotation_str()},
                                  {"has_default", a.default_value().has_value()}});
  }
  json::Array uses;
  for (const Use& use : uses_.uses)
    uses.push_back(json::Object{{"weight", use.weight},
                                {"op", use.op},
                                {"method", use.method},
                                {"replaceable", use.replaceable}});
  return json::Object{{"inputs", std::move(inputs)},
                      {"uses", std::move(uses)},
                      {"other_readers", to_json(uses_.other_readers)},
                      {"out_of_reach", to_json(uses_.out_of_reach)},
                      {"not_editable", not_editable_},
                      {"runtime", "LibTorch " TORCH_VERSION},
                      {"isolation", isolation_}};
}

void Service::serve() {
  for (;;) {
    const wire::Message request = channel_.receive();
    try {
      answer(request);
    } catch (const wire::Channel::Closed&) {
      throw;
    } catch (const std::exception& e) {
      send_error(e);
    }
  }
}

// What the model tried goes before what it said.
void Service::send_error(const std::exception& e) {
  const std::string tried = sandbox::take_violation();
  if (tried.empty()) {
    channel_.send({{"error", short_message(e)}});
  } else {
    channel_.send({{"error", "the model's code tried " + tried}, {"hostile", true}});
  }
}

// After the model's code ran, before anything that it computed is used.
void Service::refuse_violation() {
  if (sandbox::has_violation()) throw std::runtime_error("the model's code tried what is refused");
}

void Service::answer(const wire::Message& request) {
  const std::string what = wire::text_of(request.facts, "do");
  if (what == "run") return run(request);
  if (what == "simulate") {
    simulate(request);
  } else if (what == "write") {
    return write(request);
  } else {
    edit(what, request);
  }
  channel_.send({{"done", true}});
}

void Service::run(const wire::Message& request) {
  const std::string mode = wire::text_of(request.facts, "mode");
  RunTask task;
  std::map<std::string, SiteError> errors;
  jit::Module module = model_->module();
  if (mode == "watch") {
    task.watched_inputs = names_of(request.facts, "inputs");
    task.watched_outputs = names_of(request.facts, "outputs");
    shown_.reset();
    task.seen = [this](const std::string& weight, bool output, const at::Tensor& x) {
      show(weight, output, x);
    };
  } else if (mode == "simulated") {
    build_simulation();
    module = *simulated_;
    task.changes = &changes_;
  } else {
    task.changes = &changes_;
    task.errors = &errors;
  }
  // A simulated module has its changed weights already.
  std::map<std::string, SiteChange> activations_only;
  if (mode == "simulated") {
    for (const auto& [weight, change] : changes_)
      activations_only.emplace(weight, SiteChange{{}, change.input, change.output});
    task.changes = &activations_only;
  }
  const c10::IValue result = run_program(module, inputs_of(request), *model_, task);
  refuse_violation();
  if (mode != "local") return send_outputs(result);
  json::Object sums;
  for (const auto& [weight, sum] : errors)
    sums.append({weight, {}, json::Array{json::number(sum.signal), json::number(sum.noise)}});
  channel_.send({{"errors", std::move(sums)}});
}

// Operators that share an input are common: what was sent just now is not sent again. Bytes are
// compared, since a program may change a tensor in place.
void Service::show(const std::string& weight, bool output, const at::Tensor& x) {
  const at::Tensor compact = x.contiguous();
  const wire::Part part{weight, view_of(compact)};
  const Shown shown{compact.scalar_type(), compact.sizes().vec()};
  if (shown == shown_ && channel_.has_sent(part.view))
    return channel_.send({{"seen", side_of(output)}, {"again", weight}});
  channel_.send({{"seen", side_of(output)}}, {&part, 1});
  shown_ = shown;
}

std::vector<c10::IValue> Service::inputs_of(const wire::Message& request) const {
  const auto& schema = model_->module().get_method("forward").function().getSchema();
  std::set<std::string> unused;
  for (const auto& tensor : request.tensors) unused.insert(tensor->name());
  std::vector<c10::IValue> values;
  for (std::size_t i = 1; i < schema.arguments().size(); ++i) {
    const c10::Argument& argument = schema.arguments()[i];
    const HostTensor* given = nullptr;
    for (const auto& tensor : request.tensors)
      if (tensor->name() == argument.name() ||
          (i == 1 && tensor->name() == "input" && given == nullptr))
        given = tensor.get();
    if (given == nullptr) {
      if (!argument.default_value())
        throw std::runtime_error("the program's input \"" + argument.name() + "\" is missing");
      values.push_back(*argument.default_value());
      continue;
    }
    unused.erase(given->name());
    values.push_back(input_value(*given, argument.type()));
  }
  if (!unused.empty())
    throw std::runtime_error("the program has no input \"" + *unused.begin() + "\"");
  return values;
}

void Service::send_outputs(const c10::IValue& result) {
  std::vector<at::Tensor> tensors;
  collect_tensors(result, tensors);
  std::vector<wire::Part> parts;
  for (at::Tensor& t : tensors) {
    t = t.detach().cpu().resolve_neg().resolve_conj().contiguous();
    parts.push_back({"output." + std::to_string(parts.size()), view_of(t)});
  }
  channel_.send({{"done", true}}, parts);
}

void Service::simulate(const wire::Message& request) {
  simulated_.reset();
  const std::string weight = wire::text_of(request.facts, "weight");
  const ModelTensor* original = model_->find(weight);
  if (original == nullptr) throw std::runtime_error("there is no tensor \"" + weight + "\"");
  const bool sides = request.facts.contains("input") || request.facts.contains("output");
  if (request.tensors.empty() && !sides) {
    changes_.erase(weight);  // as it was
    return;
  }
  SiteChange& change = changes_[weight];
  for (const auto& tensor : request.tensors)
    if (tensor->name() == weight)
      change.weight = tensor_of(*tensor).to(original->tensor.scalar_type()).clone();
  if (change.weight.defined() && change.weight.sizes() != original->tensor.sizes())
    throw std::runtime_error("\"" + weight + "\" has another shape");
  change.input = quantization_of(request, "input");
  change.output = quantization_of(request, "output");
}

// The program with the changed tensors in the place of its own, so that every operator sees them.
void Service::build_simulation() {
  if (simulated_ != nullptr) return;
  if (!not_editable_.empty())
    throw std::runtime_error("the program cannot be changed: " + not_editable_);
  const Rebuilt rebuilt = rebuild(model_->module());
  std::map<std::string, at::Tensor> stand_ins;
  for (const auto& [name, change] : changes_) {
    if (!change.weight.defined() || uses_.out_of_reach.contains(name)) continue;
    stand_ins.emplace(name, change.weight);
    model_->bind(change.weight, *model_->find(name));
  }
  replace_tensors(rebuilt, *model_, stand_ins);
  simulated_ = std::make_unique<jit::Module>(rebuilt.module);
}

Editor& Service::editor_of(const json::Object& facts) {
  const auto it = editors_.find(wire::integer_of(facts, "edit"));
  if (it == editors_.end()) throw std::runtime_error("no such edit was begun");
  return *it->second;
}

void Service::edit(const std::string& what, const wire::Message& request) {
  const json::Object& facts = request.facts;
  if (what == "begin_edit") {
    if (!not_editable_.empty())
      throw std::runtime_error("the program cannot be changed: " + not_editable_);
    editors_[wire::integer_of(facts, "edit")] = std::make_unique<Editor>(*model_);
    return;
  }
  Editor& editor = editor_of(facts);
  const auto use = [&] { return static_cast<std::size_t>(wire::integer_of(facts, "use")); };
  if (what == "define") {
    editor.define(wire::text_of(facts, "source"));
  } else if (what == "set_tensor") {
    if (request.tensors.size() != 1) throw std::runtime_error("one tensor at a time");
    editor.set_tensor(request.tensors[0]->name(), tensor_of(*request.tensors[0]).clone());
  } else if (what == "prepare") {
    editor.prepare(wire::text_of(facts, "name"), call_of(facts));
  } else if (what == "replace_operand") {
    const auto operand = static_cast<std::size_t>(wire::integer_of(facts, "operand"));
    editor.replace_operand(use(), operand, call_of(facts));
  } else if (what == "replace_use") {
    editor.replace_use(use(), call_of(facts));
  } else if (what == "replace_result") {
    editor.replace_result(use(), call_of(facts));
  } else if (what == "replace_reads") {
    editor.replace_reads(wire::text_of(facts, "tensor"), call_of(facts));
  } else if (what == "extra_file") {
    const auto* text = reinterpret_cast<const char*>(request.bytes.data());
    editor.set_extra_file(wire::text_of(facts, "name"), {text, request.bytes.size()});
  } else if (what == "drop_edit") {
    editors_.erase(wire::integer_of(facts, "edit"));
  } else {
    throw std::runtime_error("\"" + what + "\" is no request");
  }
}

// Small writes are gathered: an archive has many.
void Service::write(const wire::Message& request) {
  Editor& editor = editor_of(request.facts);
  constexpr std::size_t kBlock = std::size_t{1} << 20U;
  std::vector<std::byte> block;
  const auto flush = [&] {
    if (!block.empty()) channel_.send_raw({{"chunk", true}}, block);
    block.clear();
  };
  editor.write([&](const void* bytes, std::size_t n) {
    const auto* from = static_cast<const std::byte*>(bytes);
    if (block.size() + n > kBlock) flush();
    if (n >= kBlock) return channel_.send_raw({{"chunk", true}}, {from, n});
    block.insert(block.end(), from, from + n);
  });
  flush();
  editors_.erase(wire::integer_of(request.facts, "edit"));
  channel_.send({{"done", true}});
}

}  // namespace detent::torch_worker
