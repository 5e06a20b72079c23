// SPDX-License-Identifier: Apache-2.0
#include "int8/channels.hpp"

#include <algorithm>

#include "common/tasks.hpp"
#include <detent/kernels/quantize_affine.hpp>

namespace detent::quantizers {
namespace {

using kernels::FiniteRange;

constexpr std::int64_t kBlock = 2048;

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

// f(begin, n, channel) for the parts of [begin, end) that lie in one channel each.
template <class F>
void for_each_part(const Channels& channels, std::int64_t begin, std::int64_t end, F f) {
  while (begin < end) {
    const std::int64_t n = std::min(channels.inner - begin % channels.inner, end - begin);
    f(begin, n, size(begin / channels.inner % channels.count));
    begin += n;
  }
}

// A row of channels is cut into tasks of whole ones: each writes its own entries of the result.
sdk::Status ranges_of_rows(const BlockReader& weight, const Channels& channels,
                           const sdk::Call& call, std::vector<FiniteRange>& out) {
  const std::int64_t at_once = std::max<std::int64_t>(1, kTaskElements / channels.inner);
  return run_tasks(call, divide_up(channels.count, at_once), [&](std::int64_t task) {
    const std::int64_t first = task * at_once;
    const std::int64_t count = std::min(at_once, channels.count - first);
    weight.find_ranges(first * channels.inner, count, channels.inner, &out[size(first)]);
  });
}

// Pieces of all channels, each into a list of its own. Few, as the lists may be long.
sdk::Status ranges_of_pieces(const BlockReader& weight, const Channels& channels,
                             const sdk::Call& call, std::vector<FiniteRange>& out) {
  constexpr std::int64_t kMostPieces = 16;
  const std::int64_t pieces = std::min(kMostPieces, channels.outer);
  std::vector<std::vector<FiniteRange>> lists(size(pieces), out);
  const sdk::Status status = run_tasks(call, pieces, [&](std::int64_t piece) {
    const std::int64_t end = channels.outer * (piece + 1) / pieces;
    for (std::int64_t o = channels.outer * piece / pieces; o < end; ++o)
      weight.find_ranges(o * channels.count * channels.inner, channels.count, channels.inner,
                         lists[size(piece)].data());
  });
  for (const auto& list : lists)
    for (std::size_t c = 0; c < out.size(); ++c) out[c].include(list[c]);
  return status;
}

}  // namespace

Channels one_channel(const Shape& shape) {
  Channels channels;
  for (const std::int64_t extent : shape) channels.inner *= extent;
  return channels;
}

Channels channels_along(const Shape& shape, std::int64_t axis) {
  Channels channels;
  const auto at = shape.begin() + axis;
  for (auto extent = shape.begin(); extent != at; ++extent) channels.outer *= *extent;
  for (auto extent = at + 1; extent != shape.end(); ++extent) channels.inner *= *extent;
  channels.count = *at;
  return channels;
}

sdk::Status find_ranges(const BlockReader& weight, const Channels& channels, const sdk::Call& call,
                        std::vector<FiniteRange>& out) {
  out.assign(size(channels.count), FiniteRange());
  if (channels.numel() == 0) return {};
  if (channels.outer > 1) return ranges_of_pieces(weight, channels, call, out);
  if (channels.count > 1) return ranges_of_rows(weight, channels, call, out);
  // One channel: its blocks as if they were channels, then all of them as one.
  const Channels blocks{1, divide_up(channels.inner, kTaskElements), kTaskElements};
  std::vector<FiniteRange> parts(size(blocks.count));
  const sdk::Status status = run_tasks(call, blocks.count, [&](std::int64_t block) {
    const std::int64_t first = block * kTaskElements;
    weight.find_ranges(first, 1, std::min(kTaskElements, channels.inner - first),
                       &parts[size(block)]);
  });
  for (const FiniteRange& part : parts) out[0].include(part);
  return status;
}

template <class Code>
bool round_channels(const BlockReader& weight, const Channels& channels, const RoundingRules& rules,
                    const sdk::Call& call, std::vector<kernels::AffineParams>& params, Code* q,
                    sdk::Status* status) {
  constexpr std::int64_t kLongest = 4 * kTaskElements;
  if (channels.outer != 1 || channels.inner < 1 || channels.inner > kLongest) return false;
  params.resize(size(channels.count));
  const std::int64_t inner = channels.inner;
  const std::int64_t at_once = std::max<std::int64_t>(1, kTaskElements / inner);
  return weight.with_elements([&](const auto* x) {
    *status = run_tasks(call, divide_up(channels.count, at_once), [&](std::int64_t task) {
      const std::int64_t end = std::min((task + 1) * at_once, channels.count);
      for (std::int64_t c = task * at_once; c < end; ++c) {
        FiniteRange found;
        kernels::finite_ranges(x + c * inner, 1, size(inner), &found);
        if (found.non_finite != 0) throw sdk::Error(DETENT_E_NUMERIC, "");
        params[size(c)] = kernels::choose_affine(found.range.lo, found.range.hi, rules.codes,
                                                 rules.mapping, rules.rule);
        kernels::quantize_affine(x + c * inner, size(inner), params[size(c)], rules.codes,
                                 q + c * inner);
      }
    });
  });
}

template <class Code>
sdk::Status quantize_channels(const BlockReader& weight, const ChannelMap& map,
                              const sdk::Call& call, Code* q) {
  const std::int64_t numel = map.channels.numel();
  sdk::Status status;
  const bool in_place = weight.with_elements([&](const auto* x) {
    status = run_tasks(call, divide_up(numel, kTaskElements), [&](std::int64_t task) {
      for_each_part(map.channels, task * kTaskElements, std::min((task + 1) * kTaskElements, numel),
                    [&](std::int64_t first, std::int64_t n, std::size_t channel) {
                      kernels::quantize_affine(x + first, size(n), map.params[channel], map.codes,
                                               q + first);
                    });
    });
  });
  if (in_place) return status;
  return run_tasks(call, divide_up(numel, kTaskElements), [&](std::int64_t task) {
    const std::int64_t end = std::min((task + 1) * kTaskElements, numel);
    for (std::int64_t at = task * kTaskElements; at < end; at += kBlock) {
      float buffer[kBlock];
      const std::int64_t block_end = std::min(at + kBlock, end);
      const float* x = weight.floats(at, block_end - at, buffer);
      for_each_part(map.channels, at, block_end,
                    [&](std::int64_t first, std::int64_t n, std::size_t channel) {
                      kernels::quantize_affine(std::span(x + (first - at), size(n)),
                                               map.params[channel], map.codes, q + first);
                    });
    }
  });
}

template <class Code>
sdk::Status dequantize_channels(const Code* q, const ChannelMap& map, const sdk::Call& call,
                                float* x) {
  const std::int64_t numel = map.channels.numel();
  return run_tasks(call, divide_up(numel, kTaskElements), [&](std::int64_t task) {
    for_each_part(map.channels, task * kTaskElements, std::min((task + 1) * kTaskElements, numel),
                  [&](std::int64_t first, std::int64_t n, std::size_t channel) {
                    kernels::dequantize_affine(std::span(q + first, size(n)), map.params[channel],
                                               x + first);
                  });
  });
}

template bool round_channels(const BlockReader&, const Channels&, const RoundingRules&,
                             const sdk::Call&, std::vector<kernels::AffineParams>&, std::int8_t*,
                             sdk::Status*);
template bool round_channels(const BlockReader&, const Channels&, const RoundingRules&,
                             const sdk::Call&, std::vector<kernels::AffineParams>&, std::uint8_t*,
                             sdk::Status*);
template sdk::Status quantize_channels(const BlockReader&, const ChannelMap&, const sdk::Call&,
                                       std::int8_t*);
template sdk::Status quantize_channels(const BlockReader&, const ChannelMap&, const sdk::Call&,
                                       std::uint8_t*);
template sdk::Status dequantize_channels(const std::int8_t*, const ChannelMap&, const sdk::Call&,
                                         float*);
template sdk::Status dequantize_channels(const std::uint8_t*, const ChannelMap&, const sdk::Call&,
                                         float*);

}  // namespace detent::quantizers
