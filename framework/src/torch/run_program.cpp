// SPDX-License-Identifier: Apache-2.0
#include "torch/run_program.hpp"

#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/core/impl/LocalDispatchKeySet.h>
#include <mutex>
#include <torch/library.h>

#include "torch/operators.hpp"

namespace detent::torch_worker {
namespace {

// The one key of LibTorch that has no meaning of its own. Its name promises nothing for later
// releases: it is named in this place only.
constexpr auto kKey = c10::DispatchKey::TESTING_ONLY_GenericMode;

const LoadedModel* current_model = nullptr;
const RunTask* current_task = nullptr;
std::mutex one_at_a_time;  // forked parts of a program run on other threads

struct Site {
  const std::string* weight = nullptr;
  at::Tensor owner;  // the weight itself
  std::size_t input = 0;
  std::size_t weight_at = 0;
  bool integer_input = false;
};

std::optional<Site> find_site(const c10::OperatorHandle& op, const torch::jit::Stack& stack) {
  const Operator* what = find_operator(op.schema().operator_name().name);
  if (what == nullptr) return std::nullopt;
  const std::size_t base = stack.size() - op.schema().arguments().size();
  Site site;
  site.input = base + static_cast<std::size_t>(what->input);
  site.weight_at = base + static_cast<std::size_t>(what->weight);
  if (!stack[site.input].isTensor() || !stack[site.weight_at].isTensor()) return std::nullopt;
  const at::Tensor& weight = stack[site.weight_at].toTensor();
  if (!weight.defined() || !weight.has_storage()) return std::nullopt;
  const ModelTensor* owner = current_model->owner(weight);
  if (owner == nullptr) return std::nullopt;
  site.weight = &owner->name;
  site.owner = owner->tensor;
  site.integer_input = !stack[site.input].toTensor().is_floating_point();
  return site;
}

// The changed weight in the view that the operator was given of the original one.
at::Tensor same_view(const at::Tensor& changed, const at::Tensor& given, const at::Tensor& owner) {
  const std::int64_t offset = given.storage_offset() - owner.storage_offset();
  if (!owner.is_contiguous() || offset < 0) return changed;
  return changed.as_strided(given.sizes(), given.strides(), offset);
}

void change_arguments(const SiteChange& change, const Site& site, torch::jit::Stack& stack) {
  if (change.weight.defined())
    stack[site.weight_at] = same_view(change.weight, stack[site.weight_at].toTensor(), site.owner);
  if (change.input && !site.integer_input)
    stack[site.input] = quantize_dequantize(stack[site.input].toTensor(), *change.input);
}

void change_result(const SiteChange& change, torch::jit::Stack& stack) {
  if (change.output) stack.back() = quantize_dequantize(stack.back().toTensor(), *change.output);
}

void see(const Site& site, bool output, const at::Tensor& x) {
  const std::lock_guard lock(one_at_a_time);
  current_task->seen(*site.weight, output, x);
}

void add_error(const at::Tensor& exact, const at::Tensor& changed, const Site& site) {
  const std::lock_guard lock(one_at_a_time);
  SiteError& sum = (*current_task->errors)[*site.weight];
  const at::Tensor y = exact.to(at::kDouble);
  sum.signal += at::sum(y * y).item<double>();
  const at::Tensor difference = y - changed.to(at::kDouble);
  sum.noise += at::sum(difference * difference).item<double>();
}

void measure(const c10::OperatorHandle& op, c10::DispatchKeySet keys, const Site& site,
             torch::jit::Stack& stack) {
  const auto change = current_task->changes->find(*site.weight);
  if (change == current_task->changes->end()) return op.redispatchBoxed(keys, &stack);
  const std::size_t arguments = op.schema().arguments().size();
  torch::jit::Stack copy(stack.end() - static_cast<std::ptrdiff_t>(arguments), stack.end());
  const std::size_t base = stack.size() - arguments;
  Site in_copy = site;
  in_copy.input -= base;
  in_copy.weight_at -= base;
  change_arguments(change->second, in_copy, copy);
  op.redispatchBoxed(keys, &copy);
  change_result(change->second, copy);
  op.redispatchBoxed(keys, &stack);
  add_error(stack.back().toTensor(), copy.back().toTensor(), site);
}

void watch_and_change(const c10::OperatorHandle& op, c10::DispatchKeySet keys, const Site& site,
                      torch::jit::Stack& stack) {
  const RunTask& task = *current_task;
  if (!site.integer_input && task.watched_inputs.contains(*site.weight))
    see(site, false, stack[site.input].toTensor());
  const SiteChange* change = nullptr;
  if (task.changes != nullptr)
    if (const auto it = task.changes->find(*site.weight); it != task.changes->end())
      change = &it->second;
  if (change != nullptr) change_arguments(*change, site, stack);
  op.redispatchBoxed(keys, &stack);
  if (change != nullptr) change_result(*change, stack);
  if (task.watched_outputs.contains(*site.weight)) see(site, true, stack.back().toTensor());
}

void kernel(const c10::OperatorHandle& op, c10::DispatchKeySet keys, torch::jit::Stack* stack) {
  // Operators are made of operators, and measuring uses some: none of them is to be seen.
  const c10::impl::ExcludeDispatchKeyGuard off(kKey);
  const c10::DispatchKeySet rest = keys.remove(kKey);
  const std::optional<Site> site = current_task == nullptr ? std::nullopt : find_site(op, *stack);
  if (!site) return op.redispatchBoxed(rest, stack);
  if (current_task->errors != nullptr) return measure(op, rest, *site, *stack);
  watch_and_change(op, rest, *site, *stack);
}

// Every overload of the table's operators.
void install_kernels() {
  static torch::Library all(torch::Library::IMPL, "_", kKey, __FILE__, __LINE__);
  static torch::Library ours(torch::Library::IMPL, "aten", kKey, __FILE__, __LINE__);
  static bool done = false;
  if (done) return;
  done = true;
  all.fallback(torch::CppFunction::makeFallthrough());
  for (const c10::OperatorName& name : c10::Dispatcher::singleton().getAllOpNames()) {
    const bool is_out = name.overload_name.find("out") != std::string::npos;
    if (is_out || find_operator(name.name) == nullptr) continue;
    if (!c10::Dispatcher::singleton().findSchema(name)) continue;
    std::string text = name.name.substr(6);  // behind "aten::"
    if (!name.overload_name.empty()) text += "." + name.overload_name;
    ours.impl(text.c_str(), torch::CppFunction::makeFromBoxedFunction<&kernel>());
  }
}

// Sets what the kernels see, and takes it away however the run ends.
class Scope {
 public:
  Scope(const LoadedModel& model, const RunTask& task) {
    current_model = &model;
    current_task = &task;
  }
  ~Scope() { current_task = nullptr; }
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;
};

}  // namespace

c10::IValue run_program(torch::jit::Module module, std::vector<c10::IValue> inputs,
                        const LoadedModel& model, const RunTask& task) {
  install_kernels();
  const Scope scope(model, task);
  const c10::InferenceMode no_gradients;
  const c10::impl::IncludeDispatchKeyGuard on(kKey);
  return module.forward(std::move(inputs));
}

}  // namespace detent::torch_worker
