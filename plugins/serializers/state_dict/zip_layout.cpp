// SPDX-License-Identifier: Apache-2.0
#include "zip_layout.hpp"

#include <algorithm>

#include <detent/sdk/error.hpp>

namespace detent::state_dict {
namespace {

constexpr uint64_t kAlignment = 64;
constexpr uint64_t kMax32 = UINT32_MAX;  // a field with this value is continued in zip64
constexpr uint16_t kMax16 = UINT16_MAX;
constexpr uint16_t kVersion = 45;            // the first that knows zip64
constexpr uint16_t kUtf8 = 1U << 11U;        // flag: names are UTF-8
constexpr uint16_t kDescriptor = 1U << 3U;   // flag: checksum and sizes follow the data
constexpr uint16_t kDate = (1U << 5U) | 1U;  // 1980-01-01
constexpr uint64_t kHeaderSize = 30;         // of a local header, without name and extra fields
constexpr uint64_t kFieldHead = 4;           // of an extra field: id and size

// Little-endian fields one behind the other.
class Fields {
 public:
  Fields& u16(uint64_t v) { return put(v, 2); }
  Fields& u32(uint64_t v) { return put(v, 4); }
  Fields& u64(uint64_t v) { return put(v, 8); }
  Fields& bytes(const std::string& text) { return out_ += text, *this; }
  std::string take() { return std::move(out_); }

 private:
  Fields& put(uint64_t v, int bytes) {
    for (int i = 0; i < bytes; ++i, v >>= 8) out_ += static_cast<char>(v & 0xFF);
    return *this;
  }
  std::string out_;
};

bool is_large(const ZipRecord& r) { return r.size >= kMax32; }
bool is_far(const ZipRecord& r) { return r.header >= kMax32; }
uint16_t flags(const ZipRecord& r) {
  return r.size == 0 ? kUtf8 : static_cast<uint16_t>(kUtf8 | kDescriptor);
}

// Empty when the 32-bit fields suffice.
std::string zip64_field(const ZipRecord& r) {
  Fields values;
  if (is_large(r)) values.u64(r.size).u64(r.size);
  if (is_far(r)) values.u64(r.header);
  const std::string v = values.take();
  return v.empty() ? v : Fields().u16(1).u16(v.size()).bytes(v).take();
}

// Fills up to the next multiple of the alignment, after `start`.
std::string padding_field(uint64_t start) {
  const uint64_t fill = (kAlignment - (start + kFieldHead) % kAlignment) % kAlignment;
  return Fields().bytes("FB").u16(fill).bytes(std::string(fill, 'Z')).take();
}

std::string local_extra(const ZipRecord& r) {
  const std::string zip64 = zip64_field(r);
  return zip64 + padding_field(r.header + kHeaderSize + r.name.size() + zip64.size());
}

std::string directory_entry(const ZipRecord& r) {
  const std::string extra = zip64_field(r);
  const uint64_t size = std::min(r.size, kMax32);
  Fields f;
  f.u32(0x02014B50).u16(kVersion).u16(kVersion).u16(flags(r)).u16(0).u16(0).u16(kDate);
  f.u32(r.crc).u32(size).u32(size).u16(r.name.size()).u16(extra.size()).u16(0).u16(0).u16(0);
  f.u32(0).u32(std::min(r.header, kMax32)).bytes(r.name).bytes(extra);
  return f.take();
}

}  // namespace

size_t ZipLayout::append(std::string name, uint64_t size) {
  constexpr uint64_t kSlack = uint64_t{1} << 20U;  // more than the parts of a record take
  constexpr uint64_t kLargest = INT64_MAX;
  if (size > kLargest - kSlack || end_ > kLargest - kSlack - size)
    throw sdk::Error(DETENT_E_INVALID_ARG, "the tensors together are larger than a file can be");
  ZipRecord r{std::move(name), size, end_, 0};
  r.data = r.header + kHeaderSize + r.name.size() + local_extra(r).size();
  end_ = r.data_end() + descriptor(r).size();
  records_.push_back(std::move(r));
  return records_.size() - 1;
}

std::string ZipLayout::header(const ZipRecord& r) {
  const std::string extra = local_extra(r);
  Fields f;
  f.u32(0x04034B50).u16(kVersion).u16(flags(r)).u16(0).u16(0).u16(kDate);
  f.u32(0).u32(0).u32(0).u16(r.name.size()).u16(extra.size()).bytes(r.name).bytes(extra);
  return f.take();
}

std::string ZipLayout::descriptor(const ZipRecord& r) {
  if (r.size == 0) return {};
  Fields f;
  f.u32(0x08074B50).u32(r.crc);
  if (is_large(r) || is_far(r))
    f.u64(r.size).u64(r.size);
  else
    f.u32(r.size).u32(r.size);
  return f.take();
}

std::string ZipLayout::directory() const {
  std::string out;
  for (const ZipRecord& r : records_) out += directory_entry(r);
  const uint64_t size = out.size();
  const uint64_t n = records_.size();
  const uint64_t n16 = std::min<uint64_t>(n, kMax16);
  Fields f;
  f.u32(0x06064B50).u64(44).u16(kVersion).u16(kVersion).u32(0).u32(0);
  f.u64(n).u64(n).u64(size).u64(end_);
  f.u32(0x07064B50).u32(0).u64(end_ + size).u32(1);
  f.u32(0x06054B50).u16(0).u16(0).u16(n16).u16(n16);
  f.u32(std::min(size, kMax32)).u32(std::min(end_, kMax32)).u16(0);
  return out + f.take();
}

}  // namespace detent::state_dict
