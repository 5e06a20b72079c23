// SPDX-License-Identifier: Apache-2.0
#include "run/weight_pass.hpp"

#include <algorithm>
#include <chrono>

#include "base/cancel.hpp"
#include "base/dtype.hpp"
#include "base/ordered.hpp"
#include "plan/blocks.hpp"

namespace detent {
namespace {

// A tensor of at most so many bytes is worked on by one thread, whatever makes its codes.
constexpr std::uint64_t kSmall = 1U << 20U;

class Stopwatch {
 public:
  explicit Stopwatch(std::atomic<std::int64_t>& ns) : ns_(ns) {}
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;
  ~Stopwatch() {
    ns_ += std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start_).count();
  }

 private:
  using Clock = std::chrono::steady_clock;
  std::atomic<std::int64_t>& ns_;
  Clock::time_point start_ = Clock::now();
};

// Counts, where there are floats at all.
NonFinite count_floats(const HostTensor& tensor, ThreadPool& pool) {
  if (!is_float(tensor.dtype())) return {};
  return count_non_finite(tensor.dtype(), tensor.bytes(), pool);
}

}  // namespace

// A block of rows, or a whole tensor.
struct WeightPass::Piece {
  RowBlock rows;
  bool whole = false;
  bool last = true;

  const TensorPlan& plan() const { return *rows.plan; }
  const TensorInfo& info() const { return *rows.info; }
  std::vector<std::int64_t> shape() const { return whole ? info().shape : rows.shape(); }
  std::uint64_t first_byte() const {
    return whole ? 0 : info().nbytes / static_cast<std::uint64_t>(info().shape[0]) * rows.first_row;
  }
};

// What a thread keeps from piece to piece.
struct WeightPass::Worker {
  explicit Worker(ThreadPool& pool) : blocks(pool) {}
  std::unique_ptr<HostTensor> weight;
  NonFinite non_finite;
  BlockQuantizer blocks;
  TensorStore outputs;  // of a whole tensor
  TensorResult result;  // likewise
};

PassTimes WeightPass::times() const {
  const auto seconds = [](const std::atomic<std::int64_t>& ns) {
    return static_cast<double>(ns.load()) / 1e9;
  };
  return {seconds(read_ns_), seconds(compute_ns_), seconds(write_ns_)};
}

WeightFacts WeightPass::run() {
  const std::vector<TensorPlan>& all = in_.plan.tensors;
  for (std::size_t i = 0; i < all.size();) {
    std::size_t end = i;
    while (end < all.size() && streams(all[end])) ++end;
    if (end == i) {
      go_alone(all[i++]);
    } else {
      stream(i, end);
      i = end;
    }
  }
  return std::move(facts_);
}

bool WeightPass::streams(const TensorPlan& t) const {
  if (in_.whole || in_.model.file_bytes() == nullptr) return false;
  return t.block_rows != 0 || info_of(t).nbytes <= kSmall;
}

void WeightPass::go_alone(const TensorPlan& t) {
  const TensorInfo& info = info_of(t);
  begin(t);
  HostTensor weight(info.name, info.dtype, info.shape);
  {
    const Stopwatch watch(read_ns_);
    in_.model.read(info, weight.bytes());
    if (in_.digests != nullptr) in_.digests->passed(info, 0, weight.bytes());
  }
  if (!t.quantize) return put_kept(t, weight, count_floats(weight, in_.pool).count);
  TensorStore outputs;
  TensorResult result;
  {
    const Stopwatch watch(compute_ns_);
    result = quantize_tensor(t, info, weight, in_.pool, outputs,
                             statistics_of(in_.plan, in_.calibration, t.tensor));
  }
  put_whole(t, outputs, result);
}

void WeightPass::begin(const TensorPlan& t) {
  check_cancelled();
  if (in_.progress) in_.progress(done_, info_of(t).name);
  done_ += t.bytes_before;
}

std::vector<WeightPass::Piece> WeightPass::cut(std::size_t begin, std::size_t end) const {
  std::vector<Piece> pieces;
  for (std::size_t i = begin; i < end; ++i) {
    const TensorPlan& t = in_.plan.tensors[i];
    const TensorInfo& info = info_of(t);
    if (t.block_rows == 0) {
      pieces.push_back({{&t, &info, 0, 0}, true, true});
      continue;
    }
    const auto rows = static_cast<std::uint64_t>(info.shape[0]);
    for (std::uint64_t row = 0; row < rows; row += t.block_rows) {
      const std::uint64_t count = std::min(t.block_rows, rows - row);
      pieces.push_back({{&t, &info, row, count}, false, row + count == rows});
    }
  }
  return pieces;
}

void WeightPass::stream(std::size_t begin, std::size_t end) {
  const std::vector<Piece> pieces = cut(begin, end);
  std::vector<std::unique_ptr<Worker>> workers(in_.pool.threads());
  for (auto& worker : workers) worker = std::make_unique<Worker>(in_.pool);
  run_in_order(in_.pool, pieces.size(),
               {.take = [&](std::uint64_t i, unsigned w) { read(pieces[i], *workers[w]); },
                .work = [&](std::uint64_t i, unsigned w) { work(pieces[i], *workers[w]); },
                .put = [&](std::uint64_t i, unsigned w) { put(pieces[i], *workers[w]); }});
}

