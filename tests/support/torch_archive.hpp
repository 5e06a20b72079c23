// SPDX-License-Identifier: Apache-2.0
// Files of torch.save and torch.jit.save, made by hand: a writer that shares nothing with the
// reader under test. Its zip layout is that of PyTorch 2.13: data descriptors, 64-bit directory.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace detent::test {

inline std::string little(std::uint64_t value, unsigned length) {
  std::string bytes;
  for (unsigned i = 0; i < length; ++i) bytes += static_cast<char>(value >> (8 * i) & 0xFF);
  return bytes;
}

// From the definition: zlib is what the reader uses.
inline std::uint32_t own_crc32(std::string_view bytes) {
  static const auto kTable = [] {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
      table[byte] = byte;
      for (int bit = 0; bit < 8; ++bit)
        table[byte] = table[byte] >> 1 ^ (table[byte] % 2 == 1 ? 0xEDB8'8320U : 0U);
    }
    return table;
  }();
  std::uint32_t crc = 0xFFFF'FFFF;
  for (const char byte : bytes)
    crc = crc >> 8 ^ kTable[(crc ^ static_cast<unsigned char>(byte)) & 0xFF];
  return ~crc;
}

struct ZipRecord {
  std::string name;
  std::string data;
  std::uint64_t claimed_size = UINT64_MAX;  // in the directory, when not the data's own
  unsigned method = 0;
};

// The archive's bytes; every change of a field is one line of a test.
class ZipWriter {
 public:
  bool descriptors = true;     // sizes and checksum behind the data, as PyTorch
  bool wide_directory = true;  // with the 64-bit end of the directory, as PyTorch
  bool wide_entries = false;   // with 64-bit sizes and offsets, as of 4 GB and more
  std::string gap;             // between entries
  std::string comment;

  ZipWriter& add(std::string name, std::string data) {
    records_.push_back({std::move(name), std::move(data)});
    return *this;
  }
  ZipWriter& add(ZipRecord record) {
    records_.push_back(std::move(record));
    return *this;
  }

  std::string bytes() const {
    std::string out, directory;
    for (const ZipRecord& record : records_) {
      directory += entry(record, out.size());
      out += local(record) + gap;
    }
    const std::uint64_t at = out.size(), count = records_.size(), size = directory.size();
    out += directory;
    if (wide_directory) {
      const std::uint64_t end = out.size();
      out += "PK\x06\x06" + little(44, 8) + little(0x031E, 2) + little(45, 2) + little(0, 8) +
             little(count, 8) + little(count, 8) + little(size, 8) + little(at, 8);
      out += "PK\x06\x07" + little(0, 4) + little(end, 8) + little(1, 4);
    }
    const std::uint64_t few = std::min<std::uint64_t>(count, 0xFFFF);
    return out + "PK\x05\x06" + little(0, 4) + little(few, 2) + little(few, 2) + little(size, 4) +
           little(at, 4) + little(comment.size(), 2) + comment;
  }

 private:
  static std::uint64_t size_of(const ZipRecord& r) {
    return r.claimed_size == UINT64_MAX ? r.data.size() : r.claimed_size;
  }

  // Sizes of an entry, stored and before compression.
  std::string sizes(const ZipRecord& r, unsigned length) const {
    return little(size_of(r), length) + little(size_of(r), length);
  }

  std::string local(const ZipRecord& r) const {
    const std::string crc = little(own_crc32(r.data), 4);
    const std::string padding(7, 'Z');
    return "PK\x03\x04" + little(0, 2) + little(descriptors ? 0x0808 : 0x0800, 2) +
           little(r.method, 2) + little(0, 4) +
           (descriptors ? std::string(12, '\0') : crc + sizes(r, 4)) + little(r.name.size(), 2) +
           little(4 + padding.size(), 2) + r.name + "FB" + little(padding.size(), 2) + padding +
           r.data + (descriptors ? "PK\x07\x08" + crc + sizes(r, wide_entries ? 8 : 4) : "");
  }

