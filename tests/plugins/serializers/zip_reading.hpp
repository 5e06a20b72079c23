// SPDX-License-Identifier: Apache-2.0
// A zip archive of stored records, read by its directory: by APPNOTE.TXT, sharing nothing with the
// plugin that wrote it.
#pragma once
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

namespace zip_reading {

struct Record {
  std::string name = {};
  uint64_t flags = 0, method = 0, date = 0, crc = 0, size = 0, header = 0;
  uint64_t data = 0;  // offset
  std::string bytes = {};
};

template <class T>
uint64_t number(const std::string& file, uint64_t at) {
  T value{};
  if (at > file.size() || sizeof value > file.size() - at)
    throw std::runtime_error("zip: too short");
  std::memcpy(&value, file.data() + at, sizeof value);
  return value;
}

// Replaces what is 0xFFFFFFFF by the next value of the zip64 field.
inline void take_zip64(const std::string& file, uint64_t extra, uint64_t end, Record& r) {
  uint64_t at = extra;
  while (at < end && number<uint16_t>(file, at) != 1) at += 4 + number<uint16_t>(file, at + 2);
  at += 4;
  const auto take = [&](uint64_t& value) {
    if (value != UINT32_MAX) return;
    value = number<uint64_t>(file, at);
    at += 8;
  };
  uint64_t packed = r.size;  // stored: the same twice
  take(packed);
  take(r.size);
  take(r.header);
}

// The records in the order of the directory, which begins at `directory`. `bytes` only where the
// data lie inside `file`.
inline std::vector<Record> directory(const std::string& file, uint64_t directory, uint64_t n) {
  std::vector<Record> records;
  uint64_t at = directory;
  for (uint64_t i = 0; i < n; ++i) {
    if (number<uint32_t>(file, at) != 0x02014B50) throw std::runtime_error("zip: no entry");
    const uint64_t name = number<uint16_t>(file, at + 28);
    const uint64_t extra = number<uint16_t>(file, at + 30);
    Record r{file.substr(at + 46, name),      number<uint16_t>(file, at + 8),
             number<uint16_t>(file, at + 10), number<uint16_t>(file, at + 14),
             number<uint32_t>(file, at + 16), number<uint32_t>(file, at + 24),
             number<uint32_t>(file, at + 42)};
    take_zip64(file, at + 46 + name, at + 46 + name + extra, r);
    at += 46 + name + extra + number<uint16_t>(file, at + 32);
    records.push_back(r);
  }
  return records;
}

inline std::vector<Record> read(const std::string& file) {
  const uint64_t end = file.rfind("PK\x05\x06");
  if (end == std::string::npos) throw std::runtime_error("zip: no end of the directory");
  std::vector<Record> records =
      directory(file, number<uint32_t>(file, end + 16), number<uint16_t>(file, end + 10));
  for (Record& r : records) {
    if (number<uint32_t>(file, r.header) != 0x04034B50) throw std::runtime_error("zip: no header");
    r.data = r.header + 30 + number<uint16_t>(file, r.header + 26) +
             number<uint16_t>(file, r.header + 28);
    r.bytes = file.substr(r.data, r.size);
    if (r.bytes.size() != r.size) throw std::runtime_error("zip: data beyond the end");
  }
  return records;
}

inline const Record& find(const std::vector<Record>& records, const std::string& name) {
  for (const Record& r : records)
    if (r.name == "archive/" + name) return r;
  throw std::runtime_error("zip: no record " + name);
}

}  // namespace zip_reading
