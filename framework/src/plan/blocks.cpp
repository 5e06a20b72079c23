// SPDX-License-Identifier: Apache-2.0
#include "plan/blocks.hpp"

#include <algorithm>
#include <fmt/format.h>

#include "base/text.hpp"
#include "plan/statistics.hpp"
#include "program/ring.hpp"

namespace detent {
namespace {

// Code, libraries, tables of names and the allocator's slack: about twice what a run of a small
// model was seen to take.
constexpr std::uint64_t kBaseMemory = 24U << 20U;
// The process that runs a program: LibTorch's code and tables; and the memory it shares with the
// host.
constexpr std::uint64_t kProgramMemory = (400U << 20U) + wire::Ring::kBytes;
// An observer of usual size and the host's own counts, for each activation.
constexpr std::uint64_t kSiteMemory = 512U << 10U;
// Of a block that nothing limits: what is read, its codes and the values that they stand for lie
// in the second- and third-level cache, and the cost of a call is little beside the work.
constexpr std::uint64_t kBlockBytes = 1U << 20U;
constexpr std::uint64_t kLeastBlockBytes = 64U << 10U;

std::uint64_t ceil_div(std::uint64_t n, std::uint64_t d) { return n / d + (n % d != 0 ? 1 : 0); }

std::uint64_t rows_of(const TensorInfo& info) {
  return info.shape.empty() ? 1 : static_cast<std::uint64_t>(info.shape[0]);
}

class BlockPlanner {
 public:
  BlockPlanner(const Config& config, const Model& model, const Program* program, unsigned threads,
               Plan& plan)
      : config_(config), model_(model), program_(program), threads_(threads), plan_(plan) {}

  void run() {
    const bool streams = can_stream();
    look_at_validation();
    for (std::uint64_t bytes = kBlockBytes;; bytes /= 2) {
      for (TensorPlan& t : plan_.tensors)
        t.block_rows = streams && goes_by_rows(t) ? block_rows(info_of(t), bytes) : 0;
      add_up();
      if (config_.memory_limit == 0 || plan_.peak_memory_bytes <= config_.memory_limit) return;
      if (bytes / 2 < kLeastBlockBytes) refuse();
    }
  }

 private:
  const TensorInfo& info_of(const TensorPlan& t) const { return model_.tensors()[t.tensor]; }

  // A program takes its weights whole.
  bool can_stream() const {
    return program_ == nullptr && model_.file_bytes() != nullptr &&
           std::all_of(config_.outputs.begin(), config_.outputs.end(),
                       [](const Output& output) { return takes_rows(*output.serializer.plugin); });
  }

  static bool is_rowwise(const Plugin& plugin) {
    return (plugin.flags & DETENT_PLUGIN_ROWWISE) != 0;
  }

  bool goes_by_rows(const TensorPlan& t) const {
    const TensorInfo& info = info_of(t);
    if (rows_of(info) < 2 || info.nbytes == 0) return false;
    if (!t.quantize) return true;
    if (info.shape.size() < 2 || !is_rowwise(*t.scheme->quantizer.plugin)) return false;
    if (t.scheme->observer && !is_rowwise(*t.scheme->observer->plugin)) return false;
    const QuantizerPlan& q = t.quantizer;
    if (!q.required_stats.empty() || !q.required_input_stats.empty()) return false;
    return has_independent_rows(q.target) &&
           std::all_of(q.outputs.begin(), q.outputs.end(), [&](const PlannedTensor& output) {
             return !output.shape.empty() && output.shape[0] == info.shape[0];
           });
  }

  static bool has_independent_rows(const std::optional<QuantTarget>& target) {
    if (!target) return true;  // a cast
    const detent_qspec& spec = target->spec;
    return spec.granularity == DETENT_PER_GROUP ||
           (spec.granularity == DETENT_PER_CHANNEL && spec.axis == 0);
  }

