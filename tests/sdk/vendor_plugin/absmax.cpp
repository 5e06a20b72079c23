// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "plugins.hpp"

namespace acme {
namespace {

// Which elements share a scale: rows x columns of the tensor seen as a matrix, `width` columns a
// slot.
struct Slots {
  std::vector<int64_t> shape;
  int64_t rows = 1;
  int64_t columns = 1;
  int64_t width = 1;
};

Slots group_slots(const sdk::TensorView& x, int64_t group_size) {
  Slots slots;
  slots.rows = x.ndim() > 1 ? x.size(0) : 1;
  slots.columns = slots.rows == 0 ? 0 : x.numel() / slots.rows;
  slots.width = group_size;
  slots.shape = {slots.rows, (slots.columns + group_size - 1) / group_size};
  return slots;
}

}  // namespace

sdk::Status AbsMax::observe(const sdk::TensorView& x, const sdk::Call&) {
  if (x.numel() == 0) return {};
  const bool channels = target_.granularity == DETENT_PER_CHANNEL;
  const bool groups = target_.granularity == DETENT_PER_GROUP;
  if (target_.granularity > DETENT_PER_GROUP || (channels && target_.axis >= x.ndim()))
    return {DETENT_E_UNSUPPORTED, "acme.absmax observes tensors, channels and groups of a row"};
  Slots slots;
  if (channels) slots.shape = {x.size(target_.axis)};
  if (groups) slots = group_slots(x, target_.group_size);
  int64_t count = 1;
  for (const int64_t extent : slots.shape) count *= extent;
  if (largest_.empty()) largest_.assign(static_cast<size_t>(count), -1.0), shape_ = slots.shape;
  if (shape_ != slots.shape) return {DETENT_E_UNSUPPORTED, "the shape changed between batches"};
  int64_t k = 0;
  const bool known = x.for_each(channels ? target_.axis : -1, [&](double value, int64_t channel) {
    const int64_t row = k / slots.columns, column = k % slots.columns;
    const int64_t slot = groups ? row * slots.shape[1] + column / slots.width : channel;
    ++k;
    double& largest = largest_[static_cast<size_t>(slot)];
    if (std::isfinite(value)) largest = std::max(largest, std::fabs(value));
  });
  return known ? sdk::Status() : sdk::Status(DETENT_E_UNSUPPORTED, "dtype");
}

sdk::Status AbsMax::reset() {
  largest_.clear();
  shape_.clear();
  return {};
}

sdk::Status AbsMax::save(sdk::Writer& out) const {
  out.vec(shape_);
  out.vec(largest_);
  return {};
}

sdk::Status AbsMax::load(sdk::Reader& in) {
  if (!in.vec(shape_, 2) || !in.vec(largest_, uint64_t{1} << 32))
    return {DETENT_E_BAD_STATE, "not a state of acme.absmax"};
  uint64_t count = 1;
  for (const int64_t extent : shape_) {
    if (extent < 0 || extent > int64_t{1} << 32) return {DETENT_E_BAD_STATE, "a wrong shape"};
    count *= static_cast<uint64_t>(extent);
  }
  if (!largest_.empty() && count != largest_.size()) return {DETENT_E_BAD_STATE, "a wrong size"};
  for (const double m : largest_)
    if (!std::isfinite(m) || (m < 0 && m != -1)) return {DETENT_E_BAD_STATE, "a wrong magnitude"};
  return {};
}

sdk::Status AbsMax::qparams(const detent_qspec& target, const sdk::Sink& out,
                            const sdk::Call&) const {
  if (std::none_of(largest_.begin(), largest_.end(), [](double m) { return m >= 0; }))
    return {DETENT_E_NOT_READY, "no data observed"};
  std::vector<double> low, high;
  for (const double m : largest_) high.push_back(std::max(m, 0.0)), low.push_back(-high.back());
  return sdk::put_affine(out, target, shape_, low, high);
}

sdk::Status AbsMax::merge(const AbsMax& other) {
  if (other.largest_.empty()) return {};
  if (largest_.empty()) {
    shape_ = other.shape_;
    largest_ = other.largest_;
  }
  if (shape_ != other.shape_) return {DETENT_E_INVALID_ARG, "the shapes differ"};
  for (size_t i = 0; i < largest_.size(); ++i)
    largest_[i] = std::max(largest_[i], other.largest_[i]);
  return {};
}

}  // namespace acme
