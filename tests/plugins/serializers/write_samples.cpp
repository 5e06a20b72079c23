// SPDX-License-Identifier: Apache-2.0
// Writes the files that read_samples.py reads: write_samples <plugin library> <folder>.
#include <cstdio>
#include <fstream>
#include <memory>

#define DETENT_TEST_PLUGINS "."
#include "writing.hpp"

namespace {

using writing::Writer;
using writing::testing::Tensor;

struct Named {
  std::string name;
  std::unique_ptr<Tensor> tensor;
};

// Bytes 1, 2, 3, ... whatever the dtype.
std::unique_ptr<Tensor> counting(detent_dtype dtype, std::vector<int64_t> shape) {
  auto t = std::make_unique<Tensor>(Tensor::Zeros{}, dtype, std::move(shape));
  for (size_t i = 0; i < t->raw().size(); ++i) t->bytes()[i] = static_cast<char>(i + 1);
  return t;
}

void must(int32_t status, const Writer& w) {
  if (status != DETENT_OK) throw detent::sdk::Error(status, w.call.message);
}

void write(Writer& w, const std::vector<Named>& tensors, const std::string& path) {
  for (const Named& n : tensors) must(w.declare(n.name.c_str(), *n.tensor), w);
  for (const Named& n : tensors) must(w.add(n.name.c_str(), *n.tensor), w);
  must(w.finish(), w);
  std::ofstream(path, std::ios::binary) << w.file();
}

// One tensor of every dtype that the library's serialize() takes; two columns, so that it is
// sorted.
void write_every_dtype(const std::string& library, const std::string& path) {
  const std::pair<const char*, detent_dtype> kinds[] = {{"bool", DETENT_BOOL},
                                                        {"uint8", DETENT_U8},
                                                        {"int8", DETENT_I8},
                                                        {"float8_e5m2", DETENT_F8_E5M2},
                                                        {"float8_e4m3fn", DETENT_F8_E4M3FN},
                                                        {"int16", DETENT_I16},
                                                        {"uint16", DETENT_U16},
                                                        {"float16", DETENT_F16},
                                                        {"bfloat16", DETENT_BF16},
                                                        {"int32", DETENT_I32},
                                                        {"uint32", DETENT_U32},
                                                        {"float32", DETENT_F32},
                                                        {"float64", DETENT_F64},
                                                        {"int64", DETENT_I64},
                                                        {"uint64", DETENT_U64},
                                                        {"complex64", DETENT_DTYPE(5, 64)},
                                                        {"float4_e2m1fn_x2", DETENT_F4_E2M1FN},
                                                        {"float8_e8m0fnu", DETENT_F8_E8M0FNU}};
  std::vector<Named> tensors;
  for (const auto& [name, dtype] : kinds) {
    tensors.push_back({std::string("b.") + name, counting(dtype, {3, 2})});
    tensors.push_back({std::string("a.") + name, counting(dtype, {2})});
  }
  Writer w(library);
  must(w.begin(), w);
  write(w, tensors, path);
}

void write_unusual(const std::string& library, const std::string& path) {
  std::vector<Named> tensors;
  tensors.push_back({"gew\xc3\xb6hnlich \xf0\x9f\x98\x80 \"quoted\"\n",
                     std::make_unique<Tensor>(std::vector<int64_t>{2}, std::vector<float>{1, 2})});
  tensors.push_back(
      {"scalar", std::make_unique<Tensor>(std::vector<int64_t>{}, std::vector<float>{7})});
  tensors.push_back(
      {"empty", std::make_unique<Tensor>(Tensor::Zeros{}, DETENT_F32, std::vector<int64_t>{0, 4})});
  tensors.push_back({"codes", counting(DETENT_I4, {3, 5})});
  tensors.push_back({"transposed", std::make_unique<Tensor>(std::vector<int64_t>{3, 2},
                                                            std::vector<int64_t>{1, 3},
                                                            std::vector<float>{0, 1, 2, 3, 4, 5})});
  Writer w(library);
  must(w.begin(), w);
  must(w.set("detent.quantization", R"({"codes": {"bits": 4, "note": "a\"b\\c \u00e9"}})"), w);
  must(w.set("detent.metrics", "\"                    \""), w);
  for (const Named& n : tensors) must(w.declare(n.name.c_str(), *n.tensor), w);
  for (const Named& n : tensors) must(w.add(n.name.c_str(), *n.tensor), w);
  must(w.set("detent.metrics", R"({"db": 41.5})"), w);
  must(w.finish(), w);
  std::ofstream(path, std::ios::binary) << w.file();
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 3) return std::fputs("usage: write_samples LIBRARY FOLDER\n", stderr), 2;
  const std::string folder = argv[2];
  write_every_dtype(argv[1], folder + "/dtypes.safetensors");
  write_unusual(argv[1], folder + "/unusual.safetensors");
  Writer none(argv[1]);
  must(none.begin(), none);
  write(none, {}, folder + "/none.safetensors");
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