  // 0 when one block is all of it.
  static std::uint64_t block_rows(const TensorInfo& info, std::uint64_t bytes) {
    const std::uint64_t rows = rows_of(info);
    const std::uint64_t row_bytes = info.nbytes / rows;
    const std::uint64_t least =
        ceil_div(kErrorBlock, std::max<std::uint64_t>(1, info.numel() / rows));
    const std::uint64_t wanted = std::max({std::uint64_t{1}, bytes / row_bytes, least});
    return wanted >= rows ? 0 : wanted;
  }

  void add_up() {
    largest_ = 0;
    for (const TensorPlan& t : plan_.tensors)
      if (const std::uint64_t bytes = memory_of(t); bytes > largest_) {
        largest_ = bytes;
        widest_ = &t;
      }
    plan_.peak_memory_bytes = kBaseMemory + largest_;
    if (program_ == nullptr) return;
    // The program holds the weights, and while it is rewritten a copy of them.
    plan_.peak_memory_bytes += kProgramMemory + 2 * plan_.bytes_before;
    for (const ActivationPlan& a : plan_.activations)
      plan_.peak_memory_bytes += a.dynamic ? 0 : kSiteMemory;
    for (const StatisticPlan& s : plan_.statistics)
      plan_.peak_memory_bytes += kSiteMemory + statistic_bytes(s, model_);
  }

  // Of the whole tensor, or of a block in each thread: the weight, its codes, the values that they
  // stand for and those of plain rounding.
  std::uint64_t memory_of(const TensorPlan& t) const {
    const TensorInfo& info = info_of(t);
    const std::uint64_t values = t.quantize ? info.numel() * sizeof(float) : 0;
    const std::uint64_t whole =
        t.bytes_before + values + 2 * t.bytes_after + t.quantizer.memory_bytes;
    if (t.block_rows == 0) return whole;
    const std::uint64_t blocks = threads_ * ((whole + values) / rows_of(info) + 1) * t.block_rows;
    if (needs_values_) return std::max(blocks, whole);
    return needs_stored_ ? std::max(blocks, 2 * t.bytes_after) : blocks;
  }

  // What validation holds whole, though the tensor came in blocks.
  void look_at_validation() {
    for (const PluginUse& use : config_.validators) {
      const Plugin& plugin = *use.plugin;
      needs_values_ |= lists(plugin.requirements, DETENT_NEEDS_ORIGINAL) ||
                       lists(plugin.requirements, DETENT_NEEDS_DEQUANTIZED);
      needs_stored_ |= lists(plugin.requirements, DETENT_NEEDS_STORED) && !is_rowwise(plugin);
    }
    if (config_.validators.empty()) return;
    for (const Output& output : config_.outputs)  // others are read back tensor by tensor
      needs_stored_ |= !lists(output.serializer.plugin->provides, "format:safetensors");
  }

  [[noreturn]] void refuse() const {
    const TensorInfo& info = info_of(*widest_);
    const bool whole = widest_->block_rows == 0;
    throw Error(
        ErrorCode::config,
        fmt::format("the run needs up to {} of memory, and the limit is {}",
                    human_bytes(plan_.peak_memory_bytes), human_bytes(config_.memory_limit)),
        fmt::format("{} takes {} of it{}; raise the limit{}", printable(info.name),
                    human_bytes(largest_),
                    whole ? ", as it has to be held whole" : ", in the blocks of all threads",
                    threads_ > 1 && !whole ? ", or use fewer threads" : ""),
        {.tensor = info.name});
  }

  const Config& config_;
  const Model& model_;
  const Program* program_;
  const std::uint64_t threads_;
  Plan& plan_;
  bool needs_values_ = false;
  bool needs_stored_ = false;
  std::uint64_t largest_ = 0;
  const TensorPlan* widest_ = nullptr;
};

}  // namespace

void plan_blocks(const Config& config, const Model& model, const Program* program, unsigned threads,
                 Plan& plan) {
  BlockPlanner(config, model, program, threads, plan).run();
}

std::uint64_t piece_bytes(const TensorPlan& plan, const TensorInfo& info) {
  return plan.block_rows == 0 ? info.nbytes : info.nbytes / rows_of(info) * plan.block_rows;
}

}  // namespace detent
