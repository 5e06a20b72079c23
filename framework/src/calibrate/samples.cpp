// SPDX-License-Identifier: Apache-2.0
#include "calibrate/samples.hpp"

#include <algorithm>
#include <fmt/format.h>

#include "base/error.hpp"
#include "base/text.hpp"
#include "calibrate/safetensors_samples.hpp"

namespace detent {
namespace {

constexpr std::string_view kTarget = "target";
constexpr std::string_view kFirstInput = "input";

bool is_input(const std::vector<ProgramInput>& inputs, std::string_view name) {
  return std::any_of(inputs.begin(), inputs.end(),
                     [&](const ProgramInput& i) { return i.name == name; });
}

// "target" is one unless the model takes an input of that name.
bool is_target(const std::vector<ProgramInput>& inputs, const SampleTensor& tensor) {
  return tensor.name == kTarget && !is_input(inputs, kTarget);
}

std::string names_of(const std::vector<ProgramInput>& inputs) {
  std::vector<std::string> names;
  for (const ProgramInput& i : inputs)
    names.push_back(fmt::format("{} ({}{})", i.name, i.type, i.has_default ? ", optional" : ""));
  return names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "));
}

std::string names_of(const SampleRecord& record) {
  std::vector<std::string> names;
  for (const SampleTensor& t : record.tensors) names.push_back(printable(t.name));
  return fmt::format("{}", fmt::join(names, ", "));
}

[[noreturn]] void refuse_names(const std::filesystem::path& file, std::string what,
                               const std::vector<ProgramInput>& inputs) {
  throw Error(ErrorCode::config, fmt::format("{}: {}", file.string(), what),
              fmt::format("the inputs of the model: {}", names_of(inputs)),
              {.file = file.string()});
}

void check_names(const std::filesystem::path& file, const SampleRecord& record,
                 const std::vector<ProgramInput>& inputs) {
  const bool first_by_input = !is_input(inputs, kFirstInput);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const bool given = record.find(inputs[i].name) != nullptr ||
                       (i == 0 && first_by_input && record.find(kFirstInput) != nullptr);
    if (given || inputs[i].has_default) continue;
    refuse_names(file,
                 fmt::format("no tensor for the input \"{}\" of the model; it has {}",
                             inputs[i].name, names_of(record)),
                 inputs);
  }
  for (const SampleTensor& t : record.tensors) {
    const bool stands_for_first = t.name == kFirstInput && first_by_input && !inputs.empty();
    if (stands_for_first && record.find(inputs.front().name) != nullptr)
      refuse_names(file,
                   fmt::format("\"{}\" and \"{}\" are both the first input of the model",
                               kFirstInput, inputs.front().name),
                   inputs);
    if (is_input(inputs, t.name) || stands_for_first || is_target(inputs, t)) continue;
    refuse_names(file, fmt::format("\"{}\" is no input of the model", printable(t.name)), inputs);
  }
}

bool has_rows_like(const SampleTensor& a, const SampleTensor& b) {
  return a.name == b.name && a.dtype == b.dtype &&
         std::equal(a.shape.begin() + 1, a.shape.end(), b.shape.begin() + 1, b.shape.end());
}

// Can samples of both go through the model at once?
bool fit_together(const SampleRecord& a, const SampleRecord& b) {
  return std::equal(a.tensors.begin(), a.tensors.end(), b.tensors.begin(), b.tensors.end(),
                    has_rows_like);
}

std::uint64_t row_bytes(const SampleTensor& tensor) {
  return tensor.nbytes / static_cast<std::uint64_t>(tensor.shape.front());
}

}  // namespace

std::vector<NamedTensor> SampleBatch::lent() const {
  std::vector<NamedTensor> named;
  for (const auto& tensor : inputs) named.push_back({tensor->name(), tensor->read_only()});
  return named;
}

Samples::Samples(const std::vector<std::filesystem::path>& files,
                 const std::vector<ProgramInput>& inputs)
    : target_is_input_(is_input(inputs, kTarget)) {
  for (const std::filesystem::path& file : files) {
    std::vector<SampleRecord> records;
    if (is_torch_file(file)) {
      records = read_torch_samples(file);
    } else {
      records.push_back(read_safetensors_samples(file));
    }
    for (SampleRecord& record : records) {
      check_names(file, record, inputs);
      const auto samples = static_cast<std::uint64_t>(record.samples());
      if (samples == 0) continue;
      parts_.push_back({std::move(record), count_});
      count_ += samples;
    }
  }
}

