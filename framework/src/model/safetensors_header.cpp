// SPDX-License-Identifier: Apache-2.0
#include "model/safetensors_header.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <tuple>

#include "base/text.hpp"
#include "json/parse.hpp"
#include "model/bounded_json.hpp"
#include "model/file_magic.hpp"
#include "model/refuse.hpp"
#include "model/safetensors_entry.hpp"

namespace detent {
namespace {

constexpr std::uint64_t kLengthBytes = 8;
// A tensor is an entry, three fields, one value for each dimension and two offsets.
constexpr JsonLimits kLimits = {.depth = 8,
                                .children = kMaxTensorsPerFile + 1,
                                .values = 12 * kMaxTensorsPerFile,
                                .minus_zero = false};

std::uint64_t little_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = kLengthBytes; i-- > 0;)
    value = (value << 8) | static_cast<unsigned char>(bytes[i]);
  return value;
}

[[noreturn]] void refuse_start(std::string_view first_bytes, const std::string& file,
                               std::string message) {
  const std::string_view what = looks_like(first_bytes);
  if (what.empty()) refuse(file, std::move(message));
  refuse(file, fmt::format("is not a safetensors file; it looks like {}", what));
}

json::Value parse_json(std::string_view text, const std::string& file) {
  if (text.empty() || text.front() != '{')
    refuse(file, fmt::format("the header does not begin with '{{' at byte {}", kLengthBytes));
  try {
    return parse_bounded(text, kLimits);
  } catch (const json::ParseError& e) {
    const json::Position at = e.position();
    const std::string place =
        at.line > 0 ? fmt::format(" (line {}, column {} of the header)", at.line, at.column) : "";
    refuse(file, fmt::format("the header is refused: {}{}", shortened(e.what(), 400), place));
  }
}

std::vector<std::pair<std::string, std::string>> read_metadata(json::Value& value,
                                                               const std::string& file) {
  json::Object* object = value.if_object();
  if (object == nullptr)
    refuse(file, fmt::format("__metadata__ is {}, not an object of strings", value.kind()));
  std::vector<std::pair<std::string, std::string>> result;
  for (json::Member& member : object->members()) {
    const std::string* text = member.value.if_string();
    if (text == nullptr)
      refuse(file, fmt::format("__metadata__ {} is {}, not a string", shown(member.key),
                               member.value.kind()));
    result.emplace_back(std::move(member.key), *text);
  }
  return result;
}

std::string span_of(const TensorInfo& t) {
  return fmt::format("data_offsets [{}, {}]", t.offset, t.offset + t.nbytes);
}

// The tensor whose data goes furthest; the offsets are still relative to the data.
void refuse_truncated(const std::vector<TensorInfo>& tensors, std::uint64_t data_start,
                      std::uint64_t file_size, const std::string& file) {
  std::uint64_t end = 0;
  for (const TensorInfo& t : tensors) end = std::max(end, t.offset + t.nbytes);
  if (end <= file_size - data_start) return;
  const auto first = std::find_if(tensors.begin(), tensors.end(), [&](const TensorInfo& t) {
    return t.offset + t.nbytes > file_size - data_start;
  });
  std::uint64_t needed = 0;
  const bool absurd = __builtin_add_overflow(end, data_start, &needed);
  refuse(file,
         fmt::format("is {} bytes long but its header says {}: truncated? tensor {}: {} end "
                     "beyond the file",
                     grouped(file_size), absurd ? "more than 2^64" : grouped(needed),
                     shown(first->name), span_of(*first)),
         "copy or download the file again", first->name);
}

// tensors are sorted by their data. Each must begin where the one before it ends.
void check_layout(const std::vector<TensorInfo>& tensors, std::uint64_t data_size,
                  const std::string& file) {
  std::uint64_t end = 0;
  const TensorInfo* before = nullptr;
  for (const TensorInfo& t : tensors) {
    if (t.offset < end)
      refuse(file,
             fmt::format("tensors {} and {} overlap: {} and {}", shown(before->name), shown(t.name),
                         span_of(*before), span_of(t)),
             {}, t.name);
    if (t.offset > end)
      refuse(file,
             fmt::format("tensor {}: {}, but bytes {} to {} of the data before it belong to no "
                         "tensor",
                         shown(t.name), span_of(t), end, t.offset),
             {}, t.name);
    end = t.offset + t.nbytes;
    before = &t;
  }
  if (end < data_size)
    refuse(file, fmt::format("the last {} bytes belong to no tensor: the tensors end at byte {} of "
                             "the data, the file at {}",
                             grouped(data_size - end), end, data_size));
}

}  // namespace

std::uint64_t safetensors_header_length(std::string_view first_bytes, std::uint64_t file_size,
                                        const std::string& file) {
  if (file_size == 0) refuse(file, "is empty");
  if (file_size < kLengthBytes || first_bytes.size() < kLengthBytes)
    refuse_start(first_bytes, file,
                 fmt::format("is {} bytes long; the length of the header alone takes {}", file_size,
                             kLengthBytes));
  const std::uint64_t length = little_endian(first_bytes);
  if (length > kMaxHeaderBytes)
    refuse_start(first_bytes, file,
                 fmt::format("the first 8 bytes give a header of {} bytes; at most {} are allowed",
                             grouped(length), grouped(kMaxHeaderBytes)));
  if (length > file_size - kLengthBytes)
    refuse_start(first_bytes, file,
                 fmt::format("is {} bytes long but its header alone takes {}: truncated?",
                             grouped(file_size), grouped(length + kLengthBytes)));
  return length;
}

SafetensorsHeader parse_safetensors_header(std::string_view text, std::uint64_t file_size,
                                           const std::string& file) {
  if (file_size < kLengthBytes || text.size() > file_size - kLengthBytes)
    refuse(file, "the header is longer than the file");
  json::Value root = parse_json(text, file);
  SafetensorsHeader header;
  for (json::Member& member : root.if_object()->members()) {
    if (member.key == "__metadata__") {
      header.metadata = read_metadata(member.value, file);
    } else {
      header.tensors.push_back(parse_safetensors_entry(member, file));
    }
  }
  if (header.tensors.size() > kMaxTensorsPerFile)
    refuse(file, fmt::format("holds more than {} tensors", grouped(kMaxTensorsPerFile)));
  const std::uint64_t data_start = kLengthBytes + text.size();
  refuse_truncated(header.tensors, data_start, file_size, file);
  std::stable_sort(header.tensors.begin(), header.tensors.end(),
                   [](const TensorInfo& a, const TensorInfo& b) {
                     return std::tie(a.offset, a.nbytes) < std::tie(b.offset, b.nbytes);
                   });
  check_layout(header.tensors, file_size - data_start, file);
  for (TensorInfo& t : header.tensors) t.offset += data_start;
  return header;
}

}  // namespace detent
