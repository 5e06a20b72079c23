// SPDX-License-Identifier: Apache-2.0
#include "validate/validate.hpp"

#include <algorithm>
#include <fmt/format.h>

#include "artifact/plugin_model.hpp"
#include "artifact/verify.hpp"
#include "base/cancel.hpp"
#include "quantize/measure.hpp"
#include "validate/output_input.hpp"
#include "validate/stored.hpp"

namespace detent {
namespace {

bool needs(const Plugin& validator, const char* data) {
  return lists(validator.requirements, data);
}

class Checker {
 public:
  Checker(const std::vector<PluginUse>& uses, const ValidationInput& input, ThreadPool& pool)
      : input_(input), pool_(pool), artifact_(open(input, pool)) {
    for (const PluginUse& use : uses) {
      const Plugin& plugin = *use.plugin;
      validators_.push_back(
          {&plugin, Validator(plugin, pool, {.params = use.params, .target = ""})});
      const bool looks = needs(plugin, DETENT_NEEDS_STORED);
      needs_original_ |= needs(plugin, DETENT_NEEDS_ORIGINAL);
      needs_dequantized_ |= needs(plugin, DETENT_NEEDS_DEQUANTIZED);
      needs_whole_ |= looks && (plugin.flags & DETENT_PLUGIN_ROWWISE) == 0;
    }
    needs_whole_ |= needs_original_ || needs_dequantized_;
  }

  Validation run() {
    result_.intact = result_.in_range = true;
    for (const TensorPlan& t : input_.plan.tensors) {
      check_cancelled();
      check_tensor(t);
    }
    const detent_output_input output = output_input(input_.evaluation);
    for (auto& [plugin, validator] : validators_) append(validator.check_output(output));
    finish();
    return std::move(result_);
  }

 private:
  // What a check is told, with what it points to.
  struct Told {
    detent_tensor_spec spec{};
    detent_metrics metrics{};
    std::unique_ptr<HostTensor> original;
    std::unique_ptr<HostTensor> dequantized;
    const detent_tensor_source* quantized = nullptr;
    detent_check_input in{};
  };

  static Artifact open(const ValidationInput& input, ThreadPool& pool) {
    try {
      if (is_known_format(input.artifact)) return Artifact::open(input.artifact);
      return Artifact::over(read_with_plugin(input.artifact, *input.serializer.plugin,
                                             input.serializer.params, pool));
    } catch (const Error& e) {
      if (e.code() != ErrorCode::io) throw;
      throw Error(ErrorCode::validation,
                  fmt::format("the artefact cannot be read back: {}", e.problems()[0].message));
    }
  }

  void check_tensor(const TensorPlan& t) {
    const TensorInfo& info = input_.original.tensors()[t.tensor];
    StoredTensors stored(artifact_, t, info, input_.plan.activations, input_.intended);
    const bool by_rows = t.block_rows != 0 && !needs_whole_ && stored.has_rows();
    const auto rows = by_rows ? static_cast<std::uint64_t>(info.shape[0]) : 1;
    const std::uint64_t step = by_rows ? t.block_rows : 1;
    Told told = begin(t, info);
    const TensorRecord* record = t.quantize ? artifact_.record(info.name) : nullptr;
    for (std::uint64_t row = 0; row < rows; row += step) {
      check_cancelled();
      stored.read(row, std::min(step, rows - row), !by_rows);
      if (record != nullptr) look_at(*record, stored, told);
      told.in.first_row = row;
      told.in.last = row + step >= rows ? 1 : 0;
      if (told.in.last != 0) end(t, info, record, stored, told);
      tell(stored, told);
    }
  }

  Told begin(const TensorPlan& t, const TensorInfo& info) const {
    Told told;
    told.spec = {info.name.c_str(), info.shape.empty() ? nullptr : info.shape.data(),
                 static_cast<std::int32_t>(info.shape.size()), info.dtype};
    told.metrics = {QuantizationError{}.sqnr_db(), 0, t.bytes_before, t.bytes_after, 0, 0};
    told.in.struct_size = sizeof told.in;
    told.in.target = info.name.c_str();
    told.in.qspec = t.quantize && t.quantizer.target ? t.quantizer.target->c() : nullptr;
    told.in.is_quantized = t.quantize ? 1 : 0;
    if (needs_original_) told.original = read_tensor(input_.original, info);
    return told;
  }

  // The host's own look at the codes, whatever the validators do.
  void look_at(const TensorRecord& record, StoredTensors& stored, Told& told) {
    for (const Stored& s : stored.all())
      if (!s.output.empty() && s.rows == nullptr) return;
    TensorStore& block = stored.block();
    for (const auto& [key, text] : record.scheme.meta) block.set_meta(key, text);
    if (!wrong_in_stored(record, block).empty()) result_.in_range = false;
    told.quantized = block.source();
  }

  // All of the tensor was read: its digests are known, and with them what its numbers are worth.
  void end(const TensorPlan& t, const TensorInfo& info, const TensorRecord* record,
           StoredTensors& stored, Told& told) {
    stored.end();
    const bool intact = stored.intact();
    if (!intact) result_.intact = false;
    if (!t.quantize) {
      const auto it = input_.kept_non_finite.find(t.tensor);
      if (it != input_.kept_non_finite.end()) told.metrics.original_non_finite = it->second;
      return;
    }
    if (intact && !needs_dequantized_) return take_measured(input_.results.at(t.tensor), told);
    if (record == nullptr) return;
    told.dequantized = dequantize(t, info, *record);
    if (told.dequantized != nullptr) measure(info, *told.dequantized, told);
  }

