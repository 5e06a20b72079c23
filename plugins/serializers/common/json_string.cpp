// SPDX-License-Identifier: Apache-2.0
#include "json_string.hpp"

#include <cstdint>

#include <detent/sdk/error.hpp>

namespace detent::serializers {
namespace {

[[noreturn]] void refuse(const char* what) {
  throw sdk::Error(DETENT_E_INVALID_ARG, std::string("metadata value: ") + what);
}

// Bytes of the UTF-8 sequence at the front of text, 0 when it is malformed.
size_t sequence_length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  const size_t n = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < n) return 0;
  for (size_t i = 1; i < n; ++i)
    if (byte(i) < 0x80 || byte(i) > 0xBF) return 0;
  const unsigned second = byte(1);
  const bool overlong = (lead == 0xE0 && second < 0xA0) || (lead == 0xF0 && second < 0x90);
  const bool surrogate = lead == 0xED && second > 0x9F;
  const bool beyond = lead == 0xF4 && second > 0x8F;
  return overlong || surrogate || beyond ? 0 : n;
}

void append_utf8(std::string& out, uint32_t code) {
  const auto push = [&](uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (code < 0x80) {
    push(code);
  } else if (code < 0x800) {
    push(0xC0 | (code >> 6)), push(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    push(0xE0 | (code >> 12)), push(0x80 | ((code >> 6) & 0x3F)), push(0x80 | (code & 0x3F));
  } else {
    push(0xF0 | (code >> 18)), push(0x80 | ((code >> 12) & 0x3F));
    push(0x80 | ((code >> 6) & 0x3F)), push(0x80 | (code & 0x3F));
  }
}

// Decodes what stands between the quotes of a JSON string.
class Decoder {
 public:
  explicit Decoder(std::string_view body) : rest_(body) {}
  std::string run() {
    while (!rest_.empty()) {
      const char c = take();
      if (c == '\\') {
        escape();
      } else if (c == '"' || static_cast<unsigned char>(c) < 0x20) {
        refuse("a quote or control character inside a JSON string");
      } else {
        out_.push_back(c);
      }
    }
    return std::move(out_);
  }

 private:
  char take() {
    if (rest_.empty()) refuse("a JSON string that ends in the middle of an escape");
    const char c = rest_.front();
    rest_.remove_prefix(1);
    return c;
  }
  void escape() {
    constexpr std::string_view kLetters = "\"\\/bfnrt";
    constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    const char c = take();
    if (c == 'u') return append_utf8(out_, code_point());
    const size_t i = kLetters.find(c);
    if (i == std::string_view::npos) refuse("an unknown escape in a JSON string");
    out_.push_back(kMeanings[i]);
  }
  uint32_t hex4() {
    constexpr std::string_view kDigits = "0123456789abcdef";
    uint32_t value = 0;
    for (int i = 0; i < 4; ++i) {
      const char c = take();
      const size_t digit = kDigits.find(c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c);
      if (digit == std::string_view::npos) refuse("\\u without four hexadecimal digits");
      value = value * 16 + static_cast<uint32_t>(digit);
    }
    return value;
  }
  uint32_t code_point() {
    const uint32_t first = hex4();
    if (first < 0xD800 || first > 0xDFFF) return first;
    const bool pair = first < 0xDC00 && take() == '\\' && take() == 'u';
    const uint32_t second = pair ? hex4() : 0;
    if (second < 0xDC00 || second > 0xDFFF) refuse("half of a surrogate pair in a JSON string");
    return 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
  }

  std::string_view rest_;
  std::string out_;
};

}  // namespace

bool is_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const size_t n = static_cast<signed char>(text[i]) >= 0 ? 1 : sequence_length(text.substr(i));
    if (n == 0) return false;
    i += n;
  }
  return true;
}

std::string json_quote(std::string_view text) {
  constexpr std::string_view kShort = "\b\f\n\r\t\"\\";
  constexpr std::string_view kLetters = "bfnrt\"\\";
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out = "\"";
  size_t copied = 0;  // of text
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte >= 0x20 && byte != '"' && byte != '\\') continue;
    out.append(text.substr(copied, i - copied));
    copied = i + 1;
    if (const size_t at = kShort.find(text[i]); at != std::string_view::npos) {
      (out += '\\') += kLetters[at];
    } else {
      ((out += "\\u00") += kDigits[byte >> 4]) += kDigits[byte & 15];
    }
  }
  return out.append(text.substr(copied)) += '"';
}

std::string metadata_text(std::string_view value_json) {
  constexpr std::string_view kSpace = " \t\r\n";
  if (!is_utf8(value_json)) refuse("it is not UTF-8");
  const size_t first = value_json.find_first_not_of(kSpace);
  if (first == std::string_view::npos) refuse("it is empty, not one JSON value");
  const std::string_view value =
      value_json.substr(first, value_json.find_last_not_of(kSpace) - first + 1);
  if (value.front() != '"') return std::string(value);
  if (value.size() < 2 || value.back() != '"') refuse("a JSON string without its closing quote");
  return Decoder(value.substr(1, value.size() - 2)).run();
}

}  // namespace detent::serializers
