// SPDX-License-Identifier: Apache-2.0
#include "validate/validate.hpp"

#include <algorithm>
#include <fmt/format.h>

#include "artifact/verify.hpp"
#include "base/cancel.hpp"
#include "base/hash.hpp"
#include "quantize/measure.hpp"
#include "validate/output_input.hpp"

namespace detent {
namespace {

// One tensor as it was found in the file, with the memory that the C view points into.
struct Found {
  std::string name;
  std::unique_ptr<HostTensor> data;  // none when the file has no such tensor
  detent_tensor view{};
  std::string digest_intended;
  std::string digest_found;
};

class Checker {
 public:
  Checker(const std::vector<PluginUse>& uses, const ValidationInput& input, ThreadPool& pool)
      : input_(input), pool_(pool), artifact_(open(input)) {
    for (const PluginUse& use : uses)
      validators_.emplace_back(*use.plugin, pool,
                               InstanceConfig{.params = use.params, .target = ""});
  }

  Validation run() {
    result_.intact = result_.in_range = true;
    for (const TensorPlan& t : input_.plan.tensors) {
      check_cancelled();
      check_tensor(t);
    }
    const detent_output_input output = output_input(input_.evaluation);
    for (Validator& v : validators_) append(v.check_output(output));
    finish();
    return std::move(result_);
  }

 private:
  static Artifact open(const ValidationInput& input) {
    try {
      return Artifact::open(input.artifact);
    } catch (const Error& e) {
      if (e.code() != ErrorCode::io) throw;
      throw Error(ErrorCode::validation,
                  fmt::format("the artefact cannot be read back: {}", e.problems()[0].message));
    }
  }

  Found find(const std::string& name, detent_dtype dtype, std::uint64_t nbytes) const {
    Found f;
    f.name = name;
    if (const auto it = input_.intended.find(name); it != input_.intended.end())
      f.digest_intended = "xxh3-128:" + it->second;
    const TensorInfo* info = artifact_.model().find(name);
    const bool packed = DETENT_DTYPE_BITS(dtype) < 8;
    if (info == nullptr || info->nbytes != nbytes || info->dtype != (packed ? DETENT_U8 : dtype))
      return f;
    f.data = read_tensor(artifact_.model(), *info);
    f.view = f.data->read_only();
    f.digest_found = xxh3(f.data->bytes());
    return f;
  }

  // Scale and zero point of the activations of the weight's operators: their bytes are compared.
  void find_activations(const std::string& weight, std::vector<Found>& found) const {
    for (const ActivationPlan& a : input_.plan.activations) {
      if (a.weight != weight) continue;
      for (const StoredName& s : a.stored) {
        const TensorInfo* info = artifact_.model().find(s.name);
        found.push_back(info != nullptr ? find(s.name, info->dtype, info->nbytes)
                                        : find(s.name, DETENT_F32, 0));
      }
    }
  }

  void check_tensor(const TensorPlan& t) {
    const TensorInfo& info = input_.original.tensors()[t.tensor];
    std::vector<Found> found;
    if (!t.quantize) found.push_back(find(info.name, info.dtype, info.nbytes));
    for (std::size_t i = 0; i < t.stored.size(); ++i) {
      const PlannedTensor& planned = t.quantizer.outputs[i];
      found.push_back(find(t.stored[i].name, planned.dtype, planned.nbytes()));
    }
    find_activations(info.name, found);
    for (const Found& f : found)
      if (f.data == nullptr || f.digest_found != f.digest_intended) result_.intact = false;
    std::vector<detent_stored_tensor> stored;
    for (const Found& f : found)
      stored.push_back({f.name.c_str(), f.data ? &f.view : nullptr, f.digest_intended.c_str(),
                        f.digest_found.c_str()});

    const auto original = read_tensor(input_.original, info);
    const detent_tensor original_view = original->read_only();
    detent_metrics metrics{QuantizationError{}.sqnr_db(), 0, t.bytes_before, t.bytes_after};
    detent_check_input in{};
    in.struct_size = sizeof in;
    in.target = info.name.c_str();
    in.original = &original_view;
    in.stored = stored.data();
    in.n_stored = stored.size();
    in.metrics = &metrics;

    TensorStore quantized;
    std::unique_ptr<HostTensor> back;
    detent_tensor back_view{};
    const TensorRecord* record = t.quantize ? artifact_.record(info.name) : nullptr;
    if (record != nullptr) {
      artifact_.load(*record, quantized);
      if (!wrong_in_stored(*record, quantized).empty()) result_.in_range = false;
      back = std::make_unique<HostTensor>(info.name, DETENT_F32, info.shape);
      make_quantizer(*t.scheme, info.name, pool_).dequantize(quantized, back->view());
      back_view = back->read_only();
      measure(info, *original, *back, metrics);
      in.dequantized = &back_view;
      in.quantized = quantized.source();
      in.qspec = t.quantizer.target ? t.quantizer.target->c() : nullptr;
    }
    for (Validator& v : validators_) append(v.check(in));
  }

  void measure(const TensorInfo& info, const HostTensor& original, const HostTensor& back,
               detent_metrics& metrics) const {
    const std::span<const float> values(reinterpret_cast<const float*>(back.bytes().data()),
                                        back.numel());
    const QuantizationError error = measure_error(info.dtype, original.bytes(), values, pool_);
    metrics.sqnr_db = error.sqnr_db();
    metrics.max_abs_error = error.max_abs_error;
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
    for (Validator& v : validators_) append(v.finish(summary));
  }

  void append(std::vector<Finding> findings) {
    for (Finding& f : findings) result_.findings.push_back(std::move(f));
  }

  const ValidationInput& input_;
  ThreadPool& pool_;
  Artifact artifact_;
  std::vector<Validator> validators_;
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
