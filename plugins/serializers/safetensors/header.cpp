// SPDX-License-Identifier: Apache-2.0
#include "header.hpp"

#include <algorithm>
#include <numeric>
#include <tuple>

#include "../common/json_string.hpp"
#include "dtype.hpp"

namespace detent::safetensors {

using serializers::Declared;
using serializers::json_quote;

namespace {

constexpr uint64_t kMaxJson = 100'000'000;
constexpr std::string_view kMetadataKey = "__metadata__";

[[noreturn]] void refuse(const std::string& what) { throw sdk::Error(DETENT_E_INVALID_ARG, what); }

std::string describe(const Declared& entry) {
  std::string text = json_quote(entry.name) + ":{\"dtype\":\"";
  text += stored_type(entry.stored.dtype)->name;
  text += "\",\"shape\":[";
  for (size_t d = 0; d < entry.stored.shape.size(); ++d)
    text += (d == 0 ? "" : ",") + std::to_string(entry.stored.shape[d]);
  return text + "],\"data_offsets\":[" + std::to_string(entry.offset) + "," +
         std::to_string(entry.offset + entry.stored.nbytes) + "]}";
}

}  // namespace

Header::Header() { metadata_.set("format", "\"pt\""); }

void Header::declare(const detent_tensor_spec& spec) {
  if (spec.name == kMetadataKey) refuse("a tensor cannot be named \"__metadata__\" in safetensors");
  tensors_.declare(spec, stored_in_safetensors(spec));
}

void Header::freeze() {
  const auto key = [&](size_t i) {
    const Declared& e = tensors_.all()[i];
    return std::tuple(-stored_type(e.stored.dtype)->rank, std::string_view(e.name));
  };
  order_.resize(tensors_.all().size());
  std::iota(order_.begin(), order_.end(), size_t{0});
  std::sort(order_.begin(), order_.end(), [&](size_t a, size_t b) { return key(a) < key(b); });

  uint64_t offset = 0;
  for (const size_t i : order_) {
    Declared& entry = tensors_.all()[i];
    entry.offset = offset;
    if (entry.stored.nbytes > static_cast<uint64_t>(INT64_MAX) - kMaxJson - 8 - offset)
      refuse("the tensors together are larger than a file can be");
    offset += entry.stored.nbytes;
  }
  tensors_.freeze();
  metadata_.freeze();
  const uint64_t size = (json().size() + 7) / 8 * 8;
  if (size > kMaxJson)
    throw sdk::Error(DETENT_E_UNSUPPORTED,
                     "the header has " + std::to_string(size) +
                         " bytes, and readers of safetensors " +
                         "accept 100000000\nwrite fewer tensors or less metadata into one file");
  json_size_ = size;
}

std::string Header::json() const {
  std::string text = "{" + json_quote(kMetadataKey) + ":{";
  for (const auto& [key, value] : metadata_.texts()) {
    if (text.back() != '{') text += ',';
    text += json_quote(key) + ":" + json_quote(value);
  }
  text += '}';
  for (const size_t i : order_) text += "," + describe(tensors_.all()[i]);
  return text + "}";
}

std::string Header::bytes() const {
  std::string out;
  for (int shift = 0; shift < 64; shift += 8)
    out += static_cast<char>((json_size_ >> shift) & 0xFF);
  out += json();
  out.append(data_start() - out.size(), ' ');
  return out;
}

}  // namespace detent::safetensors
