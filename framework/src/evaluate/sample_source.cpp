// SPDX-License-Identifier: Apache-2.0
#include "evaluate/sample_source.hpp"

#include <memory>

namespace detent {
namespace {

class Source {
 public:
  Source(const Samples& samples, std::vector<SampleRange> batches)
      : samples_(samples), batches_(std::move(batches)) {}

  bool next(EvaluationBatch& batch) {
    if (at_ == batches_.size()) return false;
    current_ = {};  // before the next is read: one batch at a time
    current_ = samples_.read(batches_[at_++]);
    inputs_ = current_.lent();
    batch.inputs = inputs_;
    batch.target = current_.target ? &current_.target->view() : nullptr;
    batch.samples = current_.range.count;
    return true;
  }

 private:
  const Samples& samples_;
  std::vector<SampleRange> batches_;
  std::size_t at_ = 0;
  SampleBatch current_;
  std::vector<NamedTensor> inputs_;
};

}  // namespace

SampleSource source_of(const Samples& samples, std::vector<SampleRange> batches) {
  const auto source = std::make_shared<Source>(samples, std::move(batches));
  return [source](EvaluationBatch& batch) { return source->next(batch); };
}

}  // namespace detent
