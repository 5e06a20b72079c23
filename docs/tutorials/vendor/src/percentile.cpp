// SPDX-License-Identifier: Apache-2.0
#include "percentile.hpp"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstring>

namespace northwind {
namespace {

// A positive float's bits are in the order of its value: the exponent and five bits behind it are a
// bin.
constexpr uint32_t kShift = 18, kBins = 255 * 32;

uint32_t bin_of(double magnitude) {
  const auto value = static_cast<float>(std::min<double>(magnitude, FLT_MAX));
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits >> kShift;
}

double upper_end(uint32_t bin) {
  const uint32_t bits = (bin + 1) << kShift;  // of the last bin: infinity
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

}  // namespace

Percentile::Percentile(const sdk::Config& config)
    : percentile_(config.params.get("/percentile", 99.9)), target_(*config.qspec) {
  if (target_.granularity > DETENT_PER_CHANNEL)
    throw sdk::Error(DETENT_E_UNSUPPORTED,
                     "northwind.percentile has one range for each tensor or channel\n"
                     "use a quantizer with \"per_tensor\" or \"per_channel\"");
}

sdk::Status Percentile::observe(const sdk::TensorView& x, const sdk::Call& call) {
  if (!sdk::is_floating_point(x.dtype()))
    return {DETENT_E_UNSUPPORTED, "northwind.percentile observes floating-point tensors"};
  if (x.numel() == 0) return {};
  if (per_channel() && target_.axis >= x.ndim())
    return {DETENT_E_UNSUPPORTED, "the tensor has no dimension for the channels"};
  const size_t n = per_channel() ? static_cast<size_t>(x.size(target_.axis)) : 1;
  if (channels_.empty()) channels_.resize(n);
  if (channels_.size() != n) return {DETENT_E_UNSUPPORTED, "the number of channels changed"};
  uint64_t seen = 0;
  bool stop = false;
  x.for_each(per_channel() ? target_.axis : -1, [&](double value, int64_t c) {
    if (std::isfinite(value)) {
      Channel& channel = channels_[static_cast<size_t>(c)];
      channel.largest = std::max(channel.largest, std::fabs(value));
      ++channel.counts[bin_of(std::fabs(value))];
    }
    stop = ++seen % 65536 == 0 && call.cancelled();
    return !stop;
  });
  if (stop) return {DETENT_E_CANCELLED};
  return {};
}

double Percentile::magnitude(const Channel& channel) const {
  uint64_t total = 0, seen = 0;
  for (const auto& [bin, count] : channel.counts) total += count;
  const double wanted = std::ceil(percentile_ / 100 * static_cast<double>(total));
  for (const auto& [bin, count] : channel.counts) {
    seen += count;
    if (static_cast<double>(seen) >= wanted) return std::min(upper_end(bin), channel.largest);
  }
  return channel.largest;  // of no value: 0
}

sdk::Status Percentile::qparams(const detent_qspec& target, const sdk::Sink& out,
                                const sdk::Call&) const {
  if (target.granularity != target_.granularity || target.axis != target_.axis)
    return {DETENT_E_UNSUPPORTED, "the target's channels are not those that were observed"};
  if (std::all_of(channels_.begin(), channels_.end(),
                  [](const Channel& c) { return c.counts.empty(); }))
    return {DETENT_E_NOT_READY, "no finite value was observed\ncheck the calibration data"};
  std::vector<double> low, high;
  for (const Channel& channel : channels_) {
    high.push_back(magnitude(channel));
    low.push_back(-high.back());
  }
  std::vector<int64_t> shape;
  if (per_channel()) shape.push_back(static_cast<int64_t>(channels_.size()));
  return sdk::put_affine(out, target, shape, low, high);
}

sdk::Status Percentile::merge(const Percentile& other) {
  if (other.channels_.empty()) return {};
  if (channels_.empty()) channels_.resize(other.channels_.size());
  if (channels_.size() != other.channels_.size())
    return {DETENT_E_INVALID_ARG, "states of another number of channels cannot be merged"};
  for (size_t c = 0; c < channels_.size(); ++c) {
    channels_[c].largest = std::max(channels_[c].largest, other.channels_[c].largest);
    for (const auto& [bin, count] : other.channels_[c].counts) channels_[c].counts[bin] += count;
  }
  return {};
}

sdk::Status Percentile::reset() {
  channels_.clear();
  return {};
}

sdk::Status Percentile::save(sdk::Writer& out) const {
  out.pod(uint64_t{channels_.size()});
  for (const Channel& channel : channels_) {
    out.pod(channel.largest);
    out.pod(uint64_t{channel.counts.size()});
    for (const auto& [bin, count] : channel.counts) {
      out.pod(bin);
      out.pod(count);
    }
  }
  return {};
}

// The bytes may come from anywhere: bins in order, nothing empty, no total beyond 2^63, and a
// maximum that lies in the last bin.
sdk::Status Percentile::load(sdk::Reader& in) {
  const sdk::Status bad = {DETENT_E_BAD_STATE, "not a state of northwind.percentile"};
  uint64_t n = 0;
  channels_.clear();
  if (!in.pod(n) || n > (per_channel() ? uint64_t{1} << 32 : 1)) return bad;
  for (; n != 0; --n) {
    Channel channel;
    uint64_t bins = 0, total = 0;
    if (!in.pod(channel.largest) || !in.pod(bins) || bins > kBins) return bad;
    for (; bins != 0; --bins) {
      uint32_t bin = 0;
      uint64_t count = 0;
      if (!in.pod(bin) || !in.pod(count) || bin >= kBins || count == 0) return bad;
      if (!channel.counts.empty() && bin <= channel.counts.rbegin()->first) return bad;
      if (count > (uint64_t{1} << 63) - total) return bad;
      total += count;
      channel.counts[bin] = count;
    }
    if (!(channel.largest >= 0) || !std::isfinite(channel.largest)) return bad;
    const uint32_t last = channel.counts.empty() ? 0 : channel.counts.rbegin()->first;
    if (bin_of(channel.largest) != last) return bad;
    channels_.push_back(std::move(channel));
  }
  return {};
}

}  // namespace northwind
