// SPDX-License-Identifier: Apache-2.0
#include "plugin/description_bytes.hpp"

#include <limits>

#include "base/byte_stream.hpp"
#include "base/error.hpp"
#include "plugin/descriptor.hpp"

namespace detent {
namespace {

[[noreturn]] void refuse() { throw Error(ErrorCode::plugin, "is no description of plugins"); }

std::uint32_t short_number(ByteReader& in) {
  const std::uint64_t n = in.number();
  if (n > std::numeric_limits<std::uint32_t>::max()) refuse();
  return static_cast<std::uint32_t>(n);
}

// A C string has no NUL inside: a text with one would be read as another.
std::string c_text(ByteReader& in) {
  const std::string_view text = in.text();
  if (text.find('\0') != std::string_view::npos) refuse();
  return std::string(text);
}

void write_list(ByteWriter& out, const std::vector<std::string>& list) {
  out.number(list.size());
  for (const std::string& text : list) out.text(text);
}

// A list of C strings that ends with NULL, and the memory that it points to.
struct CList {
  std::vector<std::string> texts;
  std::vector<const char*> pointers;

  explicit CList(ByteReader& in) {
    const std::uint64_t count = in.number();
    if (count > kMaxListEntries) refuse();
    for (std::uint64_t i = 0; i < count; ++i) texts.push_back(c_text(in));
    for (const std::string& text : texts) pointers.push_back(text.c_str());
    pointers.push_back(nullptr);
  }
};

void write_plugin(ByteWriter& out, const Plugin& p) {
  out.number(static_cast<std::uint32_t>(p.kind));
  out.number(p.state_version);
  out.number(p.flags);
  for (const std::string* text :
       {&p.id, &p.version, &p.name, &p.description, &p.vendor, &p.license})
    out.text(*text);
  out.text(json::dump(p.params_schema));
  out.text(json::dump(p.capabilities));
  for (const auto* list : {&p.aliases, &p.provides, &p.requirements}) write_list(out, *list);
}

// As the library itself would say it, so that the same checks look at it.
Plugin read_plugin(ByteReader& in, std::uint64_t index) {
  detent_plugin c{};
  c.struct_size = sizeof c;
  c.kind = short_number(in);
  c.state_version = short_number(in);
  c.flags = in.number();
  const std::string id = c_text(in);
  const std::string version = c_text(in);
  const std::string name = c_text(in);
  const std::string description = c_text(in);
  const std::string vendor = c_text(in);
  const std::string license = c_text(in);
  const std::string schema = c_text(in);
  const std::string capabilities = c_text(in);
  const CList aliases(in);
  const CList provides(in);
  const CList requirements(in);
  c.id = id.c_str();
  c.version = version.c_str();
  c.name = name.c_str();
  c.description = description.c_str();
  c.vendor = vendor.c_str();
  c.license = license.c_str();
  c.params_schema = schema.c_str();
  c.capabilities = capabilities.c_str();
  c.aliases = aliases.pointers.data();
  c.provides = provides.pointers.data();
  c.requires_ = requirements.pointers.data();
  return describe(c, index);
}

}  // namespace

std::string description_bytes(const std::vector<Plugin>& plugins) {
  ByteWriter out;
  const Plugin& first = plugins.at(0);  // the three are the library's
  out.number(first.abi_major);
  out.number(first.abi_minor);
  out.text(first.build);
  out.number(plugins.size());
  for (const Plugin& plugin : plugins) write_plugin(out, plugin);
  return out.bytes();
}

std::vector<Plugin> plugins_of(std::string_view description) {
  ByteReader in(description);
  const std::uint32_t major = short_number(in);
  const std::uint32_t minor = short_number(in);
  const std::string build = checked_build(c_text(in).c_str());
  const std::uint64_t count = in.number();
  if (count == 0 || count > kMaxPluginsOfFile) refuse();
  std::vector<Plugin> plugins;
  for (std::uint64_t i = 0; i < count; ++i) {
    Plugin plugin = read_plugin(in, i);
    plugin.abi_major = major;
    plugin.abi_minor = minor;
    plugin.build = build;
    add_described(plugins, std::move(plugin));
  }
  if (!in.at_end()) refuse();
  return plugins;
}

}  // namespace detent
