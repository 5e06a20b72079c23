// SPDX-License-Identifier: Apache-2.0
// StoredTensors: what an artefact holds of one tensor of the model, read and hashed block by block.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "artifact/artifact.hpp"
#include "base/hash.hpp"
#include "plan/plan.hpp"
#include "plugin/tensor_store.hpp"
#include "serialize/metadata.hpp"

namespace detent {

// One tensor of the artefact.
struct Stored {
  std::string name;    // in the artefact
  std::string output;  // as the quantizer calls it; empty for others than its outputs
  detent_dtype dtype = 0;
  std::vector<std::int64_t> shape;
  std::string digest_intended;
  const TensorInfo* found = nullptr;  // none of that name, dtype and size: nullptr
  Xxh3 hash = {};
  std::string digest_found = {};     // once all of it was read
  const HostTensor* rows = nullptr;  // of the last block that was read
};

class StoredTensors {
 public:
  StoredTensors(const Artifact& artifact, const TensorPlan& plan, const TensorInfo& info,
                const std::vector<ActivationPlan>& activations, const DigestOf& intended);

  // Can it be read in blocks of rows?
  bool has_rows() const;
  // The rows [first, first + count) of everything: all of it when `whole`.
  void read(std::uint64_t first, std::uint64_t count, bool whole);
  void end();  // all of it was read: the digests are there

  const std::vector<Stored>& all() const { return all_; }
  bool intact() const;  // everything is there, with the bytes that were handed over; after end()
  // The quantizer's outputs of the last block, under its own names; metadata can be added.
  TensorStore& block() { return block_; }

 private:
  void add(const std::string& name, const std::string& output, detent_dtype dtype,
           const std::vector<std::int64_t>& shape, const DigestOf& intended);

  const Model& model_;
  std::vector<Stored> all_;
  TensorStore block_;
  TensorStore others_;  // what is no output of a quantizer
};

}  // namespace detent
