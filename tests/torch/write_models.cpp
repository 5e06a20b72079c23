// SPDX-License-Identifier: Apache-2.0
// write_models <folder>: the TorchScript archives that the tests of this folder read. Weights count
// up, so that tests can compute what the programs should give.
#include <ATen/ops/arange.h>
#include <filesystem>
#include <string>
#include <torch/csrc/jit/passes/freeze_module.h>
#include <torch/script.h>

namespace {

using torch::jit::Module;

std::shared_ptr<torch::jit::CompilationUnit> unit;

Module module_of(const std::string& type) {
  Module m(c10::QualifiedName("__torch__.test." + type), unit, true);
  m.register_attribute("training", c10::BoolType::get(), false);
  return m;
}

// 0, 1, 2, ... times `step`, minus its middle.
at::Tensor counting(at::IntArrayRef shape, double step) {
  std::int64_t n = 1;
  for (const std::int64_t extent : shape) n *= extent;
  return ((at::arange(n) - static_cast<double>(n) / 2) * step).to(at::kFloat).reshape(shape);
}

Module linear(const std::string& type, at::IntArrayRef shape, double step) {
  Module m = module_of(type);
  m.register_parameter("weight", counting(shape, step), false);
  m.register_parameter("bias", counting({shape[0]}, step), false);
  m.define("def forward(self, x):\n    return torch.linear(x, self.weight, self.bias)\n");
  return m;
}

// fc1 (4 -> 3), ReLU, fc2 (3 -> 2)
Module mlp() {
  Module m = module_of("Mlp");
  m.register_module("fc1", linear("First", {3, 4}, 0.25));
  m.register_module("fc2", linear("Second", {2, 3}, 0.5));
  m.define(
      "def forward(self, x):\n    return self.fc2.forward(torch.relu(self.fc1.forward(x)))\n"
      "def first(self, x, scale: float=2.0):\n    return self.fc1.forward(x) * scale\n");
  return m;
}

// One weight for an embedding, a product and a sum, a loop, and outputs in a tuple.
Module shared() {
  Module m = module_of("Shared");
  m.register_parameter("table", counting({5, 4}, 0.125), false);
  m.define(R"(
def forward(self, ids, times: int=1):
    x = torch.embedding(self.table, ids)
    for i in range(times):
        x = torch.matmul(x, torch.t(self.table))
        x = torch.linear(x, torch.t(self.table))
    return x, {"sum": self.table.sum(), "ids": ids}
)");
  return m;
}

// Three layers of one input, which the last gets changed in place, and a fourth of zeros of its
// shape.
Module branches() {
  Module m = module_of("Branches");
  m.register_module("a", linear("A", {2, 8}, 0.25));
  m.register_module("b", linear("B", {2, 8}, 0.5));
  m.register_module("c", linear("C", {2, 8}, 0.75));
  m.register_module("d", linear("D", {2, 8}, 1.0));
  m.define(R"(
def forward(self, x):
    x = x * 1
    y = self.a.forward(x) + self.b.forward(x)
    x[0, 0] = 77.0
    return y + self.c.forward(x) + self.d.forward(x * 0)
)");
  return m;
}

Module convolution() {
  Module m = module_of("Conv2d");
  m.register_parameter("weight", counting({4, 2, 3, 3}, 0.1), false);
  m.define(R"(
def forward(self, x):
    return torch.conv2d(x, self.weight, None, [2, 1], [1, 0], [1, 1], 1)
)");
  Module outer = module_of("Outer");
  outer.register_module("conv", m);
  outer.define("def forward(self, x):\n    return self.conv.forward(x)\n");
  return outer;
}

Module evil(const std::string& forward) {
  Module m = module_of("Evil");
  m.define("def forward(self, x):\n" + forward);
  return m;
}

// Does it while the archive is loaded.
Module evil_at_load(const std::string& body) {
  Module m = module_of("EvilAtLoad");
  m.register_attribute("t", c10::TensorType::get(), at::ones({2}));
  m.define(
      "def __getstate__(self):\n    return (self.t, self.training)\n"
      "def __setstate__(self, state: Tuple[Tensor, bool]) -> None:\n    self.t = state[0]\n"
      "    self.training = state[1]\n" +
      body + "def forward(self, x):\n    return x\n");
  return m;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const std::filesystem::path folder = argv[1];
  std::filesystem::create_directories(folder);
  const auto save = [&](const std::string& name, const auto& make) {
    unit = std::make_shared<torch::jit::CompilationUnit>();
    make().save((folder / name).string());
  };
  save("mlp.pt", [] { return mlp(); });
  save("frozen.pt", [] {
    Module m = mlp();
    m.eval();
    return torch::jit::freeze_module(m);
  });
  save("shared.pt", [] { return shared(); });
  save("branches.pt", [] { return branches(); });
  save("conv.pt", [] { return convolution(); });
  const std::string written = (folder / "written_by_a_model").string();
  save("writes.pt", [&] { return evil("    torch.save(x, \"" + written + "\")\n    return x\n"); });
  save("reads.pt",
       [] { return evil("    return torch.from_file(\"/etc/passwd\", False, 16, dtype=0)\n"); });
  save("writes_at_load.pt",
       [&] { return evil_at_load("    torch.save(self.t, \"" + written + "\")\n"); });
  save("loops.pt",
       [] { return evil("    n = 0\n    while True:\n        n = n + 1\n    return x\n"); });
  save("loops_at_load.pt",
       [] { return evil_at_load("    n = 0\n    while True:\n        n = n + 1\n"); });
  save("eats.pt", [] {
    return evil(
        "    all = [x]\n    for i in range(400):\n"
        "        all.append(torch.ones([1000, 1000, 25]))\n    return all[5]\n");
  });
  save("raises.pt",
       [] { return evil("    assert x.dim() == 77, \"not this input\"\n    return x\n"); });
  return 0;
}
