// SPDX-License-Identifier: Apache-2.0
#include "config/overrides.hpp"

#include <charconv>
#include <fmt/format.h>

#include "config/message.hpp"
#include "json/parse.hpp"

namespace detent {
namespace {

using json::Array;
using json::Object;
using json::Value;

constexpr std::size_t kMostSteps = 32;  // with the value's own levels far from any stack's end

[[noreturn]] void fail(const ConfigOverride& o, const std::string& message,
                       const std::string& hint = {}) {
  throw Error(ErrorCode::config, message, hint, {.file = "--set " + o.pointer});
}

std::string unescape(std::string_view token, const ConfigOverride& o) {
  std::string key;
  for (std::size_t i = 0; i < token.size(); ++i) {
    if (token[i] != '~') {
      key += token[i];
      continue;
    }
    const char next = ++i < token.size() ? token[i] : '\0';
    if (next != '0' && next != '1')
      fail(o, "'~' stands alone in the JSON pointer", "write ~0 for '~' and ~1 for '/'");
    key += next == '1' ? '/' : '~';
  }
  return key;
}

std::vector<std::string> split(const ConfigOverride& o) {
  if (!o.pointer.starts_with('/'))
    fail(o, "not a JSON pointer", "it starts with a slash: --set /runtime/threads=4");
  std::vector<std::string> steps;
  for (std::size_t at = 0; at != std::string::npos && steps.size() <= kMostSteps;) {
    const std::size_t end = o.pointer.find('/', at + 1);
    steps.push_back(unescape(std::string_view(o.pointer).substr(at + 1, end - at - 1), o));
    at = end;
  }
  if (steps.size() > kMostSteps) fail(o, fmt::format("more than {} levels", kMostSteps));
  return steps;
}

// A text that begins like JSON was meant to be; every other one can be a bare word.
Value parse_value(const ConfigOverride& o) {
  try {
    return json::parse(o.value);
  } catch (const json::ParseError& e) {
    if (!o.value.empty() && std::string_view("{[\"").find(o.value[0]) != std::string_view::npos)
      throw Error(
          ErrorCode::config, e.what(), "to give it as text, put it in quotes as JSON does",
          {.file = "--set " + o.pointer, .line = e.position().line, .column = e.position().column});
    Value text(o.value);
    text.position = {1, 1};
    return text;
  }
}

std::size_t index_in(const Array& array, const std::string& step, const std::string& at,
                     const ConfigOverride& o) {
  if (step == "-") return array.size();
  std::size_t index = 0;
  const auto [end, ec] = std::from_chars(step.data(), step.data() + step.size(), index);
  const bool canonical = step == "0" || !step.starts_with('0');
  if (ec != std::errc() || end != step.data() + step.size() || !canonical)
    fail(o, fmt::format("{} is a list: {} is no index", at, quote_abridged(step)));
  if (index > array.size())
    fail(o, fmt::format("{} has {} items: there is no index {}", at, array.size(), index),
         fmt::format("use {} to append", array.size()));
  return index;
}

// The thing at one step from `parent`, made (null) where there is none.
Value& child_of(Value& parent, const std::string& step, std::string& at, const ConfigOverride& o,
                bool& made) {
  if (Array* array = parent.if_array()) {
    const std::size_t index = index_in(*array, step, at.empty() ? "the document" : at, o);
    made = index == array->size();
    if (made) array->emplace_back();
    at += fmt::format("/{}", index);
    return (*array)[index];
  }
  Object* object = parent.if_object();
  if (object == nullptr)
    fail(o, fmt::format("{} is {}, which has no member {}", at.empty() ? "the document" : at,
                        parent.kind(), quote_abridged(step)));
  at += json::pointer_step(step);
  Value* child = object->find(step);
  made = child == nullptr;
  return made ? object->set(step, Value()) : *child;
}

// Only a document that the whole pointer fits is changed.
AppliedOverride apply(Value& document, const ConfigOverride& o) {
  const std::vector<std::string> steps = split(o);
  Value value = parse_value(o);
  Value copy = document;
  Value* at = &copy;
  std::string pointer;
  std::string outermost;
  for (const std::string& step : steps) {
    bool made = false;
    at = &child_of(*at, step, pointer, o, made);
    if (made && outermost.empty()) outermost = pointer;
    if (made && &step != &steps.back()) *at = Object();
  }
  *at = std::move(value);
  document = std::move(copy);
  return {o.pointer, pointer, outermost.empty() ? pointer : outermost};
}

}  // namespace

std::vector<AppliedOverride> apply_overrides(Value& document,
                                             const std::vector<ConfigOverride>& overrides,
                                             std::vector<Problem>& problems) {
  std::vector<AppliedOverride> applied;
  for (const ConfigOverride& o : overrides) {
    try {
      applied.push_back(apply(document, o));
    } catch (const Error& e) {
      problems.insert(problems.end(), e.problems().begin(), e.problems().end());
    }
  }
  return applied;
}

}  // namespace detent
