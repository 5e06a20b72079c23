// SPDX-License-Identifier: Apache-2.0
// Channels: a tensor as [outer, count, inner], row-major; one middle index is one channel.
//
// Per tensor there is one channel. All loops run in fixed blocks, so results do not depend on the
// number of threads.
#pragma once
#include <cstdint>
#include <vector>

#include "common/block_reader.hpp"
#include "common/stored.hpp"
#include <detent/kernels/affine.hpp>
#include <detent/sdk/call.hpp>

namespace detent::quantizers {

struct Channels {
  std::int64_t outer = 1;
  std::int64_t count = 1;
  std::int64_t inner = 1;

  std::int64_t numel() const { return outer * count * inner; }
};

Channels one_channel(const Shape& shape);
Channels channels_along(const Shape& shape, std::int64_t axis);

// The exact range of each channel, and how many of its values are not finite.
sdk::Status find_ranges(const BlockReader& weight, const Channels& channels, const sdk::Call& call,
                        std::vector<kernels::FiniteRange>& out);

struct ChannelMap {
  Channels channels;
  const std::vector<kernels::AffineParams>& params;  // one for each channel
  kernels::Codes codes;
};

struct RoundingRules {
  kernels::Codes codes;
  kernels::Mapping mapping;
  kernels::AffineRule rule;
};

// Chooses the parameters of each channel from its own range, then writes its codes while it is in
// the cache. Not for tensors that do not lie side by side, nor for channels that come in pieces or
// are too few and too long to be shared out: false, and nothing done.
//
// Errors    DETENT_E_NUMERIC for NaN and infinite values, in *status
template <class Code>
bool round_channels(const BlockReader& weight, const Channels& channels, const RoundingRules& rules,
                    const sdk::Call& call, std::vector<kernels::AffineParams>& params, Code* q,
                    sdk::Status* status);

// Code is int8_t or uint8_t; q and x hold channels.numel() elements.
template <class Code>
sdk::Status quantize_channels(const BlockReader& weight, const ChannelMap& map,
                              const sdk::Call& call, Code* q);
template <class Code>
sdk::Status dequantize_channels(const Code* q, const ChannelMap& map, const sdk::Call& call,
                                float* x);

}  // namespace detent::quantizers
