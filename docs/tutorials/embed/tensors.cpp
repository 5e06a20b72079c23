// SPDX-License-Identifier: Apache-2.0
// Quantizes named tensors in this process and reads the result.
#include <cmath>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include <detent/detent.hpp>

int main() {
  // Weights of yours: here a Linear layer of 8 x 32 and its bias.
  std::map<std::string, std::vector<float>> weights;
  for (int i = 0; i < 8 * 32; ++i) weights["fc.weight"].push_back(std::sin(static_cast<float>(i)));
  weights["fc.bias"] = std::vector<float>(8, 0.5F);
  const std::map<std::string, std::vector<std::int64_t>> shapes{{"fc.weight", {8, 32}},
                                                                {"fc.bias", {8}}};
  // Lent, not copied: name, type, shape, data.
  std::vector<detent::LentTensor> tensors;
  for (const auto& [name, values] : weights)
    tensors.push_back(
        {name, DETENT_F32, shapes.at(name), std::as_bytes(std::span(values)), "Linear"});
  try {
    const detent::QuantizedModel model = detent::quantize(tensors, {.rules = R"({"rules": [
      {"match": {"type": "Linear"}, "weight": {"quantizer": "int8"}}
    ]})"});
    for (const detent::QuantizedTensor& tensor : model.tensors()) {
      std::printf("%s: %s\n", tensor.name.c_str(),
                  tensor.quantized() ? tensor.quantizer.c_str() : tensor.reason.c_str());
      for (const detent::OwnedTensor& stored : tensor.stored)
        std::printf("  %s, %zu bytes\n", stored.name.c_str(), stored.bytes.size());
    }
    // Codes as they are stored, and the floats that they stand for.
    const auto codes = model.find("fc.weight")->stored.front().as<std::int8_t>();
    const detent::OwnedTensor floats = model.dequantize("fc.weight");
    std::printf("code %d is %.4f, was %.4f\n", codes[1], static_cast<double>(floats.as<float>()[1]),
                static_cast<double>(weights["fc.weight"][1]));
    return 0;
  } catch (const detent::Error& e) {  // says what, where, and what to do
    std::fprintf(stderr, "%s\n", e.what());
    return e.exit_code();
  }
}
