// SPDX-License-Identifier: Apache-2.0
#include "header.hpp"

#include <algorithm>
#include <numeric>
#include <tuple>

#include "json_string.hpp"

namespace detent::safetensors {
namespace {

constexpr uint64_t kMaxJson = 100'000'000;
constexpr std::string_view kMetadataKey = "__metadata__";

[[noreturn]] void refuse(const std::string& what) { throw sdk::Error(DETENT_E_INVALID_ARG, what); }

std::string describe(const Entry& entry) {
  std::string text = json_quote(entry.name) + ":{\"dtype\":\"";
  text += stored_type(entry.stored.dtype)->name;
  text += "\",\"shape\":[";
  for (size_t d = 0; d < entry.stored.shape.size(); ++d)
    text += (d == 0 ? "" : ",") + std::to_string(entry.stored.shape[d]);
  return text + "],\"data_offsets\":[" + std::to_string(entry.offset) + "," +
         std::to_string(entry.offset + entry.stored.nbytes) + "]}";
}

}  // namespace

Header::Header() { set_metadata("format", "\"pt\""); }

void Header::declare(const detent_tensor_spec& spec) {
  const std::string name = spec.name;
  if (frozen()) refuse("tensor \"" + name + "\" is declared after the first was added");
  if (!is_utf8(name)) refuse("a tensor's name is not UTF-8");
  if (name == kMetadataKey) refuse("a tensor cannot be named \"__metadata__\" in safetensors");
  if (!index_.emplace(name, entries_.size()).second)
    refuse("tensor \"" + name + "\" is declared twice");
  entries_.push_back({name, spec.dtype, {spec.shape, spec.shape + spec.ndim}, stored_as(spec)});
}

void Header::set_metadata(std::string_view key, std::string_view value_json) {
  if (!is_utf8(key)) refuse("a metadata key is not UTF-8");
  std::string escaped = json_quote(metadata_text(value_json));
  const auto it = metadata_.find(key);
  if (frozen()) {
    const std::string name(key);
    if (it == metadata_.end())
      refuse("metadata \"" + name +
             "\" is set for the first time after the first tensor was added" +
             "\nset it before, to a text at least as long");
    if (escaped.size() > it->second.room)
      refuse("metadata \"" + name + "\" has " + std::to_string(escaped.size()) + " bytes, and " +
             std::to_string(it->second.room) + " were set aside for it" +
             "\nset it to a longer text before the first tensor is added");
  }
  if (it != metadata_.end()) {
    it->second.escaped = std::move(escaped);
  } else {
    metadata_.emplace(key, Text{std::move(escaped)});
  }
}

void Header::freeze() {
  const auto key = [&](size_t i) {
    const Entry& e = entries_[i];
    return std::tuple(-stored_type(e.stored.dtype)->rank, std::string_view(e.name));
  };
  order_.resize(entries_.size());
  std::iota(order_.begin(), order_.end(), size_t{0});
  std::sort(order_.begin(), order_.end(), [&](size_t a, size_t b) { return key(a) < key(b); });

  uint64_t offset = 0;
  for (const size_t i : order_) {
    entries_[i].offset = offset;
    if (entries_[i].stored.nbytes > static_cast<uint64_t>(INT64_MAX) - kMaxJson - 8 - offset)
      refuse("the tensors together are larger than a file can be");
    offset += entries_[i].stored.nbytes;
  }
  for (auto& [name, text] : metadata_) text.room = text.escaped.size();
  const uint64_t size = (json().size() + 7) / 8 * 8;
  if (size > kMaxJson)
    throw sdk::Error(DETENT_E_UNSUPPORTED,
                     "the header has " + std::to_string(size) +
                         " bytes, and readers of safetensors " +
                         "accept 100000000\nwrite fewer tensors or less metadata into one file");
  json_size_ = size;
}

const Entry* Header::find(std::string_view name) const {
  const auto it = index_.find(std::string(name));
  return it != index_.end() ? &entries_[it->second] : nullptr;
}

std::string Header::json() const {
  std::string text = "{" + json_quote(kMetadataKey) + ":{";
  for (const auto& [key, value] : metadata_) {
    if (text.back() != '{') text += ',';
    text += json_quote(key) + ":" + value.escaped;
  }
  text += '}';
  for (const size_t i : order_) text += "," + describe(entries_[i]);
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
