// SPDX-License-Identifier: Apache-2.0
// Samples: the files of `calibration.data` as one sequence of samples, read in batches.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "config/config.hpp"
#include "model/torch_samples.hpp"
#include "plan/plan.hpp"
#include "plugin/tensor_store.hpp"
#include "program/program.hpp"

namespace detent {

// [first, first + count) of the sequence.
struct SampleRange {
  std::uint64_t first = 0;
  std::uint64_t count = 0;
};

struct SampleBatch {
  SampleRange range;
  std::vector<std::unique_ptr<HostTensor>> inputs;
  std::unique_ptr<HostTensor> target;  // nullptr when the samples have none

  std::vector<NamedTensor> lent() const;  // the inputs, for Program::run; valid while this lives
};

// Files    safetensors: tensors stacked on axis 0, one for each input of the model, "target"
//          optional; or what torch saved (read_torch_samples)
// Names    those of the program's inputs; "input" stands for the first
// Memory   that of one batch: data are read by slices
class Samples {
 public:
  // Opens every file, in that order, and compares it with what the program takes.
  //
  // Errors  Error{io}: a file that is missing or damaged, tensors of one file that differ in their
  //         number of samples; Error{config}: names that are not those of the model's inputs
  Samples(const std::vector<std::filesystem::path>& files, const std::vector<ProgramInput>& inputs);

  std::uint64_t count() const { return count_; }
  bool has_targets() const;  // every sample has one

  // The first `samples` of the sequence (or all there are) in batches of batch_size. The last one
  // may be shorter, and one before samples of another shape or type.
  std::vector<SampleRange> batches(std::uint64_t samples, std::uint64_t batch_size) const;
  // Errors: Error{io}, also for a file that was changed meanwhile.
  SampleBatch read(const SampleRange& batch) const;
  std::uint64_t bytes_of(const SampleRange& batch) const;  // of its inputs

 private:
  struct Part {  // samples that belong together
    SampleRecord record;
    std::uint64_t first = 0;
  };
  std::size_t part_of(std::uint64_t sample) const;
  std::unique_ptr<HostTensor> read_tensor(std::size_t index, const SampleRange& batch) const;

  std::vector<Part> parts_;  // none is empty
  bool target_is_input_ = false;
  std::uint64_t count_ = 0;
};

// As many of them, in batches of such a size, as the configuration says.
std::vector<SampleRange> planned_batches(const Config& config, const Samples& samples);

// The samples that the program runs on, for observers and to evaluate it; nullopt when there is
// no program or there are no data. A batch counts in plan.peak_memory_bytes, once here and once in
// the process that runs the program.
std::optional<Samples> open_samples(const Config& config, const Program* program, Plan& plan);

}  // namespace detent
