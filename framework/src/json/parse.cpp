// SPDX-License-Identifier: Apache-2.0
#include "json/parse.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <fmt/format.h>

#include <boost/json/basic_parser_impl.hpp>

namespace detent::json {
namespace {

namespace bj = boost::json;
using BoostError = boost::system::error_code;

// Builds the tree. Boost's own value would drop duplicate keys, and its doubles may be one ulp off.
class Builder {
 public:
  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);

  bool on_document_begin(BoostError&) { return true; }
  bool on_document_end(BoostError&) { return true; }
  bool on_object_begin(BoostError&) { return open(Object()); }
  bool on_object_end(std::size_t, BoostError&) { return close(); }
  bool on_array_begin(BoostError&) { return open(Array()); }
  bool on_array_end(std::size_t, BoostError&) { return close(); }
  bool on_key_part(bj::string_view s, std::size_t, BoostError&) { return collect(s); }
  bool on_key(bj::string_view s, std::size_t, BoostError&) {
    collect(s);
    levels_.back().key = std::exchange(text_, {});
    return true;
  }
  bool on_string_part(bj::string_view s, std::size_t, BoostError&) { return collect(s); }
  bool on_string(bj::string_view s, std::size_t, BoostError&) {
    collect(s);
    return put(std::exchange(text_, {}));
  }
  bool on_number_part(bj::string_view s, BoostError&) { return collect(s); }
  bool on_int64(std::int64_t v, bj::string_view, BoostError&) {
    text_.clear();
    return put(v);
  }
  bool on_uint64(std::uint64_t v, bj::string_view, BoostError&) {
    text_.clear();
    return put(v);
  }
  bool on_double(double rough, bj::string_view s, BoostError&) {
    collect(s);
    double exact = 0;
    const auto [end, ec] = std::from_chars(text_.data(), text_.data() + text_.size(), exact);
    text_.clear();
    return put(ec == std::errc() ? exact : rough);  // out of range: rough is 0 or infinite
  }
  bool on_bool(bool v, BoostError&) { return put(v); }
  bool on_null(BoostError&) { return put(nullptr); }
  bool on_comment_part(bj::string_view, BoostError&) { return true; }
  bool on_comment(bj::string_view, BoostError&) { return true; }

  Value take() { return std::move(root_); }

 private:
  struct Level {
    Value value;
    std::string key;  // of the member that is being read, when value is an object
  };

  bool collect(bj::string_view s) {
    text_.append(s.data(), s.size());
    return true;
  }
  bool open(Value container) {
    levels_.push_back({std::move(container), {}});
    return true;
  }
  bool close() {
    Value done = std::move(levels_.back().value);
    levels_.pop_back();
    return put(std::move(done));
  }
  bool put(Value v) {
    if (levels_.empty()) {
      root_ = std::move(v);
    } else if (Level& top = levels_.back(); Object* object = top.value.if_object()) {
      object->append({std::move(top.key), {}, std::move(v)});
    } else {
      top.value.if_array()->push_back(std::move(v));
    }
    return true;
  }

  std::vector<Level> levels_;
  std::string text_;
  Value root_;
};

// Walks the text of a document that is known to be well-formed, beside its tree, and writes each
// value's position into it.
class Locator {
 public:
  explicit Locator(std::string_view text) : text_(text) {}

  void locate(Value& value) {
    skip_space();
    value.position = here();
    if (Object* object = value.if_object()) {
      locate_members(*object);
    } else if (Array* array = value.if_array()) {
      next();  // [
      for (Value& item : *array) {
        locate(item);
        skip_to_next();
      }
      finish_container();
    } else if (text_[at_] == '"') {
      skip_string();
    } else {
      double number = 0;
      if (value.to_double(&number) && !std::isfinite(number))
        throw ParseError("this number is beyond the range of a double", value.position);
      while (at_ < text_.size() && std::string_view(",]}/ \t\r\n").find(text_[at_]) == text_.npos)
        next();
    }
  }

  Position here() const { return {line_, column_}; }
  void advance_to(std::size_t offset) {
    while (at_ < offset && at_ < text_.size()) next();
  }

