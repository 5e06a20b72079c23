// SPDX-License-Identifier: Apache-2.0
#include "plugin/pins.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <span>

#include "base/text.hpp"

namespace detent {
namespace {

constexpr std::string_view kSuffix = ".detent.so";
constexpr std::string_view kHashPrefix = "sha256:";
constexpr std::uint64_t kBlockBytes = 1 << 20;

bool is_id_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
}

// Does `text` stand in the block as a C string of its own?
bool has_text(std::string_view block, const std::string& text) {
  const std::string_view with_end(text.c_str(), text.size() + 1);
  for (std::size_t at = block.find(with_end); at != std::string_view::npos;
       at = block.find(with_end, at + 1)) {
    if (at == 0 || !is_id_character(block[at - 1])) return true;
  }
  return false;
}

// Blocks overlap, so that a text on a border is seen whole and with the byte before it.
bool has_text(const File& file, const std::string& text) {
  const std::uint64_t size = file.size();
  const std::uint64_t overlap = text.size() + 2;
  std::string block;
  for (std::uint64_t at = 0; at < size;) {
    block.resize(std::min(kBlockBytes, size - at));
    file.read_at(at, std::as_writable_bytes(std::span(block)));
    if (has_text(std::string_view(block), text)) return true;
    if (at + block.size() == size) break;
    at += block.size() - overlap;
  }
  return false;
}

std::string refusal(const std::string& name, std::string_view found, const std::string& pinned) {
  return fmt::format("is not the pinned \"{}\": its sha256 is {}, the pin is {}", printable(name),
                     found, printable(pinned));
}

}  // namespace

LoadFrom load_from(const PluginSurroundings& around, std::string_view sha256) {
  const bool pinned = around.pins != nullptr && around.pins->is_pinned_hash(sha256);
  return pinned ? LoadFrom::sealed_copy : LoadFrom::file;
}

std::string plugin_stem(const std::filesystem::path& path) {
  std::string name = path.filename().string();
  if (name.ends_with(kSuffix)) name.resize(name.size() - kSuffix.size());
  return name;
}

std::string squeeze_name(std::string_view name) {
  std::string out = normalise_name(name);
  std::erase(out, '.');
  return out;
}

Pins::Pins(const std::vector<std::pair<std::string, std::string>>& pins) {
  for (const auto& [name, hash] : pins) {
    std::string hex(hash.starts_with(kHashPrefix) ? hash.substr(kHashPrefix.size()) : hash);
    std::transform(hex.begin(), hex.end(), hex.begin(),
                   [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c; });
    pins_.push_back({name, std::move(hex)});
  }
}

bool Pins::is_pinned_hash(std::string_view sha256) const {
  return std::any_of(pins_.begin(), pins_.end(),
                     [&](const Pin& pin) { return pin.sha256 == sha256; });
}

std::string Pins::refusal_before_loading(const File& file, std::string_view sha256) const {
  if (pins_.empty() || is_pinned_hash(sha256)) return {};
  const std::string stem = squeeze_name(plugin_stem(file.path()));
  for (const Pin& pin : pins_) {
    const std::string name = squeeze_name(pin.name);
    const bool called_so = stem == name || stem == "lib" + name;
    const bool holds_it = pin.name.find('.') != std::string::npos && has_text(file, pin.name);
    if (called_so || holds_it) return refusal(pin.name, sha256, pin.sha256);
  }
  return {};
}

std::string Pins::refusal_after_loading(const std::vector<Plugin>& plugins,
                                        std::string_view sha256) const {
  for (const Pin& pin : pins_) {
    if (pin.sha256 == sha256) continue;
    const std::string name = normalise_name(pin.name);
    const auto is_name = [&](const std::string& text) { return normalise_name(text) == name; };
    for (const Plugin& plugin : plugins) {
      const bool by_alias = std::any_of(plugin.aliases.begin(), plugin.aliases.end(), is_name);
      if (is_name(plugin.id) || by_alias) return refusal(pin.name, sha256, pin.sha256);
    }
  }
  return {};
}

}  // namespace detent
