// SPDX-License-Identifier: Apache-2.0
#include "archive.hpp"

#include <zlib.h>

#include "../common/json_string.hpp"
#include "dtype.hpp"
#include "pickle.hpp"

namespace detent::state_dict {
namespace {

constexpr size_t kLongestKey = 1024;

// A folder in the archive, the same for every file: names and paths change no bytes.
std::string in_archive(const std::string& name) { return "archive/" + name; }

std::string quoted(std::string_view name) { return "\"" + std::string(name) + "\""; }

[[noreturn]] void refuse(const std::string& what) { throw sdk::Error(DETENT_E_INVALID_ARG, what); }

// Whoever unpacks the archive gets a file of that name: it stays inside the folder.
bool can_be_a_path(std::string_view key) {
  if (key.empty() || key.size() > kLongestKey) return false;
  for (const char c : key)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F || c == '\\' || c == ':') return false;
  for (;;) {
    const std::string_view part = key.substr(0, key.find('/'));
    if (part.empty() || part == "." || part == "..") return false;
    if (part.size() == key.size()) return true;
    key.remove_prefix(part.size() + 1);
  }
}

}  // namespace

void Archive::declare(const detent_tensor_spec& spec) {
  if (alias_names_.count(spec.name) != 0)
    refuse(quoted(spec.name) + " is declared twice: it is the alias of a tensor");
  tensors_.declare(spec, stored_in_state_dict(spec));
}

void Archive::declare_alias(std::string_view alias, std::string_view name) {
  const serializers::Declared* tensor = tensors_.find(name);
  if (tensors_.frozen())
    refuse("alias " + quoted(alias) + " is declared after the first tensor was added");
  if (!serializers::is_utf8(alias)) refuse("an alias is not UTF-8");
  if (tensor == nullptr)
    refuse("alias " + quoted(alias) + " stands for " + quoted(name) + ", which was not declared");
  if (tensors_.find(alias) != nullptr || !alias_names_.emplace(alias).second)
    refuse("alias " + quoted(alias) + " is declared twice");
  aliases_.emplace_back(alias, static_cast<size_t>(tensor - tensors_.all().data()));
}

void Archive::set_metadata(std::string_view key, std::string_view value_json) {
  metadata_.set(key, value_json);
  if (!can_be_a_path(key))
    throw sdk::Error(DETENT_E_UNSUPPORTED, "the metadata key " + serializers::json_quote(key) +
                                               " cannot be the name of a record in an archive" +
                                               "\nrename it in the model, or write safetensors");
}

void Archive::freeze() {
  if (tensors_.frozen()) return;
  add_text("data.pkl", pickle());
  add_text(".format_version", "1");
  add_text(".storage_alignment", "64");
  add_text("byteorder", "little");
  first_tensor_ = texts_.size();
  for (size_t i = 0; i < tensors_.all().size(); ++i)
    zip_.append(in_archive("data/" + std::to_string(i)), tensors_.all()[i].stored.nbytes);
  tensors_.freeze();
  metadata_.freeze();
}

void Archive::close() {
  add_text("version", "3\n");
  for (const auto& [key, text] : metadata_.texts()) add_text("extra/" + key, text);
}

void Archive::add_text(const std::string& name, std::string content) {
  const size_t record = zip_.append(in_archive(name), content.size());
  zip_.at(record).crc = static_cast<uint32_t>(
      crc32_z(0, reinterpret_cast<const unsigned char*>(content.data()), content.size()));
  texts_.push_back({record, std::move(content)});
}

std::string Archive::pickle() const {
  StateDictPickle pickle;
  for (size_t i = 0; i < tensors_.all().size(); ++i)
    pickle.add(tensors_.all()[i].name, tensors_.all()[i].stored, i);
  for (const auto& [alias, i] : aliases_) pickle.add(alias, tensors_.all()[i].stored, i);
  return pickle.finish();
}

}  // namespace detent::state_dict
