// SPDX-License-Identifier: Apache-2.0
#include "quantize/quantize_block.hpp"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>

#include "quantize/findings.hpp"
#include "quantize/rounding.hpp"
#include "quantize/scales.hpp"

namespace detent {
namespace {

std::span<const float> floats_of(const TensorStore& store, const char* name) {
  const HostTensor* tensor = store.find(name);
  if (tensor == nullptr) return {};
  return {reinterpret_cast<const float*>(tensor->bytes().data()), tensor->numel()};
}

// A block is planned like the whole, with as many rows as it has in every output.
bool is_plan_of_rows(const QuantizerPlan& block, const QuantizerPlan& whole, std::uint64_t rows) {
  if (!block.declined.empty() || block.outputs.size() != whole.outputs.size()) return false;
  for (std::size_t i = 0; i < whole.outputs.size(); ++i) {
    std::vector<std::int64_t> shape = whole.outputs[i].shape;
    shape[0] = static_cast<std::int64_t>(rows);
    const PlannedTensor& output = block.outputs[i];
    if (output.name != whole.outputs[i].name || output.dtype != whole.outputs[i].dtype ||
        output.shape != shape)
      return false;
  }
  return true;
}

}  // namespace

std::uint64_t RowBlock::row_elements() const {
  return info->numel() / static_cast<std::uint64_t>(info->shape[0]);
}

std::vector<std::int64_t> RowBlock::shape() const {
  std::vector<std::int64_t> shape = info->shape;
  shape[0] = static_cast<std::int64_t>(rows);
  return shape;
}

// The plugins' instances for blocks of one tensor and of so many rows.
struct BlockQuantizer::Instances {
  Instances(const RowBlock& block, ThreadPool& pool)
      : plan(block.plan),
        rows(block.rows),
        quantizer(make_quantizer(*block.plan->scheme, block.info->name, pool)) {
    const TensorScheme& scheme = *block.plan->scheme;
    QuantizerInput input = block.plan->input;
    input.shape = block.shape();
    if (!is_plan_of_rows(quantizer.plan(input), block.plan->quantizer, rows))
      throw Error(
          ErrorCode::plugin,
          fmt::format("quantizer \"{}\" says that rows are independent, and plans another thing "
                      "for {} rows of \"{}\" than for all",
                      scheme.quantizer.plugin->id, rows, block.info->name),
          "report this to its vendor",
          {.tensor = block.info->name, .plugin = scheme.quantizer.plugin->id});
    if (!scheme.observer) return;
    observer.emplace(*scheme.observer->plugin, pool,
                     InstanceConfig{.params = scheme.observer->params,
                                    .target = block.info->name,
                                    .role = DETENT_ROLE_WEIGHT,
                                    .qspec = &*block.plan->quantizer.target});
  }

  const TensorPlan* plan;
  std::uint64_t rows;
  Quantizer quantizer;
  std::optional<Observer> observer;
};

BlockQuantizer::BlockQuantizer(ThreadPool& pool) : pool_(pool) {}
BlockQuantizer::~BlockQuantizer() = default;

BlockQuantizer::Instances& BlockQuantizer::instances_for(const RowBlock& block) {
  auto& kept = block.rows == block.plan->block_rows ? whole_block_ : last_block_;
  if (kept == nullptr || kept->plan != block.plan || kept->rows != block.rows) {
    kept = std::make_unique<Instances>(block, pool_);
  } else if (kept->observer) {
    kept->observer->reset();
  }
  return *kept;
}

std::span<const float> BlockQuantizer::restored() const { return floats_of(floats_, "restored"); }
std::span<const float> BlockQuantizer::plainly_rounded() const {
  return floats_of(floats_, "rounded");
}

void BlockQuantizer::quantize(const RowBlock& block, const HostTensor& weight) {
  Instances& with = instances_for(block);
  stats_.clear();
  if (with.observer) {
    with.observer->observe(weight.read_only());
    with.observer->compute_qparams(*block.plan->quantizer.target, stats_);
  }
  with.quantizer.quantize(weight.read_only(), stats_, result_.outputs);

  floats_.clear();
  HostTensor& back = floats_.add("restored", DETENT_F32, weight.shape());
  with.quantizer.dequantize(result_.outputs, back.view());
  result_.error.add_up(weight.dtype(), block.first_element(), weight.bytes(), restored());
  result_.dequantized_non_finite = count_non_finite(DETENT_F32, back.bytes(), pool_).count;
  result_.overflows = count_from_meta(result_.outputs, "overflow_count");

  const auto& target = block.plan->quantizer.target;
  result_.has_rounding =
      target && !says_plain_rounding(*block.plan) && can_round_plainly(*target, weight.shape());
  if (!result_.has_rounding) return;
  HostTensor& rounded = floats_.add("rounded", DETENT_F32, weight.shape());
  const std::span<float> values(reinterpret_cast<float*>(rounded.bytes().data()), rounded.numel());
  round_plainly(*target, weight.shape(), weight.dtype(), weight.bytes(), pool_, values);
  result_.rounding.add_up(weight.dtype(), block.first_element(), weight.bytes(), values);
}

void TensorGatherer::add(const RowBlock& block, const HostTensor& weight,
                         const BlockQuantizer& quantizer) {
  const BlockResult& result = quantizer.result();
  const std::uint64_t begin = block.first_element();
  error_.add(result.error, weight.dtype(), begin, weight.bytes(), quantizer.restored());
  if (result.has_rounding)
    rounding_.add(result.rounding, weight.dtype(), begin, weight.bytes(),
                  quantizer.plainly_rounded());
  has_rounding_ = result.has_rounding;
  scales_.add(result.outputs);
  overflows_ += result.overflows;
  dequantized_non_finite_ += result.dequantized_non_finite;
}

TensorResult TensorGatherer::result(const TensorPlan& plan) const {
  TensorResult result;
  result.error = error_.total();
  if (has_rounding_) result.rounding = rounding_.total();
  if (is_plain_rounding(plan)) result.rounding = result.error;
  result.scale = scales_.summary();
  result.overflows = overflows_;
  result.dequantized_non_finite = dequantized_non_finite_;
  return result;
}

}  // namespace detent
