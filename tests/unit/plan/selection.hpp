// SPDX-License-Identifier: Apache-2.0
// Selection: what a pipeline file's rules select of a small model, weights only.
#pragma once
#include <string>
#include <vector>

#include "plan/plan.hpp"
#include "plugin/registry.hpp"
#include "support/program.hpp"
#include "support/tiny_model.hpp"

namespace detent::test {

inline const Registry& built_in_plugins() {
  static const Registry registry = Registry::scan({{DETENT_TEST_PLUGINS, "test", true}});
  return registry;
}

struct Selection {
  // rules: the value of "rules"; more: further members of the file, each with a comma behind it
  explicit Selection(const std::string& rules, const std::string& more = "",
                     const std::vector<TinyTensor>& tensors = tiny_network()) {
    const TempFolder folder;
    write_safetensors(folder / "m.safetensors", tensors);
    write_file(folder / "p.json",
               R"({"model": {"path": "m.safetensors"}, )" + more + R"("rules": )" + rules +
                   R"(, "outputs": [{"serializer": "safetensors", "path": "o.safetensors"}]})");
    config = load_config(folder / "p.json", {});
    check_plugins(config, built_in_plugins());
    model = open_model(folder / "m.safetensors", {});
    ThreadPool pool(1);
    plan = make_plan(config, *model, nullptr, pool);
  }

  // Of the tensors that are quantized, in the order of the model.
  std::vector<std::string> quantized() const {
    std::vector<std::string> names;
    for (const TensorPlan& t : plan.tensors)
      if (t.quantize) names.push_back(t.input.name);
    return names;
  }
  const TensorPlan& tensor(const std::string& name) const {
    for (const TensorPlan& t : plan.tensors)
      if (t.input.name == name) return t;
    throw std::runtime_error("no tensor " + name);
  }
  std::string reason(const std::string& name) const { return tensor(name).reason; }
  std::vector<std::string> warnings() const {
    std::vector<std::string> all;
    for (const Warning& w : plan.warnings) all.push_back(w.code + ": " + w.message);
    return all;
  }

  Config config;
  std::unique_ptr<Model> model;
  Plan plan;
};

}  // namespace detent::test
