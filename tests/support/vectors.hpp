// SPDX-License-Identifier: Apache-2.0
// The reference vectors in tests/data/vectors: inputs, and the expected results as JSON.
#pragma once
#include <string>
#include <vector>

#include "json/value.hpp"
#include "support/tensor.hpp"

namespace detent::test {

struct FileTensor {  // of a test file
  std::string name;
  Tensor tensor;
};

// The tensors of a safetensors file of F32 in the order of their names. A reader for our own test
// files: it trusts them.
std::vector<FileTensor> read_safetensors(const std::string& path);

// The batches of a case's "input", "inputs/normal.safetensors", in calibration order.
std::vector<Tensor> vector_input(const std::string& input);

// "cases.json", "weights.json", "packing.json": the document's list "cases". Parsed once each.
const json::Array& vector_cases(const std::string& file);

// Convenient access that throws std::runtime_error naming what is missing.
const json::Value& member(const json::Value& object, const std::string& pointer);
std::string text_at(const json::Value& object, const std::string& pointer);
double number_at(const json::Value& object, const std::string& pointer);  // "inf", "nan" too
std::int64_t int_at(const json::Value& object, const std::string& pointer);
std::vector<double> numbers_at(const json::Value& object, const std::string& pointer);
std::vector<std::int64_t> ints_at(const json::Value& object, const std::string& pointer);
std::vector<std::string> texts_at(const json::Value& object, const std::string& pointer);

}  // namespace detent::test
