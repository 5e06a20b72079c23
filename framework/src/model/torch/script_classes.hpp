// SPDX-License-Identifier: Apache-2.0
// ScriptClasses: what the code of a TorchScript archive declares of a module's attributes. The code
// is not compiled: a few lines are looked for.
#pragma once
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "model/torch/torch_file.hpp"

namespace detent {

struct ScriptClass {
  bool is_module = false;
  std::set<std::string, std::less<>> tensors;  // parameters and buffers
};

class ScriptClasses {
 public:
  explicit ScriptClasses(const TorchFile& file) : file_(file) {}
  // "__torch__.torch.nn.modules.linear.Linear"; what the code does not declare is no module.
  // Errors  Error{io}
  const ScriptClass& find(std::string_view name);

 private:
  const TorchFile& file_;
  std::map<std::string, ScriptClass, std::less<>> classes_;
  std::set<std::string, std::less<>> read_;  // files
  ScriptClass none_;
};

// The classes that a file of code declares, by their names in it: for tests.
std::map<std::string, ScriptClass> parse_script_classes(std::string_view code);

}  // namespace detent
