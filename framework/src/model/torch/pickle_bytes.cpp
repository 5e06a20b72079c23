// SPDX-License-Identifier: Apache-2.0
#include "model/torch/pickle_bytes.hpp"

#include <bit>
#include <charconv>
#include <fmt/format.h>
#include <system_error>

#include "model/refuse.hpp"
#include "model/torch/pickle_tree.hpp"

namespace detent {
namespace {

// The longest line that is a number or the name of a class.
constexpr std::size_t kMaxLine = 4096;

template <typename Number>
Number parse(std::string_view text, std::uint64_t position) {
  Number value{};
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || rest != end)
    throw PickleError(fmt::format("{} is no number", shown(text)), position);
  return value;
}

}  // namespace

std::string_view PickleBytes::take(std::uint64_t length) {
  if (length > bytes_.size() - position_)
    throw PickleTruncated(
        fmt::format("{} bytes are needed where {} are left", length, bytes_.size() - position_),
        position_);
  const std::string_view result = bytes_.substr(position_, length);
  position_ += length;
  return result;
}

std::uint64_t PickleBytes::number(unsigned length) {
  const std::string_view bytes = take(length);
  std::uint64_t value = 0;
  for (unsigned i = length; i > 0; --i)
    value = value << 8 | static_cast<unsigned char>(bytes[i - 1]);
  return value;
}

std::string_view PickleBytes::line() {
  const std::string_view rest = bytes_.substr(position_);
  const std::size_t end = rest.substr(0, kMaxLine).find('\n');
  if (end == rest.npos) {
    if (rest.size() < kMaxLine) throw PickleTruncated("a line does not end", position_);
    throw PickleError(fmt::format("a line is longer than {} bytes", kMaxLine), position_);
  }
  position_ += end + 1;
  return rest.substr(0, end);
}

std::int64_t PickleBytes::decimal() {
  const std::uint64_t at = position_;
  std::string_view text = line();
  if (text.ends_with('L')) text.remove_suffix(1);
  return parse<std::int64_t>(text, at);
}

double PickleBytes::decimal_real() {
  const std::uint64_t at = position_;
  return parse<double>(line(), at);
}

double PickleBytes::real() {
  std::uint64_t bits = 0;
  for (const char byte : take(8)) bits = bits << 8 | static_cast<unsigned char>(byte);
  return std::bit_cast<double>(bits);
}

std::int64_t signed_number(std::string_view bytes) {
  std::uint64_t value = 0;
  if (!bytes.empty() && static_cast<signed char>(bytes.back()) < 0) value = ~std::uint64_t{0};
  for (std::size_t i = bytes.size(); i > 0; --i)
    value = value << 8 | static_cast<unsigned char>(bytes[i - 1]);
  return static_cast<std::int64_t>(value);
}

}  // namespace detent
