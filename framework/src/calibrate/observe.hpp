// SPDX-License-Identifier: Apache-2.0
// observe: the program runs on the samples, and an observer watches each activation that is
// quantized with parameters found beforehand, and each of which a statistic is needed.
#pragma once
#include <cstdint>
#include <functional>
#include <vector>

#include "calibrate/samples.hpp"
#include "calibrate/value_tally.hpp"
#include "plan/plan.hpp"

namespace detent {

struct SiteObservation {
  bool statistic = false;  // one of Plan::statistics, not of Plan::activations
  std::size_t index = 0;   // into either
  Observer observer;
  ValueTally tally;
};

struct Observations {
  std::vector<SiteObservation> sites;  // static activations, then statistics, in the plan's order
  std::uint64_t samples = 0;
  std::uint64_t batches = 0;
  std::uint64_t passes = 0;  // over the data
};

// Batches of one of `shards` parts: each part is whole batches that follow one another, so that the
// parts together see what one process would.
struct Shard {
  std::uint64_t index = 1;  // 1..shards
  std::uint64_t shards = 1;
};
std::vector<SampleRange> batches_of(const Shard& shard, std::vector<SampleRange> all);

// Observers that have seen nothing yet.
Observations fresh_observations(const Plan& plan, ThreadPool& pool);

using Progress = std::function<void(std::uint64_t done, std::uint64_t total)>;  // in samples

// Shows the observers every batch, in order, once. No more than one batch is in memory.
//
// Errors  Error{quantization}: an observer refuses what it sees (the message names layer and
//         batch), the program refuses its input (batch); the others of Program::run
void observe(Program& program, const Plan& plan, const Samples& samples,
             const std::vector<SampleRange>& batches, const Progress& progress, Observations& into);

}  // namespace detent
