// SPDX-License-Identifier: Apache-2.0
#include "model/torch/script_module.hpp"

#include "model/torch/script_classes.hpp"
#include "model_files.hpp"
#include "support/catch.hpp"
#include "support/temp_folder.hpp"
#include "support/torch_archive.hpp"

namespace detent::test {
namespace {

using namespace pickle;

constexpr const char* kNetCode =
    "class Net(Module):\n"
    "  __parameters__ = [\"scale\", ]\n"
    "  __buffers__ = [\"seen\", ]\n"
    "  scale : Tensor\n"
    "  fc : __torch__.torch.nn.modules.linear.Linear\n"
    "  def forward(self: __torch__.Net,\n"
    "    x: Tensor) -> Tensor:\n"
    "    return x\n"
    "class Box:\n"
    "  t : Tensor\n";
constexpr const char* kLinearCode =
    "class Linear(Module):\n"
    "  __parameters__ = [\"weight\", \"bias\", ]\n"
    "  __buffers__ = []\n"
    "  weight : Tensor\n";

std::string object(std::string_view module, std::string_view name, std::string_view attributes) {
  return global(module, name) + ")\x81" + dict(attributes) + "b";
}

std::string attribute(std::string_view name, std::int64_t offset) {
  return text(name) + tensor({.offset = offset, .shape = {1, 2}, .strides = {2, 1}});
}

ZipWriter archive(std::string_view root, std::string_view constants = "(t") {
  ZipWriter zip;
  zip.add("m/data.pkl", whole(root)).add("m/data/0", counting(24));
  zip.add("m/code/__torch__.py", kNetCode);
  zip.add("m/code/__torch__/torch/nn/modules/linear.py", kLinearCode);
  zip.add("m/constants.pkl", whole(constants)).add("m/constants/0", counting(24));
  return zip;
}

std::string net() {
  const std::string fc =
      object("__torch__.torch.nn.modules.linear", "Linear",
             attribute("weight", 0) + text("bias") + "N" + attribute("not_declared", 1));
  const std::string box = object("__torch__", "Box", attribute("t", 3));
  return object("__torch__", "Net",
                attribute("scale", 2) + attribute("seen", 3) + attribute("plain", 4) +
                    text("training") + "\x89" + text("fc") + fc + text("again") + "h\x01" +
                    text("box") + box);
}

std::vector<std::string> names(const Model& model) {
  std::vector<std::string> result;
  for (const TensorInfo& t : model.tensors()) result.push_back(t.name);
  return result;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("A TorchScript module's tensors are its parameters and buffers, by their dotted names") {
  const TempFolder folder;
  // The module fc is remembered, and stands under a second name.
  std::string root = net();
  const std::string made = "Linear\n)\x81";
  root.insert(root.find(made) + made.size(), "q\x01");
  const auto model = open_model(folder.write("m.pt", archive(root).bytes()), {});
  CHECK(model->format() == "torchscript");
  CHECK(model->is_program());
  CHECK(names(*model) == Names{"fc.weight", "scale", "seen"});
  CHECK(model->find("fc.weight")->type == "Linear");
  CHECK(model->aliases() ==
        std::vector<std::pair<std::string, std::string>>{{"again.weight", "fc.weight"}});
}

TEST_CASE("The class of a module goes before what names and shapes suggest, the user before both") {
  const TempFolder folder;
  const std::string weight = text("weight") + tensor({});
  const std::string root =
      object("__torch__", "Net",
             text("embedding") + object("__torch__.torch.nn.modules.linear", "Linear", weight));
  const auto path = folder.write("m.pt", archive(root).bytes());
  CHECK(open_model(path, {})->find("embedding.weight")->type == "Linear");
  CHECK(open_model(path, {.types = {{"embedding", "Mine"}}})->find("embedding.weight")->type ==
        "Mine");
}

TEST_CASE("Constants are weights of a frozen module; of another only its matrices are") {
  const TempFolder folder;
  const std::string constants =
      tuple(tensor({.shape = {2}, .strides = {1}}) + "K\x05" + tensor({}) +
            tensor({.type = "LongStorage", .elements = 3, .shape = {1, 3}, .strides = {3, 1}}));
  const auto open = [&](const std::string& root) {
    return open_model(folder.write("m.pt", archive(root, constants).bytes()), {});
  };
  const auto frozen = open(object("__torch__", "Net", ""));
  CHECK(names(*frozen) == Names{"constants.0.value", "constants.2.weight", "constants.3.value"});
  CHECK(frozen->find("constants.2.weight")->layer == "constants.2");
  CHECK(frozen->find("constants.2.weight")->type == "Linear");
  CHECK(names(*open(object("__torch__", "Net", attribute("scale", 0)))) ==
        Names{"scale", "constants.2.weight"});
}

TEST_CASE("A TorchScript archive that is none is refused") {
  const TempFolder folder;
  const auto error = [&](const std::string& root) {
    return open_refusal(folder.write("m.pt", archive(root).bytes()));
  };
  CHECK(contains(error(dict("")), "is a TorchScript archive of a dictionary, not of a module"));
  CHECK(contains(error(object("__torch__", "Other", "")), "does not declare the module"));
  CHECK(contains(error(object("__torch__", "Box", "")), "does not declare the module"));
  CHECK(contains(error(object("os", "Net", "")), "refuses \"os.Net\""));
  CHECK(contains(error(object("__torch__", "Net", "K\x01K\x02")), "an attribute has no name"));
  // A module within itself.
  CHECK(
      contains(error(global("__torch__", "Net") + ")\x81q\x01" + dict(text("me") + "h\x01") + "b"),
               "nested deeper than 200"));
}

TEST_CASE("Names of layers' types come from the classes of torch.nn") {
  CHECK(script_layer_type("__torch__.torch.nn.modules.linear.Linear") == "Linear");
  CHECK(script_layer_type("__torch__.torch.nn.modules.conv.___torch_mangle_3.Conv2d") == "Conv2d");
  CHECK(script_layer_type("__torch__.torch.nn.modules.linear.NonDynamicallyQuantizableLinear") ==
        "Linear");
  CHECK(script_layer_type("__torch__.my.modules.linear.Linear") == "");
  CHECK(script_layer_type("__torch__.Net") == "");
}

TEST_CASE("Class declarations are found among the lines of code, whatever stands in them") {
  const auto classes = parse_script_classes(
      "class A(Module):\n  __parameters__ = [\"w\", \"a\\\"b\", \"c]d\", ]\n  __buffers__ = []\n"
      "class B(Interface):\n  __parameters__ = [\"no\"]\nclass C(Module):\n  x : Tensor\n"
      "class D(Module):\n  __parameters__ = [\"unfinished");
  REQUIRE(classes.size() == 3);
  CHECK(classes.at("A").tensors == std::set<std::string, std::less<>>{"a\"b", "c]d", "w"});
  CHECK(classes.at("C").is_module);
  CHECK(classes.at("C").tensors.empty());
  CHECK(classes.at("D").tensors.empty());
}

}  // namespace detent::test
