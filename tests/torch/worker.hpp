// SPDX-License-Identifier: Apache-2.0
// Opening the test models in the worker of this build.
#pragma once
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "program/program.hpp"
#include "support/program_model.hpp"
#include "support/tensor.hpp"

namespace detent::test {

inline std::unique_ptr<Program> open_file(const std::filesystem::path& file,
                                          std::int64_t timeout = 120) {
  ::setenv("DETENT_TORCH_WORKER", DETENT_TEST_WORKER, 1);
  return open_program(ProgramModel(file), {.threads = 2, .timeout_seconds = timeout});
}

inline std::filesystem::path model_file(const std::string& name) {
  return std::filesystem::path(DETENT_TEST_MODELS) / name;
}

inline std::unique_ptr<Program> open_model_file(const std::string& name,
                                                std::int64_t timeout = 120) {
  return open_file(model_file(name), timeout);
}

template <class T>
Tensor tensor(const std::vector<std::int64_t>& shape, const std::vector<T>& values) {
  return Tensor::of(shape, values);
}

// The values of a float tensor.
inline std::vector<float> floats(const detent_tensor& t) {
  std::vector<float> values(t.nbytes / sizeof(float));
  if (!values.empty()) std::memcpy(values.data(), t.data, t.nbytes);
  return values;
}
inline std::vector<float> floats(const HostTensor& t) { return floats(t.read_only()); }

// What write_models puts into a weight.
inline std::vector<float> counting(std::int64_t n, double step) {
  std::vector<float> values;
  for (std::int64_t i = 0; i < n; ++i)
    values.push_back(
        static_cast<float>((static_cast<double>(i) - static_cast<double>(n) / 2) * step));
  return values;
}

// x [rows, in] * w [out, in]^T + bias, in double.
inline std::vector<float> linear(const std::vector<float>& x, const std::vector<float>& w,
                                 const std::vector<float>& bias) {
  const std::size_t out = bias.size();
  const std::size_t in = w.size() / out;
  std::vector<float> y;
  for (std::size_t row = 0; row < x.size() / in; ++row)
    for (std::size_t o = 0; o < out; ++o) {
      double sum = double{bias[o]};
      for (std::size_t i = 0; i < in; ++i) sum += double{x[row * in + i]} * double{w[o * in + i]};
      y.push_back(static_cast<float>(sum));
    }
  return y;
}

inline std::vector<float> relu(std::vector<float> x) {
  for (float& v : x) v = v > 0 ? v : 0;
  return x;
}

}  // namespace detent::test
