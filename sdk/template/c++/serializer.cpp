// SPDX-License-Identifier: Apache-2.0
// @ID@: tensors one after another, with an index in front. All integers are little-endian.
//
//   "TENSORS1" | u64 size of the index | index, zeros up to a multiple of 64 | data
//
//   index     u64 tensors, each: text name, u32 dtype, u32 ndim, i64 shape[ndim], u64 offset, u64
//   bytes
//             u64 metadata, each: text key, text value (JSON, spaces at its end)
//   text      u32 length, bytes
//   offset    from the start of the data, a multiple of 64
//
// A file whose writing stopped begins with zeros: the index is written last.
#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include <detent/sdk.hpp>

namespace {

namespace sdk = detent::sdk;

constexpr char kMagic[] = {'T', 'E', 'N', 'S', 'O', 'R', 'S', '1'};
constexpr uint64_t kHead = 16, kAlign = 64, kMaxIndex = 100'000'000, kMaxBytes = uint64_t{1} << 62;
constexpr uint32_t kMaxDimensions = 64;

uint64_t aligned(uint64_t n) { return (n + kAlign - 1) / kAlign * kAlign; }

struct Entry {
  std::string name;
  uint32_t dtype = 0;
  std::vector<int64_t> shape;
  uint64_t offset = 0;
  uint64_t nbytes = 0;
};

struct Index {
  std::vector<Entry> tensors;
  std::map<std::string, std::string> metadata;
};

// ---- the index as bytes ---------------------------------------------------------

class Encoder {
 public:
  template <class T>
  void number(T value) {
    for (size_t i = 0; i < sizeof(T); ++i)
      bytes += static_cast<char>(static_cast<uint64_t>(value) >> (8 * i) & 0xFF);
  }
  void text(const std::string& value) {
    number(static_cast<uint32_t>(value.size()));
    bytes += value;
  }
  std::string bytes;
};

std::string encode(const Index& index) {
  Encoder out;
  out.number(uint64_t{index.tensors.size()});
  for (const Entry& e : index.tensors) {
    out.text(e.name);
    out.number(e.dtype);
    out.number(static_cast<uint32_t>(e.shape.size()));
    for (const int64_t extent : e.shape) out.number(extent);
    out.number(e.offset);
    out.number(e.nbytes);
  }
  out.number(uint64_t{index.metadata.size()});
  for (const auto& [key, value] : index.metadata) {
    out.text(key);
    out.text(value);
  }
  out.bytes.resize(aligned(kHead + out.bytes.size()) - kHead, '\0');
  return out.bytes;
}

// Reads what may be anything: an end that comes too early throws.
class Decoder {
 public:
  explicit Decoder(const std::string& bytes) : bytes_(bytes) {}
  template <class T>
  T number() {
    need(sizeof(T));
    uint64_t value = 0;
    for (size_t i = 0; i < sizeof(T); ++i)
      value |= uint64_t{static_cast<unsigned char>(bytes_[at_ + i])} << (8 * i);
    at_ += sizeof(T);
    return static_cast<T>(value);
  }
  std::string text() {
    const auto length = number<uint32_t>();
    need(length);
    at_ += length;
    return bytes_.substr(at_ - length, length);
  }

