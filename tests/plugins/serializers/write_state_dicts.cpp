// SPDX-License-Identifier: Apache-2.0
// Writes the files that read_state_dicts.py reads: write_state_dicts <plugin library> <folder>.
#include <cstdio>
#include <fcntl.h>
#include <memory>
#include <unistd.h>

#define DETENT_TEST_PLUGINS "."
#include "writing.hpp"

namespace {

using writing::testing::Tensor;

// A real file in which zeros stay holes, so that one of more than 4 GiB takes no room.
class SparseFolder {
 public:
  explicit SparseFolder(const std::string& path)
      : fd_(::open(path.c_str(), O_CREAT | O_TRUNC | O_RDWR, 0600)),
        file_{this, nullptr, &pwrite, nullptr},
        folder_{sizeof folder_, this, &open, nullptr, nullptr} {
    if (fd_ < 0) throw std::runtime_error("cannot create " + path);
  }
  ~SparseFolder() { ::close(fd_); }
  SparseFolder(const SparseFolder&) = delete;
  SparseFolder& operator=(const SparseFolder&) = delete;
  operator const detent_folder*() const { return &folder_; }

 private:
  static int32_t open(const detent_folder* f, const char*, const detent_file** out) {
    *out = &static_cast<SparseFolder*>(f->ctx)->file_;
    return DETENT_OK;
  }
  static int64_t pwrite(const detent_file* f, uint64_t offset, const void* data, uint64_t n) {
    const char* p = static_cast<const char*>(data);
    const bool zeros = p[0] == 0 && std::memcmp(p, p + 1, n - 1) == 0;
    if (zeros && n > 4096) return static_cast<int64_t>(n);
    return ::pwrite(static_cast<SparseFolder*>(f->ctx)->fd_, data, n, static_cast<off_t>(offset));
  }

  int fd_;
  detent_file file_;
  detent_folder folder_;
};

class Writer {
 public:
  Writer(const std::string& library, const std::string& path)
      : library_(library), writer_(library_.plugin("state_dict"), params_.config()), folder_(path) {
    must(writer_->begin(writer_, call_, folder_, "model.pt"));
  }
  void declare(const char* name, const detent_tensor& t) {
    const detent_tensor_spec spec{name, t.shape, t.ndim, t.dtype};
    must(writer_->declare(writer_, call_, &spec));
  }
  void alias(const char* other, const char* name) {
    must(writer_->declare_alias(writer_, call_, other, name));
  }
  void set(const char* key, const char* json) {
    must(writer_->set_metadata(writer_, call_, key, json));
  }
  void add(const char* name, const detent_tensor& t) {
    must(writer_->add_tensor(writer_, call_, name, &t));
  }
  void finish() { must(writer_->finish(writer_, call_)); }

 private:
  void must(int32_t status) const {
    if (status != DETENT_OK) throw detent::sdk::Error(status, call_.message);
  }

  writing::testing::Library library_;
  writing::testing::Params params_;
  writing::testing::Serializer writer_;
  SparseFolder folder_;
  writing::testing::Call call_;
};

// Bytes 1, 2, 3, ... whatever the dtype; booleans are 1.
std::unique_ptr<Tensor> counting(detent_dtype dtype, std::vector<int64_t> shape) {
  auto t = std::make_unique<Tensor>(Tensor::Zeros{}, dtype, std::move(shape));
  for (size_t i = 0; i < t->raw().size(); ++i)
    t->bytes()[i] = dtype == DETENT_BOOL ? char{1} : static_cast<char>(i + 1);
  return t;
}

void write_every_dtype(Writer& w) {
  const std::pair<const char*, detent_dtype> kinds[] = {{"bool", DETENT_BOOL},
                                                        {"uint8", DETENT_U8},
                                                        {"int8", DETENT_I8},
                                                        {"int16", DETENT_I16},
                                                        {"uint16", DETENT_U16},
                                                        {"int32", DETENT_I32},
                                                        {"uint32", DETENT_U32},
                                                        {"int64", DETENT_I64},
                                                        {"uint64", DETENT_U64},
                                                        {"float16", DETENT_F16},
                                                        {"bfloat16", DETENT_BF16},
                                                        {"float32", DETENT_F32},
                                                        {"float64", DETENT_F64},
                                                        {"complex64", DETENT_DTYPE(5, 64)},
                                                        {"complex128", DETENT_DTYPE(5, 128)},
                                                        {"float8_e4m3fn", DETENT_F8_E4M3FN},
                                                        {"float8_e4m3fnuz", DETENT_F8_E4M3FNUZ},
                                                        {"float8_e5m2", DETENT_F8_E5M2},
                                                        {"float8_e5m2fnuz", DETENT_F8_E5M2FNUZ},
                                                        {"float8_e8m0fnu", DETENT_F8_E8M0FNU}};
  std::vector<std::unique_ptr<Tensor>> tensors;
  for (const auto& [name, dtype] : kinds) {
    tensors.push_back(counting(dtype, {3, 2}));
    w.declare(name, tensors.back()->view());
  }
  for (size_t i = 0; i < tensors.size(); ++i) w.add(kinds[i].first, tensors[i]->view());
  w.finish();
}

void write_unusual(Writer& w) {
  const char* name = "gew\xc3\xb6hnlich \xf0\x9f\x98\x80 \"quoted\"\n";
  const Tensor text({2}, std::vector<float>{1, 2});
  const Tensor scalar({}, std::vector<float>{7});
  const Tensor empty(Tensor::Zeros{}, DETENT_F32, {0, 4});
  const auto codes = counting(DETENT_I4, {3, 5});
  const Tensor transposed({3, 2}, {1, 3}, std::vector<float>{0, 1, 2, 3, 4, 5});
  const std::pair<const char*, const detent_tensor*> all[] = {{name, text},
                                                              {"scalar", scalar},
                                                              {"empty", empty},
                                                              {"codes", *codes},
                                                              {"transposed", transposed}};
  w.set("quantization", R"({"codes": {"bits": 4, "note": "a\"b\\c \u00e9"}})");
  w.set("metrics", "\"                    \"");
  for (const auto& [n, t] : all) w.declare(n, *t);
  w.alias("tied", "transposed");
  for (const auto& [n, t] : all) w.add(n, *t);
  w.set("metrics", R"({"db": 41.5})");
  w.finish();
}

// One zero, 2^28 + 1 times: 16 bytes more than 4 GiB; and a tensor behind it.
void write_large(Writer& w) {
  const double zero[2] = {0, 0};
  const int64_t shape[] = {(int64_t{1} << 28) + 1};
  const int64_t stride[] = {0};
  const detent_tensor large{const_cast<double*>(zero),
                            DETENT_DEVICE_CPU,
                            0,
                            1,
                            DETENT_DTYPE(5, 128),
                            shape,
                            stride,
                            0,
                            sizeof zero,
                            DETENT_TENSOR_READ_ONLY};
  const Tensor behind({3}, std::vector<float>{1, 2, 3});
  w.declare("large", large);
  w.declare("behind", behind.view());
  w.add("large", large);
  w.add("behind", behind.view());
  w.finish();
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 3) return std::fputs("usage: write_state_dicts LIBRARY FOLDER\n", stderr), 2;
  const auto write = [&](const char* name, void (*f)(Writer&)) {
    Writer w(argv[1], std::string(argv[2]) + "/" + name);
    f(w);
  };
  write("dtypes.pt", write_every_dtype);
  write("unusual.pt", write_unusual);
  write("large.pt", write_large);
  write("none.pt", [](Writer& w) { w.finish(); });
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