 private:
  void locate_members(Object& object) {
    next();  // {
    for (Member& m : object.members()) {
      skip_space();
      m.position = here();
      skip_string();
      skip_space();
      next();  // :
      locate(m.value);
      skip_to_next();
    }
    finish_container();
    refuse_duplicates(object);
  }
  static void refuse_duplicates(const Object& object) {
    std::vector<const Member*> sorted;
    for (const Member& m : object) sorted.push_back(&m);
    std::stable_sort(sorted.begin(), sorted.end(),
                     [](const Member* a, const Member* b) { return a->key < b->key; });
    const auto twin = std::adjacent_find(sorted.begin(), sorted.end(),
                                         [](auto* a, auto* b) { return a->key == b->key; });
    if (twin == sorted.end()) return;
    const Position first = (*twin)->position;
    throw ParseError(fmt::format("duplicate key {}, which is already at {}:{}", quote((*twin)->key),
                                 first.line, first.column),
                     (*std::next(twin))->position);
  }
  void skip_to_next() {  // over the comma, if there is one
    skip_space();
    if (at_ < text_.size() && text_[at_] == ',') next();
    skip_space();
  }
  void finish_container() {
    skip_space();
    next();  // ] or }
  }
  void skip_string() {
    next();
    while (text_[at_] != '"') {
      if (text_[at_] == '\\') next();
      next();
    }
    next();
  }
  void skip_space() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '/' && text_.substr(at_, 2) == "//") {
        while (at_ < text_.size() && text_[at_] != '\n') next();
      } else if (c == '/') {
        advance_to(text_.find("*/", at_ + 2));
        next(), next();
      } else if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
        next();
      } else {
        return;
      }
    }
  }
  void next() {
    if (at_ >= text_.size()) return;
    if (text_[at_] == '\n') {
      ++line_;
      column_ = 1;
    } else if ((static_cast<unsigned char>(text_[at_]) & 0xC0U) != 0x80U) {
      ++column_;  // a continuation byte of UTF-8 is no character of its own
    }
    ++at_;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int line_ = 1;
  int column_ = 1;
};

[[noreturn]] void fail_at(std::string_view text, std::size_t offset, const std::string& message) {
  Locator locator(text);
  locator.advance_to(offset);
  throw ParseError(message, locator.here());
}

// Boost says "syntax error" for nearly everything. The character where it stopped says more.
std::string what_is_wrong(std::string_view text, std::size_t offset, const ParseOptions& options) {
  if (offset >= text.size()) return "the text ends too early";
  const char c = text[offset];
  const auto byte = static_cast<unsigned char>(c);
  const std::size_t before = text.substr(0, offset).find_last_not_of(" \t\r\n");
  const char last = before == std::string_view::npos ? ' ' : text[before];
  if (byte >= 0x80) return "a character out of place, or text that is not UTF-8";
  if (byte < 0x20) return fmt::format("the control character {:#04x} is not allowed", byte);
  if (c == '\'') return "strings are in double quotes";
  if (c == '/' && !options.comments_and_trailing_commas) return "comments are not allowed here";
  if (c == 'N' || c == 'I') return "NaN and Infinity are no numbers of JSON";
  if (offset >= 6 && text.substr(offset - 6, 2) == "\\u") return "half a surrogate pair";
  if (c == '"' && std::string_view("\"]}0123456789el").find(last) != std::string_view::npos)
    return "is a comma missing before this?";
  if (last == ',' && (c == '}' || c == ']')) return "a comma too many before this";
  if (std::isalpha(byte) != 0 && last != '\\')
    return fmt::format("unexpected '{}': only true, false and null are without quotes", c);
  return fmt::format("unexpected '{}'", c);
}

}  // namespace

Value parse(std::string_view text, const ParseOptions& options) {
  bj::parse_options boost_options;
  boost_options.allow_comments = options.comments_and_trailing_commas;
  boost_options.allow_trailing_commas = options.comments_and_trailing_commas;
  boost_options.max_depth = options.max_depth;
  bj::basic_parser<Builder> parser(boost_options);
  BoostError ec;
  const std::size_t read = parser.write_some(false, text.data(), text.size(), ec);
  if (ec == bj::error::too_deep)
    fail_at(text, read, fmt::format("more than {} levels of nesting", options.max_depth));
  if (ec) fail_at(text, read, "not valid JSON: " + what_is_wrong(text, read, options));
  if (!parser.done()) fail_at(text, text.size(), "not valid JSON: the text ends too early");
  if (read != text.size()) fail_at(text, read, "text after the end of the document");
  Value root = parser.handler().take();
  Locator(text).locate(root);
  return root;
}

}  // namespace detent::json
