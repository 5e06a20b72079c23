// SPDX-License-Identifier: Apache-2.0
#include "base/zip_codec.hpp"

#include <limits>
#include <zlib.h>

namespace detent {

std::uint32_t crc32(std::uint32_t crc, std::span<const std::byte> data) {
  const auto* bytes = reinterpret_cast<const Bytef*>(data.data());
  return static_cast<std::uint32_t>(::crc32_z(crc, bytes, data.size()));
}

std::optional<std::string> inflate(std::span<const std::byte> data, std::size_t size) {
  constexpr std::size_t kMost = std::numeric_limits<uInt>::max();
  if (data.size() > kMost || size >= kMost) return std::nullopt;
  std::string out(size + 1, '\0');  // one more, so that data which give more are seen
  z_stream stream{};
  if (::inflateInit2(&stream, -MAX_WBITS) != Z_OK) return std::nullopt;  // no header of zlib's
  // zlib takes its input as not const, and leaves it alone.
  stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(data.data()));
  stream.avail_in = static_cast<uInt>(data.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int result = ::inflate(&stream, Z_FINISH);
  const bool whole = result == Z_STREAM_END && stream.avail_out == 1 && stream.avail_in == 0;
  ::inflateEnd(&stream);
  if (!whole) return std::nullopt;
  out.pop_back();
  return out;
}

}  // namespace detent
