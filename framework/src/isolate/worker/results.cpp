// SPDX-License-Identifier: Apache-2.0
#include "isolate/worker/results.hpp"

#include <algorithm>
#include <cstring>
#include <sys/mman.h>
#include <unistd.h>

#include "isolate/protocol.hpp"
#include "plugin/tensor_store.hpp"

namespace detent::isolate {
namespace {

constexpr std::byte kUntouched{0xA5};

std::uint64_t page() {
  static const auto bytes = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return bytes;
}

std::uint64_t rounded_up(std::uint64_t n, std::uint64_t to) { return (n + to - 1) / to * to; }

// With its page, and its start wherever it has to be for its end to be at the page.
std::uint64_t room_for(std::uint64_t bytes) { return rounded_up(bytes, kAlignment) + 2 * page(); }

}  // namespace

void put_spec(ByteWriter& out, const detent_tensor_spec* spec) {
  const bool valid = is_valid_spec(spec);
  out.number(valid ? 1 : 0);
  if (!valid) return;
  out.text(spec->name);
  out.number(spec->dtype);
  out.number(static_cast<std::uint64_t>(spec->ndim));
  for (std::int32_t d = 0; d < spec->ndim; ++d)
    out.number(static_cast<std::uint64_t>(spec->shape[d]));
}

Results::Results(std::function<Descriptor(std::uint64_t)> more) : more_(std::move(more)) {
  sink_ = {sizeof sink_, this, create, set_meta};
}

Results::Place Results::take(std::uint64_t bytes) {
  if (bytes > UINT64_MAX / 4) return {};
  if (!segments_.empty()) {
    const Segment& last = segments_.back();
    if (last.memory.size() - last.used >= room_for(bytes))
      return take_of(segments_.size() - 1, bytes);
  }
  const Descriptor descriptor = more_(room_for(bytes));
  auto memory = SharedMemory::open(descriptor, SharedMemory::Written::by_worker);
  if (!memory) return {};
  segments_.push_back({std::move(*memory)});
  return take_of(segments_.size() - 1, bytes);
}

Results::Place Results::take_of(std::size_t index, std::uint64_t bytes) {
  Segment& segment = segments_[index];
  const std::uint64_t whole = rounded_up(bytes, kAlignment);
  const std::uint64_t end = rounded_up(segment.used + whole, page());
  const Place place{index, end - whole, segment.memory.data() + (end - whole)};
  if (!segment.is_clean) std::memset(place.data, 0, bytes);
  std::memset(place.data + bytes, static_cast<int>(kUntouched), whole - bytes);
  ::mprotect(segment.memory.data() + end, page(), PROT_NONE);
  segment.used = end + page();
  return place;
}

Results::Place Results::take_named(const std::string& name, std::uint64_t bytes) {
  const Place place = take(bytes);
  if (place.data != nullptr) others_.push_back({name, 0, {}, {}, bytes, place});
  return place;
}

std::string Results::overrun() const {
  for (const auto* tensors : {&tensors_, &others_})
    for (const Tensor& t : *tensors) {
      const std::byte* from = t.place.data + t.nbytes;
      const std::byte* to = t.place.data + rounded_up(t.nbytes, kAlignment);
      if (std::any_of(from, to, [](std::byte b) { return b != kUntouched; })) return t.name;
    }
  return {};
}

// The same segments stay as on the host's side: see Process::finish.
void Results::clear() {
  tensors_.clear();
  others_.clear();
  metas_.clear();
  if (!segments_.empty() && segments_.back().memory.size() > kKeptSegment) segments_.clear();
  if (segments_.size() > 1) segments_.erase(segments_.begin(), segments_.end() - 1);
  for (Segment& segment : segments_) {
    if (segment.used == 0) continue;
    ::mprotect(segment.memory.data(), segment.memory.size(), PROT_READ | PROT_WRITE);
    segment.used = 0;
    segment.is_clean = false;
  }
}

bool Results::has(const std::string& name) const {
  return std::any_of(tensors_.begin(), tensors_.end(),
                     [&](const Tensor& t) { return t.name == name; });
}

std::int32_t DETENT_CALL Results::create(const detent_tensor_sink* sink,
                                         const detent_tensor_spec* spec,
                                         detent_tensor* out) noexcept {
  auto& self = *static_cast<Results*>(sink->ctx);
  if (out == nullptr || !is_valid_spec(spec)) return DETENT_E_INVALID_ARG;
  try {
    if (self.has(spec->name)) return DETENT_E_INVALID_ARG;
    Tensor tensor{spec->name, spec->dtype, {spec->shape, spec->shape + spec->ndim}, {}, 0, {}};
    tensor.nbytes = detent_nbytes(spec->dtype, spec->ndim, spec->shape);
    tensor.place = self.take(tensor.nbytes);
    if (tensor.place.data == nullptr) return DETENT_E_NO_MEMORY;
    tensor.strides = row_major_strides(tensor.shape);
    const Tensor& made = self.tensors_.emplace_back(std::move(tensor));
    *out = {made.nbytes != 0 ? made.place.data : nullptr,
            DETENT_DEVICE_CPU,
            0,
            spec->ndim,
            made.dtype,
            spec->ndim > 0 ? made.shape.data() : nullptr,
            spec->ndim > 0 ? made.strides.data() : nullptr,
            0,
            made.nbytes,
            0};
    return DETENT_OK;
  } catch (...) {
    return DETENT_E_NO_MEMORY;
  }
}

std::int32_t DETENT_CALL Results::set_meta(const detent_tensor_sink* sink, const char* key,
                                           const char* value) noexcept {
  if (key == nullptr || key[0] == '\0' || value == nullptr) return DETENT_E_INVALID_ARG;
  try {
    static_cast<Results*>(sink->ctx)->metas_.emplace_back(key, value);
    return DETENT_OK;
  } catch (...) {
    return DETENT_E_NO_MEMORY;
  }
}

void Results::write(ByteWriter& out) const {
  out.number(tensors_.size());
  for (const Tensor& t : tensors_) {
    out.text(t.name);
    out.number(t.dtype);
    out.number(t.shape.size());
    for (const std::int64_t extent : t.shape) out.number(static_cast<std::uint64_t>(extent));
    out.number(t.place.segment);
    out.number(t.place.offset);
  }
  out.number(metas_.size());
  for (const auto& [key, value] : metas_) {
    out.text(key);
    out.text(value);
  }
}

}  // namespace detent::isolate