  std::string entry(const ZipRecord& r, std::uint64_t at) const {
    const std::string extra =
        wide_entries ? little(1, 2) + little(24, 2) + sizes(r, 8) + little(at, 8) : "";
    const std::string absent(4, '\xff');
    return "PK\x01\x02" + little(0, 4) + little(descriptors ? 0x0808 : 0x0800, 2) +
           little(r.method, 2) + little(0, 4) + little(own_crc32(r.data), 4) +
           (wide_entries ? absent + absent : sizes(r, 4)) + little(r.name.size(), 2) +
           little(extra.size(), 2) + std::string(10, '\0') +
           (wide_entries ? absent : little(at, 4)) + r.name + extra;
  }

  std::vector<ZipRecord> records_;
};

// Pickle opcodes of protocol 2, by what they make.
namespace pickle {

inline std::string text(std::string_view value) {
  return "X" + little(value.size(), 4) + std::string(value);
}
inline std::string integer(std::int64_t value) {
  return "\x8A\x08" + little(static_cast<std::uint64_t>(value), 8);
}
inline std::string global(std::string_view module, std::string_view name) {
  return "c" + std::string(module) + "\n" + std::string(name) + "\n";
}
inline std::string tuple(std::string_view items) { return "(" + std::string(items) + "t"; }
inline std::string list(std::string_view items) { return "](" + std::string(items) + "e"; }
inline std::string dict(std::string_view items) { return "}(" + std::string(items) + "u"; }
inline std::string integers(const std::vector<std::int64_t>& values) {
  std::string items;
  for (const std::int64_t value : values) items += integer(value);
  return tuple(items);
}
inline std::string call(std::string_view function, std::string_view arguments) {
  return std::string(function) + tuple(arguments) + "R";
}
inline std::string storage(std::string_view type, std::string_view key, std::int64_t elements) {
  return tuple(text("storage") + global("torch", type) + text(key) + text("cpu") +
               integer(elements)) +
         "Q";
}
inline std::string ordered_dict(std::string_view items) {
  return global("collections", "OrderedDict") + ")R(" + std::string(items) + "u";
}

struct Tensor {
  std::string type = "FloatStorage";
  std::string key = "0";
  std::int64_t elements = 6;  // of the storage
  std::int64_t offset = 0;
  std::vector<std::int64_t> shape = {2, 3};
  std::vector<std::int64_t> strides = {3, 1};
};
inline std::string tensor(const Tensor& t) {
  return call(global("torch._utils", "_rebuild_tensor_v2"),
              storage(t.type, t.key, t.elements) + integer(t.offset) + integers(t.shape) +
                  integers(t.strides) + "\x89" + ordered_dict(""));
}
inline std::string whole(std::string_view value) { return "\x80\x02" + std::string(value) + "."; }

}  // namespace pickle

// An archive of torch.save with this object and these storages ("0", "1", ...).
inline ZipWriter torch_zip(std::string_view object, const std::vector<std::string>& storages) {
  ZipWriter zip;
  zip.add("m/data.pkl", pickle::whole(object)).add("m/byteorder", "little");
  for (std::size_t i = 0; i < storages.size(); ++i)
    zip.add("m/data/" + std::to_string(i), storages[i]);
  zip.add("m/version", "3\n");
  return zip;
}

// The same as the format before 1.6; elements of each storage.
inline std::string torch_legacy(std::string_view object, const std::vector<std::string>& storages,
                                const std::vector<std::uint64_t>& elements) {
  using namespace pickle;
  std::string keys, data;
  for (std::size_t i = 0; i < storages.size(); ++i) {
    keys += text(std::to_string(i));
    data += little(elements[i], 8) + storages[i];
  }
  return whole("\x8A\x0A\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19") + whole("M\xE9\x03") +
         whole(dict(text("little_endian") + "\x88")) + whole(object) + whole(list(keys)) + data;
}

// Bytes 0, 1, 2, ...
inline std::string counting(std::size_t length) {
  std::string bytes;
  for (std::size_t i = 0; i < length; ++i) bytes += static_cast<char>(i & 0xFF);
  return bytes;
}

}  // namespace detent::test