void WeightPass::read(const Piece& piece, Worker& worker) {
  const TensorInfo& info = piece.info();
  if (piece.rows.first_row == 0) begin(piece.plan());
  check_cancelled();
  const Stopwatch watch(read_ns_);
  const std::vector<std::int64_t> shape = piece.shape();
  if (worker.weight == nullptr || !worker.weight->reuse(info.name, info.dtype, shape))
    worker.weight = std::make_unique<HostTensor>(info.name, info.dtype, shape);
  const std::span<std::byte> bytes = worker.weight->bytes();
  if (!bytes.empty())
    in_.model.file_bytes()->read(info.file, info.offset + piece.first_byte(), bytes, info.name);
  if (in_.digests != nullptr) in_.digests->passed(info, piece.first_byte(), bytes);
}

void WeightPass::work(const Piece& piece, Worker& worker) {
  const Stopwatch watch(compute_ns_);
  worker.non_finite = count_floats(*worker.weight, in_.pool);
  if (!piece.plan().quantize) return;
  if (piece.whole) {
    worker.outputs.clear();
    worker.result =
        quantize_tensor(piece.plan(), piece.info(), *worker.weight, in_.pool, worker.outputs,
                        statistics_of(in_.plan, in_.calibration, piece.plan().tensor));
    return;
  }
  if (worker.non_finite.count != 0) refuse_whole(piece.plan());
  worker.blocks.quantize(piece.rows, *worker.weight);
}

// The message tells of the whole tensor: it is read once more.
void WeightPass::refuse_whole(const TensorPlan& t) const {
  const TensorInfo& info = info_of(t);
  const std::uint64_t size = DETENT_DTYPE_BITS(info.dtype) / 8;
  std::vector<std::byte> block(kErrorBlock * size);
  NonFinite all;
  for (std::uint64_t at = 0; at < info.nbytes; at += block.size()) {
    const std::span<std::byte> part(block.data(),
                                    std::min<std::uint64_t>(block.size(), info.nbytes - at));
    in_.model.file_bytes()->read(info.file, info.offset + at, part, info.name);
    const NonFinite found = count_non_finite(info.dtype, part, in_.pool);
    if (all.count == 0 && found.count != 0) all.first = at / size + found.first;
    all.count += found.count;
  }
  refuse_non_finite(info, all);
  throw Error(ErrorCode::io, "\"" + info.name + "\" was changed while it was in use",
              "run again when nothing writes to the model", {.tensor = info.name});
}

void WeightPass::put(const Piece& piece, Worker& worker) {
  const TensorPlan& t = piece.plan();
  if (!piece.whole)
    return t.quantize ? put_quantized_rows(piece, worker) : put_kept_rows(piece, worker);
  if (t.quantize) return put_whole(t, worker.outputs, worker.result);
  put_kept(t, *worker.weight, worker.non_finite.count);
}

void WeightPass::put_kept(const TensorPlan& t, const HostTensor& weight, std::uint64_t non_finite) {
  const Stopwatch watch(write_ns_);
  const TensorInfo& info = info_of(t);
  if (in_.seen) in_.seen(t, info, nullptr);
  remember(info.name, xxh3(weight.bytes()));
  for (const auto& writer : in_.writers) writer->add_kept(info, weight);
  facts_.kept_non_finite[t.tensor] = non_finite;
}

void WeightPass::put_whole(const TensorPlan& t, const TensorStore& outputs,
                           const TensorResult& result) {
  const Stopwatch watch(write_ns_);
  const TensorInfo& info = info_of(t);
  if (in_.seen) in_.seen(t, info, &outputs);
  for (const StoredName& s : t.stored) remember(s.name, xxh3(outputs.find(s.output)->bytes()));
  for (const auto& writer : in_.writers) writer->add_quantized(t, outputs);
  conclude(t, result);
}

void WeightPass::put_kept_rows(const Piece& piece, const Worker& worker) {
  const Stopwatch watch(write_ns_);
  const std::string& name = piece.info().name;
  hashes_[name].update(worker.weight->bytes());
  non_finite_ += worker.non_finite.count;
  for (const auto& writer : in_.writers)
    writer->add_rows(name, piece.rows.first_row, *worker.weight);
  if (!piece.last) return;
  remember(name, hashes_[name].digest());
  hashes_.clear();
  facts_.kept_non_finite[piece.plan().tensor] = non_finite_;
  non_finite_ = 0;
}

void WeightPass::put_quantized_rows(const Piece& piece, const Worker& worker) {
  const Stopwatch watch(write_ns_);
  const TensorPlan& t = piece.plan();
  gatherer_.add(piece.rows, *worker.weight, worker.blocks);
  for (const StoredName& s : t.stored) {
    const HostTensor& rows = *worker.blocks.result().outputs.find(s.output);
    hashes_[s.name].update(rows.bytes());
    for (const auto& writer : in_.writers) writer->add_rows(s.name, piece.rows.first_row, rows);
  }
  if (!piece.last) return;
  for (const auto& [name, hash] : hashes_) remember(name, hash.digest());
  hashes_.clear();
  conclude(t, gatherer_.result(t));
  gatherer_ = TensorGatherer();
}

void WeightPass::conclude(const TensorPlan& t, const TensorResult& result) {
  const TensorInfo& info = info_of(t);
  facts_.sqnr[info.name] = result.error.sqnr_db();
  remark_on_tensor(t, info, result, facts_.remarks);
  facts_.results.emplace(t.tensor, result);
}

void WeightPass::remember(const std::string& name, const std::string& digest) {
  facts_.digests[name] = digest.substr(digest.find(':') + 1);
}

}  // namespace detent
