// SPDX-License-Identifier: Apache-2.0
#include "support/vectors.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <map>
#include <stdexcept>

#include "json/parse.hpp"

namespace detent::test {
namespace {

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot open " + path);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

double to_number(const json::Value& value) {
  double number = 0.0;
  if (value.to_double(&number)) return number;
  const std::string* const text = value.if_string();
  if (text == nullptr) throw std::runtime_error("not a number");
  if (*text == "inf") return HUGE_VAL;
  return *text == "-inf" ? -HUGE_VAL : std::nan("");
}

std::int64_t to_int(const json::Value& value) {
  std::int64_t number = 0;
  if (!value.to_int(&number)) throw std::runtime_error("not an integer");
  return number;
}

std::string to_text(const json::Value& value) {
  const std::string* const text = value.if_string();
  if (text == nullptr) throw std::runtime_error("not a string");
  return *text;
}

template <class F>
auto each_at(const json::Value& object, const std::string& pointer, F&& f) {
  const json::Array* const array = member(object, pointer).if_array();
  if (array == nullptr) throw std::runtime_error(pointer + " is not an array");
  std::vector<decltype(f(array->front()))> out;
  for (const json::Value& value : *array) out.push_back(f(value));
  return out;
}

}  // namespace

std::vector<FileTensor> read_safetensors(const std::string& path) {
  const std::string file = read_file(path);
  std::uint64_t header = 0;
  std::memcpy(&header, file.data(), 8);
  const json::Value root = json::parse(std::string_view(file).substr(8, header));
  std::vector<FileTensor> tensors;
  for (const json::Member& entry : *root.if_object()) {
    if (entry.key == "__metadata__") continue;
    if (text_at(entry.value, "/dtype") != "F32") throw std::runtime_error(path + ": not F32");
    Tensor tensor(DETENT_F32, ints_at(entry.value, "/shape"));
    const auto begin =
        8 + header + static_cast<std::uint64_t>(int_at(entry.value, "/data_offsets/0"));
    if (!tensor.bytes().empty())
      std::memcpy(tensor.bytes().data(), file.data() + begin, tensor.bytes().size());
    tensors.push_back({entry.key, std::move(tensor)});
  }
  std::sort(tensors.begin(), tensors.end(),
            [](const FileTensor& a, const FileTensor& b) { return a.name < b.name; });
  return tensors;
}

std::vector<Tensor> vector_input(const std::string& input) {
  std::vector<Tensor> batches;
  for (FileTensor& named : read_safetensors(DETENT_TEST_DATA "/vectors/" + input))
    batches.push_back(std::move(named.tensor));
  return batches;
}

const json::Array& vector_cases(const std::string& file) {
  static std::map<std::string, json::Value> documents;
  auto at = documents.find(file);
  if (at == documents.end())
    at = documents.emplace(file, json::parse(read_file(DETENT_TEST_DATA "/vectors/" + file))).first;
  return *member(at->second, "/cases").if_array();
}

const json::Value& member(const json::Value& object, const std::string& pointer) {
  const json::Value* const value = object.at_pointer(pointer);
  if (value == nullptr) throw std::runtime_error("no " + pointer);
  return *value;
}

std::string text_at(const json::Value& object, const std::string& pointer) {
  return to_text(member(object, pointer));
}
double number_at(const json::Value& object, const std::string& pointer) {
  return to_number(member(object, pointer));
}
std::int64_t int_at(const json::Value& object, const std::string& pointer) {
  return to_int(member(object, pointer));
}
std::vector<double> numbers_at(const json::Value& object, const std::string& pointer) {
  return each_at(object, pointer, to_number);
}
std::vector<std::int64_t> ints_at(const json::Value& object, const std::string& pointer) {
  return each_at(object, pointer, to_int);
}
std::vector<std::string> texts_at(const json::Value& object, const std::string& pointer) {
  return each_at(object, pointer, to_text);
}

}  // namespace detent::test
