// SPDX-License-Identifier: Apache-2.0
// pack_int4, unpack_int4: two 4-bit codes to a byte, the first in the low nibble.
//
//   byte[i] = (code[2i] & 15) | (code[2i + 1] & 15) << 4
//
// Shapes    n codes, (n + 1) / 2 bytes; n may be 0. Of an odd n the last high nibble is 0, and is
//           not looked at on the way back. A row of a matrix starts on a byte: one call per row
// Special   signed codes are -8..7 in two's complement; of others the low four bits are taken
// Errors    none. codes and bytes may not overlap
// Source    abi/base.h, "Sub-byte dtypes"
// Truth     pack_int4_ref, unpack_int4_ref; every SIMD target gives the same bytes
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

namespace detent::kernels {

constexpr std::size_t packed_int4_bytes(std::size_t n) noexcept { return n / 2 + n % 2; }

void pack_int4(std::span<const std::int8_t> codes, std::uint8_t* bytes);
// Fills all of codes.
void unpack_int4(const std::uint8_t* bytes, std::span<std::int8_t> codes);

void pack_int4_ref(std::span<const std::int8_t> codes, std::uint8_t* bytes);
void unpack_int4_ref(const std::uint8_t* bytes, std::span<std::int8_t> codes);

}  // namespace detent::kernels
