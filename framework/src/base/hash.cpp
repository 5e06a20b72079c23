// SPDX-License-Identifier: Apache-2.0
#include "base/hash.hpp"

#define XXH_INLINE_ALL
#include <fmt/format.h>
#include <xxhash.h>

namespace detent {
namespace {

std::string to_text(XXH128_hash_t hash) {
  return fmt::format("xxh3-128:{:016x}{:016x}", hash.high64, hash.low64);
}

}  // namespace

struct Xxh3::State {
  XXH3_state_t xxh;  // over-aligned (64): operator new knows
};

Xxh3::Xxh3() : state_(std::make_unique<State>()) { XXH3_128bits_reset(&state_->xxh); }
Xxh3::~Xxh3() = default;
Xxh3::Xxh3(Xxh3&&) noexcept = default;
Xxh3& Xxh3::operator=(Xxh3&&) noexcept = default;

void Xxh3::update(std::span<const std::byte> data) {
  XXH3_128bits_update(&state_->xxh, data.data(), data.size());
}

std::string Xxh3::digest() const { return to_text(XXH3_128bits_digest(&state_->xxh)); }

std::string xxh3(std::span<const std::byte> data) {
  return to_text(XXH3_128bits(data.data(), data.size()));
}

}  // namespace detent
