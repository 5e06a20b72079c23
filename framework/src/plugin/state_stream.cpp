// SPDX-License-Identifier: Apache-2.0
#include "plugin/state_stream.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace detent {
namespace {

std::int64_t DETENT_CALL append(const detent_ostream* stream, const void* bytes,
                                std::uint64_t n) noexcept {
  if (n == 0) return 0;
  if (bytes == nullptr || n > static_cast<std::uint64_t>(INT64_MAX)) return -1;
  try {
    static_cast<std::string*>(stream->ctx)->append(static_cast<const char*>(bytes), n);
    return static_cast<std::int64_t>(n);
  } catch (...) {
    return -1;
  }
}

std::int64_t DETENT_CALL take(const detent_istream* stream, void* buffer,
                              std::uint64_t n) noexcept {
  auto& rest = *static_cast<std::string_view*>(stream->ctx);
  const std::size_t taken = std::min<std::uint64_t>(n, rest.size());
  if (taken == 0) return 0;
  if (buffer == nullptr) return -1;
  std::memcpy(buffer, rest.data(), taken);
  rest.remove_prefix(taken);
  return static_cast<std::int64_t>(taken);
}

}  // namespace

detent_ostream state_writer(std::string& bytes) { return {&bytes, append}; }

detent_istream state_reader(std::string_view& rest) { return {&rest, take}; }

}  // namespace detent
