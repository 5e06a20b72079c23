// SPDX-License-Identifier: Apache-2.0
// Quantizes a torch::nn::Module in this process, reads the result, and makes a float module of it.
#include <cstdio>
#include <torch/nn.h>

#include <detent/torch_module.hpp>

struct NetImpl : torch::nn::Module {
  NetImpl() {
    register_module("conv", conv);
    register_module("fc", fc);
  }
  torch::Tensor forward(const torch::Tensor& x) {
    return fc->forward(torch::relu(conv->forward(x)).flatten(1));
  }
  torch::nn::Conv2d conv{torch::nn::Conv2dOptions(1, 4, 3)};
  torch::nn::Linear fc{4 * 6 * 6, 10};
};
TORCH_MODULE(Net);

int main() {
  torch::manual_seed(1);
  const torch::NoGradGuard no_gradients;
  Net net;
  const torch::Tensor before = net->fc->weight.clone();
  try {
    const detent::QuantizedModel model = detent::quantize_module(*net, {.rules = R"({"rules": [
      {"match": {"type": ["Linear", "Conv2d"]}, "weight": {"quantizer": "int8"}}
    ]})"});
    for (const detent::QuantizedTensor& tensor : model.tensors())
      std::printf("%s (%s): %s\n", tensor.name.c_str(), tensor.layer_type.c_str(),
                  tensor.quantized() ? tensor.quantizer.c_str() : tensor.reason.c_str());
    const torch::Tensor codes = detent::to_torch(model.find("fc.weight")->stored.front());
    std::printf("codes are %s\n", torch::toString(codes.scalar_type()));
    std::printf("original %s\n", torch::equal(net->fc->weight, before) ? "unchanged" : "CHANGED");

    Net reverted;  // an ordinary float module again
    detent::load_dequantized(*reverted, model);
    const torch::Tensor x = torch::randn({16, 1, 8, 8});
    const torch::Tensor difference = reverted->forward(x) - net->forward(x);
    std::printf("relative error %.4f\n",
                (difference.norm() / net->forward(x).norm()).item<double>());
    return 0;
  } catch (const detent::Error& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return e.exit_code();
  }
}
