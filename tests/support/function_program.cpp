// SPDX-License-Identifier: Apache-2.0
#include "support/function_program.hpp"

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <tuple>

namespace detent::test {
namespace {

[[noreturn]] void cannot(const char* what) {
  throw std::logic_error(std::string("a fake program cannot ") + what);
}

using Shown = std::tuple<detent_dtype, std::vector<std::int64_t>, std::string>;

Shown contents_of(const detent_tensor& x) {
  return {x.dtype, std::vector<std::int64_t>(x.shape, x.shape + x.ndim),
          std::string(static_cast<const char*>(x.data), x.nbytes)};
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

Outputs FunctionProgram::run(std::span<const detent::NamedTensor> inputs, const Watch* watch) {
  batches.push_back(inputs.front().view.shape[0]);
  std::optional<Shown> before;
  forward_(inputs, [&](const std::string& weight, Side side, const detent_tensor& x) {
    const bool asked =
        watch != nullptr && contains(side == Side::input ? watch->inputs : watch->outputs, weight);
    if (!asked) return;
    const Shown now = contents_of(x);
    (watch->again && before == now ? watch->again : watch->seen)(weight, side, x);
    before = now;
  });
  return {};
}

void FunctionProgram::simulate(std::span<const SimulatedWeight>) { cannot("simulate"); }
Outputs FunctionProgram::run_simulated(std::span<const detent::NamedTensor>) { cannot("simulate"); }
std::map<std::string, LocalError> FunctionProgram::measure_local(
    std::span<const detent::NamedTensor>) {
  cannot("measure");
}
std::unique_ptr<ProgramEdit> FunctionProgram::begin_edit() { cannot("be rewritten"); }

}  // namespace detent::test
