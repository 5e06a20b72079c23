// SPDX-License-Identifier: Apache-2.0
#include "model/torch/script_classes.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <optional>
#include <utility>

namespace detent {
namespace {

// One string literal at the beginning of text, which loses it.
std::optional<std::string> take_literal(std::string_view* text) {
  if (!text->starts_with('"')) return std::nullopt;
  std::string value;
  for (std::size_t i = 1; i < text->size(); ++i) {
    const char c = (*text)[i];
    if (c == '"') {
      text->remove_prefix(i + 1);
      return value;
    }
    // Attributes with names that need escapes other than these cannot come from Python.
    value += c == '\\' && i + 1 < text->size() ? (*text)[++i] : c;
  }
  return std::nullopt;
}

// `["weight", "bias", ]`: what __parameters__ and __buffers__ are.
void read_names(std::string_view text, std::set<std::string, std::less<>>* names) {
  if (!text.starts_with('[')) return;
  text.remove_prefix(1);
  while (auto name = take_literal(&text)) {
    names->insert(std::move(*name));
    while (text.starts_with(',') || text.starts_with(' ')) text.remove_prefix(1);
  }
}

// "Linear" of "class Linear(Module):".
std::string_view module_name(std::string_view line) {
  constexpr std::string_view kClass = "class ", kModule = "(Module):";
  if (!line.starts_with(kClass) || !line.ends_with(kModule)) return {};
  line.remove_prefix(kClass.size());
  line.remove_suffix(kModule.size());
  return line;
}

}  // namespace

std::map<std::string, ScriptClass> parse_script_classes(std::string_view code) {
  std::map<std::string, ScriptClass> result;
  ScriptClass* open = nullptr;  // the class whose lines are read
  while (!code.empty()) {
    const std::size_t end = code.find('\n');
    const std::string_view line = code.substr(0, end);
    code.remove_prefix(end == code.npos ? code.size() : end + 1);
    if (line.starts_with("class ")) {
      const std::string_view name = module_name(line);
      open = name.empty() ? nullptr : &result[std::string(name)];
      if (open != nullptr) open->is_module = true;
    }
    for (const std::string_view list : {"  __parameters__ = ", "  __buffers__ = "})
      if (open != nullptr && line.starts_with(list))
        read_names(line.substr(list.size()), &open->tensors);
  }
  return result;
}

const ScriptClass& ScriptClasses::find(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  if (dot == name.npos) return none_;
  const std::string module(name.substr(0, dot));
  if (read_.insert(module).second) {
    std::string path = module;
    std::replace(path.begin(), path.end(), '.', '/');
    const std::string code = file_.read_text(fmt::format("code/{}.py", path));
    for (auto& [inner, found] : parse_script_classes(code))
      classes_.emplace(fmt::format("{}.{}", module, inner), std::move(found));
  }
  const auto it = classes_.find(name);
  return it == classes_.end() ? none_ : it->second;
}

}  // namespace detent