bool Samples::has_targets() const {
  return !target_is_input_ && !parts_.empty() &&
         std::all_of(parts_.begin(), parts_.end(),
                     [](const Part& p) { return p.record.find(kTarget) != nullptr; });
}

std::size_t Samples::part_of(std::uint64_t sample) const {
  const auto after = std::upper_bound(parts_.begin(), parts_.end(), sample,
                                      [](std::uint64_t s, const Part& p) { return s < p.first; });
  return static_cast<std::size_t>(after - parts_.begin()) - 1;
}

std::vector<SampleRange> Samples::batches(std::uint64_t samples, std::uint64_t batch_size) const {
  const std::uint64_t end = std::min(samples, count_);
  std::vector<SampleRange> all;
  for (std::size_t p = 0; p < parts_.size() && parts_[p].first < end; ++p) {
    const std::uint64_t part_end =
        std::min(end, parts_[p].first + static_cast<std::uint64_t>(parts_[p].record.samples()));
    std::uint64_t at = parts_[p].first;
    const bool goes_on = p > 0 && fit_together(parts_[p - 1].record, parts_[p].record);
    if (goes_on && all.back().count < batch_size) {
      const std::uint64_t more = std::min(batch_size - all.back().count, part_end - at);
      all.back().count += more;
      at += more;
    }
    for (; at < part_end; at += all.back().count)
      all.push_back({at, std::min(batch_size, part_end - at)});
  }
  return all;
}

std::unique_ptr<HostTensor> Samples::read_tensor(std::size_t index,
                                                 const SampleRange& batch) const {
  const SampleTensor& like = parts_.at(part_of(batch.first)).record.tensors[index];
  std::vector<std::int64_t> shape = like.shape;
  shape.front() = static_cast<std::int64_t>(batch.count);
  auto tensor = std::make_unique<HostTensor>(like.name, like.dtype, std::move(shape));
  std::span<std::byte> rest = tensor->bytes();
  const std::uint64_t end = batch.first + batch.count;
  for (std::uint64_t at = batch.first; at < end;) {
    const Part& part = parts_[part_of(at)];
    const SampleTensor& source = part.record.tensors[index];
    const std::uint64_t from = at - part.first;
    const std::uint64_t n =
        std::min(end - at, static_cast<std::uint64_t>(part.record.samples()) - from);
    const std::uint64_t bytes = n * row_bytes(source);
    source.read(static_cast<std::int64_t>(from), static_cast<std::int64_t>(n), rest.first(bytes));
    rest = rest.subspan(bytes);
    at += n;
  }
  return tensor;
}

SampleBatch Samples::read(const SampleRange& batch) const {
  SampleBatch result;
  result.range = batch;
  const std::size_t tensors = parts_.at(part_of(batch.first)).record.tensors.size();
  for (std::size_t t = 0; t < tensors; ++t) {
    auto tensor = read_tensor(t, batch);
    const bool target = !target_is_input_ && tensor->name() == kTarget;
    if (target) {
      result.target = std::move(tensor);
    } else {
      result.inputs.push_back(std::move(tensor));
    }
  }
  return result;
}

std::uint64_t Samples::bytes_of(const SampleRange& batch) const {
  std::uint64_t bytes = 0;
  for (const SampleTensor& t : parts_.at(part_of(batch.first)).record.tensors)
    bytes += batch.count * row_bytes(t);
  return bytes;
}

std::vector<SampleRange> planned_batches(const Config& config, const Samples& samples) {
  return samples.batches(static_cast<std::uint64_t>(config.calibration_samples),
                         static_cast<std::uint64_t>(config.calibration_batch_size));
}

std::optional<Samples> open_samples(const Config& config, const Program* program, Plan& plan) {
  if (program == nullptr || config.calibration_data.empty()) return std::nullopt;
  Samples samples(config.calibration_data, program->facts().inputs);
  std::uint64_t largest = 0;
  for (const SampleRange& batch : planned_batches(config, samples))
    largest = std::max(largest, samples.bytes_of(batch));
  plan.peak_memory_bytes += 2 * largest;
  return samples;
}

}  // namespace detent