  static void take_measured(const TensorResult& result, Told& told) {
    told.metrics.sqnr_db = result.error.sqnr_db();
    told.metrics.max_abs_error = result.error.max_abs_error;
    told.metrics.dequantized_non_finite = result.dequantized_non_finite;
  }

  std::unique_ptr<HostTensor> dequantize(const TensorPlan& t, const TensorInfo& info,
                                         const TensorRecord& record) const {
    TensorStore quantized;
    artifact_.load(record, quantized);
    auto back = std::make_unique<HostTensor>(info.name, DETENT_F32, info.shape);
    make_quantizer(*t.scheme, info.name, pool_).dequantize(quantized, back->view());
    return back;
  }

  void measure(const TensorInfo& info, const HostTensor& back, Told& told) const {
    if (told.original == nullptr) told.original = read_tensor(input_.original, info);
    const std::span<const float> values(reinterpret_cast<const float*>(back.bytes().data()),
                                        back.numel());
    const QuantizationError error =
        measure_error(info.dtype, told.original->bytes(), values, pool_);
    told.metrics.sqnr_db = error.sqnr_db();
    told.metrics.max_abs_error = error.max_abs_error;
    told.metrics.dequantized_non_finite = count_non_finite(DETENT_F32, back.bytes(), pool_).count;
  }

  void tell(const StoredTensors& stored, Told& told) {
    std::vector<detent_stored_tensor> with_data;
    std::vector<detent_stored_tensor> without;
    for (const Stored& s : stored.all()) {
      without.push_back(
          {s.name.c_str(), nullptr, s.digest_intended.c_str(), s.digest_found.c_str()});
      with_data.push_back(without.back());
      if (s.rows != nullptr) with_data.back().data = s.rows->lent();
    }
    for (auto& [plugin, validator] : validators_) {
      const bool rowwise = (plugin->flags & DETENT_PLUGIN_ROWWISE) != 0;
      if (told.in.last == 0 && !rowwise) continue;
      detent_check_input in = told.in;
      if (!rowwise) in.first_row = 0;
      const bool looks = needs(*plugin, DETENT_NEEDS_STORED);
      in.tensor = &told.spec;
      in.stored = looks ? with_data.data() : without.data();
      in.n_stored = without.size();
      in.metrics = in.last != 0 ? &told.metrics : nullptr;
      if (looks) in.quantized = told.quantized;
      if (needs(*plugin, DETENT_NEEDS_ORIGINAL)) in.original = told.original->lent();
      if (told.dequantized != nullptr && needs(*plugin, DETENT_NEEDS_DEQUANTIZED))
        in.dequantized = told.dequantized->lent();
      append(validator.check(in));
    }
  }

  void finish() {
    detent_run_summary summary{};
    summary.struct_size = sizeof summary;
    summary.tensors = input_.plan.tensors.size();
    summary.tensors_quantized = static_cast<std::uint64_t>(
        std::count_if(input_.plan.tensors.begin(), input_.plan.tensors.end(),
                      [](const TensorPlan& t) { return t.quantize; }));
    summary.bytes_before = input_.plan.bytes_before;
    summary.bytes_after = artifact_.model().tensor_bytes();
    summary.file_bytes_before = input_.original_file_bytes;
    summary.file_bytes_after = input_.artifact_file_bytes;
    for (auto& [plugin, validator] : validators_) append(validator.finish(summary));
  }

  void append(std::vector<Finding> findings) {
    for (Finding& f : findings) result_.findings.push_back(std::move(f));
  }

  const ValidationInput& input_;
  ThreadPool& pool_;
  Artifact artifact_;
  std::vector<std::pair<const Plugin*, Validator>> validators_;
  bool needs_original_ = false;
  bool needs_dequantized_ = false;
  bool needs_whole_ = false;  // a validator wants data that it cannot take in blocks
  Validation result_;
};

}  // namespace

void Validation::add(const Validation& other) {
  findings.insert(findings.end(), other.findings.begin(), other.findings.end());
  if (other.intact) intact = intact.value_or(true) && *other.intact;
  if (other.in_range) in_range = in_range.value_or(true) && *other.in_range;
}

bool Validation::passed() const {
  return std::none_of(findings.begin(), findings.end(),
                      [](const Finding& f) { return f.severity >= DETENT_FINDING_FAIL; });
}

Validation validate(const std::vector<PluginUse>& validators, const ValidationInput& input,
                    ThreadPool& pool) {
  if (validators.empty()) return {};
  const Plugin& serializer = *input.serializer.plugin;
  if (!is_known_format(input.artifact) && !can_read(serializer)) {
    Validation none;
    none.not_read = fmt::format(
        "\"{}\" has a format of its own and no functions that read it: the artefact was not read "
        "back, and no validator looked at it",
        serializer.id);
    return none;
  }
  return Checker(validators, input, pool).run();
}

std::string describe(const Finding& f) {
  std::string text = f.validator;
  const bool named = f.message.find(f.target) != std::string::npos;
  if (!f.target.empty() && !named) text += fmt::format(": \"{}\"", f.target);
  text += ": " + (f.message.empty() ? fmt::format("{} = {:.6g}", f.metric, f.value) : f.message);
  return text;
}

}  // namespace detent