 private:
  void need(uint64_t n) const {
    if (n > bytes_.size() - at_) throw sdk::Error(DETENT_E_IO, "the index ends too early");
  }
  const std::string& bytes_;
  uint64_t at_ = 0;
};

Entry decode_entry(Decoder& in, uint64_t data_bytes) {
  Entry e;
  e.name = in.text();
  e.dtype = in.number<uint32_t>();
  const auto ndim = in.number<uint32_t>();
  if (ndim > kMaxDimensions) throw sdk::Error(DETENT_E_IO, "a tensor of too many dimensions");
  for (uint32_t d = 0; d < ndim; ++d) e.shape.push_back(in.number<int64_t>());
  e.offset = in.number<uint64_t>();
  e.nbytes = in.number<uint64_t>();
  const bool inside = e.offset <= data_bytes && e.nbytes <= data_bytes - e.offset;
  if (!inside || e.nbytes != detent_nbytes(e.dtype, static_cast<int32_t>(ndim), e.shape.data()))
    throw sdk::Error(DETENT_E_IO, "tensor \"" + e.name + "\" is not where the index says");
  if (e.name.empty() || e.name.find('\0') != std::string::npos)
    throw sdk::Error(DETENT_E_IO, "a tensor without a proper name");
  return e;
}

Index decode(const std::string& bytes, uint64_t data_bytes) {
  Decoder in(bytes);
  Index index;
  for (auto n = in.number<uint64_t>(); n != 0; --n)
    index.tensors.push_back(decode_entry(in, data_bytes));
  for (auto n = in.number<uint64_t>(); n != 0; --n) {
    std::string key = in.text();
    index.metadata[key] = in.text();
  }
  return index;
}

// ---- the plugin ------------------------------------------------------------------

class Tensors final : public sdk::Serializer, public sdk::ModelReader {
 public:
  static constexpr const char* id = "@ID@";
  static constexpr const char* version = "0.1.0";
  static constexpr const char* name = "@NAME@";
  static constexpr const char* description = "Tensors one after another, with an index in front";
  static constexpr const char* vendor = "@VENDOR@";
  static constexpr const char* license = "Apache-2.0";
  static constexpr uint64_t flags = DETENT_PLUGIN_DETERMINISTIC;
  static constexpr const char* provides[] = {"format:@ID@", "extension:.tensors", nullptr};

  explicit Tensors(const sdk::Config&) {}

  // ---- writing --------------------------------------------------------------------

  sdk::Status begin(const sdk::Folder& folder, const char* file_name) override {
    abort();
    const sdk::Status opened = folder.open(file_name, file_);
    if (!opened.ok()) return {opened.code(), "cannot open \"" + std::string(file_name) + "\""};
    writing_ = true;
    return {};
  }

  sdk::Status declare(const detent_tensor_spec& spec) override {
    if (!writing_ || data_start_ != 0) return misuse("declare");
    Entry e{spec.name, spec.dtype, {spec.shape, spec.shape + spec.ndim}, 0, 0};
    e.nbytes = detent_nbytes(spec.dtype, spec.ndim, spec.shape);
    e.offset = index_.tensors.empty()
                   ? 0
                   : aligned(index_.tensors.back().offset + index_.tensors.back().nbytes);
    if (e.nbytes > kMaxBytes - e.offset)
      return {DETENT_E_INVALID_ARG, "the tensors together are larger than a file can be"};
    if (find(e.name) != index_.tensors.size())
      return {DETENT_E_INVALID_ARG, "\"" + e.name + "\" is declared twice"};
    places_[e.name] = index_.tensors.size();
    index_.tensors.push_back(std::move(e));
    return {};
  }

  // After the first tensor the index has its size: a value may then only be replaced by one that is
  // not longer. Spaces fill the rest.
  sdk::Status set_metadata(std::string_view key, std::string_view value_json) override {
    if (!writing_) return misuse("set_metadata");
    std::string value(value_json);
    if (data_start_ != 0) {
      const auto known = index_.metadata.find(std::string(key));
      if (known == index_.metadata.end() || known->second.size() < value.size())
        return {DETENT_E_INVALID_ARG,
                "no room was kept for the metadata \"" + std::string(key) + "\""};
      value.resize(known->second.size(), ' ');
    }
    index_.metadata[std::string(key)] = std::move(value);
    return {};
  }

  sdk::Status add_tensor(std::string_view tensor_name, const sdk::TensorView& tensor) override {
    if (!writing_) return misuse("add_tensor");
    const std::string text(tensor_name);
    if (added_ == index_.tensors.size() || index_.tensors[added_].name != text)
      return {DETENT_E_INVALID_ARG, "it is not the turn of \"" + text + "\""};
    const Entry& e = index_.tensors[added_];
    if (tensor.dtype() != e.dtype || tensor.shape() != e.shape)
      return {DETENT_E_INVALID_ARG, "\"" + text + "\" is not as it was declared"};
    if (const sdk::Status s = freeze(); !s.ok()) return s;
    if (!file_.write(data_start_ + e.offset, tensor))
      return {DETENT_E_IO, "\"" + text + "\" could not be written"};
    ++added_;
    return {};
  }

