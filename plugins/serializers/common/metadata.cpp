// SPDX-License-Identifier: Apache-2.0
#include "metadata.hpp"

#include "json_string.hpp"
#include <detent/sdk/error.hpp>

namespace detent::serializers {
namespace {

[[noreturn]] void refuse(const std::string& what) { throw sdk::Error(DETENT_E_INVALID_ARG, what); }

}  // namespace

void Metadata::set(std::string_view key, std::string_view value_json) {
  if (!is_utf8(key)) refuse("a metadata key is not UTF-8");
  const std::string name(key);
  std::string text = metadata_text(value_json);
  if (frozen_) check_room(name, text);
  texts_[name] = std::move(text);
}

void Metadata::freeze() {
  for (const auto& [key, text] : texts_) room_[key] = json_quote(text).size();
  frozen_ = true;
}

void Metadata::check_room(const std::string& key, const std::string& text) const {
  const auto it = room_.find(key);
  if (it == room_.end())
    refuse("metadata \"" + key + "\" is set for the first time after the first tensor was added" +
           "\nset it before, to a text at least as long");
  const size_t size = json_quote(text).size();
  if (size > it->second)
    refuse("metadata \"" + key + "\" has " + std::to_string(size) + " bytes, and " +
           std::to_string(it->second) + " were set aside for it" +
           "\nset it to a longer text before the first tensor is added");
}

}  // namespace detent::serializers
