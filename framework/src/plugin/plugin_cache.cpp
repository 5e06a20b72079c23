// SPDX-License-Identifier: Apache-2.0
#include "plugin/plugin_cache.hpp"

#include <algorithm>
#include <chrono>
#include <detent/abi.h>
#include <fmt/format.h>
#include <span>
#include <stdexcept>
#include <sys/stat.h>
#include <system_error>

#include "base/byte_stream.hpp"
#include "base/environment.hpp"
#include "base/hash.hpp"
#include "base/version.hpp"

namespace detent {
namespace {

namespace fs = std::filesystem;

// Far above what is installed anywhere; what is larger was not written by us.
constexpr std::uint64_t kMaxBytes = 16U << 20U;
constexpr std::size_t kMaxEntries = 4096;

// The checks that a description passed are those of one version.
std::string format_mark() {
  return fmt::format("detent plugins 1, {}, ABI {}.{}", kVersion, DETENT_ABI_MAJOR,
                     DETENT_ABI_MINOR);
}

std::string checksum(std::string_view bytes) { return xxh3(std::as_bytes(std::span(bytes))); }

// The file begins with it, so that what was cut short or damaged is told from what is whole.
std::string_view checked_body(std::string_view bytes) {
  ByteReader in(bytes);
  const std::string_view mark = in.text();
  if (mark != format_mark()) throw std::runtime_error("another version's");
  const std::string_view sum = in.text();
  const std::string_view body = in.text();
  if (!in.at_end() || sum != checksum(body)) throw std::runtime_error("damaged");
  return body;
}

std::int64_t signed_number(ByteReader& in) { return static_cast<std::int64_t>(in.number()); }

PluginCache::Entry read_entry(ByteReader& in) {
  PluginCache::Entry entry;
  entry.identity.device = in.number();
  entry.identity.inode = in.number();
  entry.identity.stamp.size = in.number();
  entry.identity.stamp.modified_ns = signed_number(in);
  entry.identity.changed_ns = signed_number(in);
  entry.sha256 = in.text();
  entry.description = in.text();
  const bool is_hash = entry.sha256.size() == 64 &&
                       std::all_of(entry.sha256.begin(), entry.sha256.end(), [](char c) {
                         return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
                       });
  if (!is_hash) throw std::runtime_error("no hash");
  return entry;
}

void write_entry(ByteWriter& out, const PluginCache::Entry& entry) {
  const File::Identity& id = entry.identity;
  for (const std::uint64_t n : {id.device, id.inode, id.stamp.size}) out.number(n);
  for (const std::int64_t n : {id.stamp.modified_ns, id.changed_ns})
    out.number(static_cast<std::uint64_t>(n));
  out.text(entry.sha256);
  out.text(entry.description);
}

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

PluginCacheFile plugin_cache_file() {
  const char* kFolder = "DETENT_CACHE_DIR";
  const bool chosen = ::secure_getenv(kFolder) != nullptr;
  fs::path folder =
      chosen ? fs::path(trusted_environment(kFolder)) : user_folder("XDG_CACHE_HOME", ".cache");
  if (folder.empty() || !trusted_environment("DETENT_NO_CACHE").empty()) return {};
  if (!chosen) folder /= "detent";
  std::error_code ec;
  folder = fs::absolute(folder, ec).lexically_normal();
  if (ec) return {};
  return {folder / fmt::format("plugins-{}.cache", kVersion)};
}

PluginCache::PluginCache(PluginCacheFile file) : file_(std::move(file)) {
  if (!file_.path.empty()) read();
}

void PluginCache::read() {
  try {
    const File file = File::open_to_read(file_.path);
    if (!file.is_private()) return;
    const std::string bytes = file.read_text(kMaxBytes);
    changed_ = true;  // when it turns out to be no good
    read_entries(checked_body(bytes));
    changed_ = false;
  } catch (const std::exception&) {
    entries_.clear();
  }
}

void PluginCache::read_entries(std::string_view bytes) {
  ByteReader in(bytes);
  while (!in.at_end()) {
    std::string path(in.text());
    entries_.insert_or_assign(std::move(path), Known{read_entry(in)});
    if (entries_.size() > kMaxEntries) throw std::runtime_error("too many");
  }
}

const PluginCache::Entry* PluginCache::find(const fs::path& library,
                                            const File::Identity& identity) {
  const auto it = entries_.find(library.native());
  if (it == entries_.end() || it->second.entry.identity != identity) return nullptr;
  it->second.seen = true;
  return &it->second.entry;
}

void PluginCache::keep(const fs::path& library, Entry entry) {
  const std::int64_t changed =
      std::max(entry.identity.stamp.modified_ns, entry.identity.changed_ns);
  if (file_.path.empty() || changed > now_ns() - file_.settled_ns) return;
  entries_.insert_or_assign(library.native(), Known{std::move(entry), true});
  changed_ = true;
}

void PluginCache::forget(const fs::path& library) {
  if (entries_.erase(library.native()) != 0) changed_ = true;
}

void PluginCache::drop_the_dead() {
  const bool too_many = entries_.size() > kMaxEntries;
  std::erase_if(entries_, [&](const auto& pair) {
    const Known& known = pair.second;
    return !known.seen && (too_many || File::identity_of(pair.first) != known.entry.identity);
  });
  while (entries_.size() > kMaxEntries) entries_.erase(std::prev(entries_.end()));
}

std::string PluginCache::bytes() const {
  ByteWriter body;
  for (const auto& [path, known] : entries_) {
    body.text(path);
    write_entry(body, known.entry);
  }
  ByteWriter out;
  out.text(format_mark());
  out.text(checksum(body.bytes()));
  out.text(body.bytes());
  return out.bytes();
}

// Whoever reads meanwhile sees the old file or the new one.
void PluginCache::replace(std::string_view bytes) const {
  const fs::path folder = file_.path.parent_path();
  fs::create_directories(folder.parent_path());
  ::mkdir(folder.c_str(), 0700);
  File file = File::create_unique(folder);
  try {
    file.write_at(0, std::as_bytes(std::span(bytes)));
    file.close();
    fs::rename(file.path(), file_.path);
  } catch (...) {
    std::error_code ignored;
    fs::remove(file.path(), ignored);
    throw;
  }
}

void PluginCache::save() noexcept {
  if (!changed_ || file_.path.empty()) return;
  changed_ = false;
  try {
    drop_the_dead();
    const std::string all = bytes();
    if (all.size() <= kMaxBytes) replace(all);
  } catch (...) {
    // A read-only folder, a full disk: the next scan loads the libraries again.
  }
}

}  // namespace detent
