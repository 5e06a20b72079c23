// SPDX-License-Identifier: Apache-2.0
#include "support/tiny_model.hpp"

#include <cstring>
#include <random>
#include <stdexcept>

#include "support/program.hpp"

namespace detent::test {
namespace {

std::string join(const std::vector<std::int64_t>& shape) {
  std::string text;
  for (const std::int64_t extent : shape)
    text += (text.empty() ? "" : ",") + std::to_string(extent);
  return text;
}

std::size_t count(const std::vector<std::int64_t>& shape) {
  std::size_t n = 1;
  for (const std::int64_t extent : shape) n *= static_cast<std::size_t>(extent);
  return n;
}

}  // namespace

TinyTensor f32(const std::string& name, const std::vector<std::int64_t>& shape,
               const std::vector<float>& values) {
  std::string bytes(values.size() * sizeof(float), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return {name, "F32", shape, bytes};
}

TinyTensor random_f32(const std::string& name, const std::vector<std::int64_t>& shape,
                      unsigned seed, float scale) {
  std::mt19937 generator(seed);
  std::vector<float> values(count(shape));
  for (float& v : values)
    v = (static_cast<float>(generator() >> 8U) / static_cast<float>(1U << 23U) - 1.0F) * scale;
  return f32(name, shape, values);
}

void write_safetensors(const std::filesystem::path& path, const std::vector<TinyTensor>& tensors,
                       const std::string& metadata_json) {
  std::string header = "{";
  std::string data;
  if (!metadata_json.empty()) header += "\"__metadata__\":" + metadata_json + ",";
  for (const TinyTensor& t : tensors) {
    header += "\"" + t.name + "\":{\"dtype\":\"" + t.dtype + "\",\"shape\":[" + join(t.shape) +
              "],\"data_offsets\":[" + std::to_string(data.size()) + "," +
              std::to_string(data.size() + t.bytes.size()) + "]},";
    data += t.bytes;
  }
  if (header.back() == ',') header.pop_back();
  write_raw_safetensors(path, header + "}", data);
}

void write_raw_safetensors(const std::filesystem::path& path, const std::string& header,
                           const std::string& data) {
  const std::uint64_t length = header.size();
  std::string file(8, '\0');
  std::memcpy(file.data(), &length, 8);
  write_file(path, file + header + data);
}

std::vector<TinyTensor> tiny_network() {
  std::vector<TinyTensor> tensors{random_f32("conv1.weight", {8, 3, 3, 3}, 1, 0.3F),
                                  random_f32("conv1.bias", {8}, 2),
                                  random_f32("embed.weight", {20, 16}, 3),
                                  random_f32("fc1.weight", {32, 64}, 4, 0.1F),
                                  random_f32("fc1.bias", {32}, 5),
                                  random_f32("norm.weight", {32}, 6),
                                  random_f32("norm.bias", {32}, 7),
                                  random_f32("lm_head.weight", {20, 32}, 8)};
  tensors.push_back({"steps", "I64", {1}, std::string("\x2a\0\0\0\0\0\0\0", 8)});
  return tensors;
}

RawSafetensors read_raw_safetensors(const std::filesystem::path& path) {
  const std::string file = read_file(path);
  std::uint64_t length = 0;
  if (file.size() < 8) throw std::runtime_error("no safetensors file");
  std::memcpy(&length, file.data(), 8);
  if (length > file.size() - 8) throw std::runtime_error("no safetensors file");
  return {file.substr(8, length), file.substr(8 + length)};
}

}  // namespace detent::test
