// SPDX-License-Identifier: Apache-2.0
// WeightPass: every tensor of the model from its file through its quantizer into the artefacts.
#pragma once
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/thread_pool.hpp"
#include "quantize/findings.hpp"
#include "quantize/quantize_block.hpp"
#include "run/model_digests.hpp"
#include "serialize/artifact_writer.hpp"

namespace detent {

// What became of the tensors. By index into Model::tensors(), or by the name in the artefact.
struct WeightFacts {
  std::map<std::size_t, TensorResult> results;           // of quantized ones
  std::map<std::size_t, std::uint64_t> kept_non_finite;  // of kept ones of floats
  SqnrOf sqnr;
  DigestOf digests;
  Remarks remarks;
};

// Seconds of all threads together.
struct PassTimes {
  double read = 0;
  double compute = 0;
  double write = 0;
};

// Reads the model once, from the beginning to the end. Tensors that the plan gives in blocks, and
// small ones, are read, computed and written side by side, a block in each thread; the others go
// one after the other, each with all threads. The results do not depend on any of that.
class WeightPass {
 public:
  using Writers = std::vector<std::unique_ptr<ArtifactWriter>>;
  // quantized: what is stored for the tensor, nullptr when it is kept. Called in the model's order.
  using Seen =
      std::function<void(const TensorPlan&, const TensorInfo&, const TensorStore* quantized)>;
  using Progress = std::function<void(std::uint64_t done, const std::string& tensor)>;

  struct Input {
    const Plan& plan;
    const Model& model;
    const Calibration& calibration;
    ThreadPool& pool;
    const Writers& writers;
    ModelDigests* digests = nullptr;  // to be told of the bytes that pass
    bool whole = false;               // nothing in blocks: `seen` wants to see tensors
    Seen seen = {};
    Progress progress = {};
  };

  explicit WeightPass(const Input& input) : in_(input) {}
  WeightFacts run();
  PassTimes times() const;

 private:
  struct Piece;
  struct Worker;

  const TensorInfo& info_of(const TensorPlan& t) const { return in_.model.tensors()[t.tensor]; }
  bool streams(const TensorPlan& t) const;
  void stream(std::size_t begin, std::size_t end);
  void go_alone(const TensorPlan& t);
  std::vector<Piece> cut(std::size_t begin, std::size_t end) const;

  void begin(const TensorPlan& t);
  void read(const Piece& piece, Worker& worker);
  void work(const Piece& piece, Worker& worker);
  void put(const Piece& piece, Worker& worker);
  void put_whole(const TensorPlan& t, const TensorStore& outputs, const TensorResult& result);
  void put_kept(const TensorPlan& t, const HostTensor& weight, std::uint64_t non_finite);
  void put_kept_rows(const Piece& piece, const Worker& worker);
  void put_quantized_rows(const Piece& piece, const Worker& worker);
  void conclude(const TensorPlan& t, const TensorResult& result);
  [[noreturn]] void refuse_whole(const TensorPlan& t) const;
  void remember(const std::string& name, const std::string& digest);

  Input in_;
  WeightFacts facts_;
  std::uint64_t done_ = 0;  // bytes of tensors that were begun
  // Of the tensor whose rows are being put.
  TensorGatherer gatherer_;
  std::map<std::string, Xxh3> hashes_;
  std::uint64_t non_finite_ = 0;
  std::atomic<std::int64_t> read_ns_{0};
  std::atomic<std::int64_t> compute_ns_{0};
  std::atomic<std::int64_t> write_ns_{0};
};

}  // namespace detent
