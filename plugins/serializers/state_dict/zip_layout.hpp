// SPDX-License-Identifier: Apache-2.0
// ZipLayout: where everything is in a zip archive of stored records, before any of it is written.
//
//   record     local header | name | extra fields | data | descriptor (none without data)
//   archive    records without gaps | directory | zip64 end, its locator, end
//
// The bytes are those of PyTorch's own writer: data begin at multiples of 64, which an extra field
// "FB" fills up, so that a mapped file can be used as it is; torch.load can even compute where each
// storage lies. Times are 1980-01-01. Records of 4 GiB and more, and those behind 4 GiB, get the
// zip64 fields.
//
// Source    PKWARE's APPNOTE.TXT 6.3.10; caffe2/serialize/inline_container.cc, third_party/miniz
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace detent::state_dict {

struct ZipRecord {
  std::string name;
  uint64_t size;
  uint64_t header;   // offset of the local header
  uint64_t data;     // offset of the data
  uint32_t crc = 0;  // to be set before descriptor() and directory()
  uint64_t data_end() const { return data + size; }
};

class ZipLayout {
 public:
  // Behind the others; its index. Throws sdk::Error INVALID_ARG when no file can be that large.
  // name: at most 65535 bytes.
  size_t append(std::string name, uint64_t size);

  ZipRecord& at(size_t i) { return records_[i]; }
  uint64_t end() const { return end_; }  // where the next record, or the directory, begins

  static std::string header(const ZipRecord& record);      // from record.header to record.data
  static std::string descriptor(const ZipRecord& record);  // from record.data_end()
  std::string directory() const;                           // from end() to the end of the file

 private:
  std::vector<ZipRecord> records_;
  uint64_t end_ = 0;
};

}  // namespace detent::state_dict
