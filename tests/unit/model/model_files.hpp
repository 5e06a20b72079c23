// SPDX-License-Identifier: Apache-2.0
// Safetensors files made by hand, and what the readers say to them.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "model/model.hpp"
#include "support/catch.hpp"

namespace detent::test {

inline std::string length_bytes(std::uint64_t length) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(length >> (8 * i) & 0xFF);
  return bytes;
}

// data_size bytes of data: 0, 1, 2, ...
inline std::string safetensors(std::string_view header, std::size_t data_size) {
  std::string bytes = length_bytes(header.size());
  bytes += header;
  for (std::size_t i = 0; i < data_size; ++i) bytes += static_cast<char>(i & 0xFF);
  return bytes;
}

// What Error{io} fn throws says; any other outcome fails the test.
template <typename Fn>
std::string refusal(Fn fn) {
  try {
    fn();
  } catch (const Error& e) {
    CHECK(e.code() == ErrorCode::io);
    return e.what();
  }
  return "accepted";
}

inline std::string open_refusal(const std::filesystem::path& path) {
  return refusal([&] { open_model(path, {}); });
}

inline bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != text.npos;
}

}  // namespace detent::test
