// SPDX-License-Identifier: Apache-2.0
// Small safetensors files, written by code that shares nothing with the framework's.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace detent::test {

struct TinyTensor {
  std::string name;
  std::string dtype;  // "F32"
  std::vector<std::int64_t> shape;
  std::string bytes;
};

// Values of a fixed pseudo-random sequence in [-1, 1), times `scale`.
TinyTensor random_f32(const std::string& name, const std::vector<std::int64_t>& shape,
                      unsigned seed, float scale = 1.0F);
TinyTensor f32(const std::string& name, const std::vector<std::int64_t>& shape,
               const std::vector<float>& values);

void write_safetensors(const std::filesystem::path& path, const std::vector<TinyTensor>& tensors,
                       const std::string& metadata_json = "");

// header + data as a file, whatever they say.
void write_raw_safetensors(const std::filesystem::path& path, const std::string& header,
                           const std::string& data);

// conv1 (Conv2d 8x3x3x3 with bias), embed (Embedding 20x16), fc1 (Linear 32x64), norm (LayerNorm
// 32), lm_head (Linear 20x32, no bias), steps (I64 counter).
std::vector<TinyTensor> tiny_network();

// Minimal reading back: the JSON header and the data behind it.
struct RawSafetensors {
  std::string header;
  std::string data;
};
RawSafetensors read_raw_safetensors(const std::filesystem::path& path);

}  // namespace detent::test