  sdk::Status finish() override {
    if (!writing_) return misuse("finish");
    if (added_ != index_.tensors.size())
      return {DETENT_E_INVALID_ARG, "\"" + index_.tensors[added_].name + "\" was not added"};
    if (const sdk::Status s = freeze(); !s.ok()) return s;
    const std::string index = encode(index_);
    Encoder head;
    head.bytes.assign(kMagic, sizeof kMagic);
    head.number(uint64_t{index.size()});
    if (!file_.write(kHead, index.data(), index.size()) ||
        !file_.write(0, head.bytes.data(), head.bytes.size()))
      return {DETENT_E_IO, "the file could not be written"};
    abort();
    return {};
  }

  void abort() noexcept override {
    index_ = {};
    places_.clear();
    data_start_ = added_ = 0;
    writing_ = false;
  }

  // ---- reading --------------------------------------------------------------------

  sdk::Status open(const sdk::Folder& folder, const char* file_name, uint64_t& n_tensors) override {
    abort();
    if (const sdk::Status opened = folder.open(file_name, file_); !opened.ok())
      return {opened.code(), "cannot open \"" + std::string(file_name) + "\""};
    std::string head(kHead, '\0');
    const uint64_t size = file_.size();
    if (size < kHead || !file_.read(0, head.data(), kHead) ||
        std::memcmp(head.data(), kMagic, sizeof kMagic) != 0)
      return {DETENT_E_IO, "the file does not begin with \"TENSORS1\""};
    head.erase(0, sizeof kMagic);
    const auto index_bytes = Decoder(head).number<uint64_t>();
    if (index_bytes > kMaxIndex || index_bytes > size - kHead)
      return {DETENT_E_IO, "the index is larger than the file, or than 100 MB"};
    std::string bytes(index_bytes, '\0');
    if (!file_.read(kHead, bytes.data(), index_bytes))
      return {DETENT_E_IO, "the file could not be read"};
    index_ = decode(bytes, size - kHead - index_bytes);
    data_start_ = kHead + index_bytes;
    n_tensors = index_.tensors.size();
    return {};
  }

  sdk::Status tensor_at(uint64_t i, detent_tensor_spec& spec) override {
    if (i >= index_.tensors.size()) return misuse("tensor_at");
    const Entry& e = index_.tensors[i];
    spec = {e.name.c_str(), e.shape.empty() ? nullptr : e.shape.data(),
            static_cast<int32_t>(e.shape.size()), e.dtype};
    return {};
  }

  sdk::Status read_tensor(uint64_t i, const sdk::MutableTensor& out) override {
    if (i >= index_.tensors.size()) return misuse("read_tensor");
    const Entry& e = index_.tensors[i];
    if (out.raw().dtype != e.dtype || out.view().shape() != e.shape || out.raw().nbytes < e.nbytes)
      return {DETENT_E_INVALID_ARG, "\"" + e.name + "\" does not fit what it is read into"};
    return e.nbytes == 0 || file_.read(data_start_ + e.offset, out.bytes(), e.nbytes)
               ? sdk::Status()
               : sdk::Status(DETENT_E_IO, "\"" + e.name + "\" could not be read");
  }

  sdk::Status read_metadata(const sdk::Sink& out) override {
    for (const auto& [key, value] : index_.metadata)
      if (const sdk::Status s = out.meta(key.c_str(), value.c_str()); !s.ok()) return s;
    return {};
  }

  void close() noexcept override { abort(); }

 private:
  static sdk::Status misuse(const char* function) {
    return {DETENT_E_INVALID_ARG, std::string(function) + " was called out of its order"};
  }

  size_t find(const std::string& tensor) const {
    const auto it = places_.find(tensor);
    return it != places_.end() ? it->second : index_.tensors.size();
  }

  // With the first tensor the size of the index is fixed, and so is where the data begin.
  sdk::Status freeze() {
    if (data_start_ != 0) return {};
    const uint64_t size = encode(index_).size();
    if (size > kMaxIndex) return {DETENT_E_UNSUPPORTED, "the index is larger than 100 MB"};
    data_start_ = kHead + size;
    return {};
  }

  sdk::File file_;
  Index index_;
  std::map<std::string, size_t> places_;  // of each name in index_.tensors
  uint64_t data_start_ = 0;               // 0 while tensors are declared
  size_t added_ = 0;
  bool writing_ = false;
};

}  // namespace

DETENT_LIBRARY(Tensors);
