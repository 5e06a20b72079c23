// SPDX-License-Identifier: Apache-2.0
// What zip archives need: their checksum and their compression.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace detent {

// CRC-32 (polynomial 0xEDB88320): against accidents, not attackers. crc is that of the bytes before
// data; 0 at the beginning.
std::uint32_t crc32(std::uint32_t crc, std::span<const std::byte> data);

// Raw deflate data, undone. Takes the memory of size bytes, whatever the data say; nothing when
// they are damaged or do not give exactly size bytes.
std::optional<std::string> inflate(std::span<const std::byte> data, std::size_t size);

}  // namespace detent
