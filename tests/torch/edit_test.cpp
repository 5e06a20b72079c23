// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <fstream>

#include "support/catch.hpp"
#include "support/temp_folder.hpp"
#include "worker.hpp"

using namespace detent;
using test::counting;
using test::floats;
using test::linear;
using test::relu;
using test::tensor;

namespace {

using Kind = EditArgument::Kind;

const std::vector<float> kX = {1, 2, -1, 0.5F, -2, 0, 3, 1};

EditArgument operand(std::int64_t i) { return {.kind = Kind::operand, .operand = i}; }
EditArgument stored(const std::string& name) { return {.kind = Kind::tensor, .name = name}; }

constexpr const char* kSource = R"(
def halved(q, s):
    return torch.to(q, 6) * s
def whole(x, q, s, bias: Optional[Tensor]):
    y = torch.linear(x, torch.to(q, 6)) * s
    if bias is not None:
        y = y + bias
    return y
def plus(x, n: int):
    return x + n
def table(q, s):
    return torch.to(q, 6) * s
)";

std::size_t use_of(const Program& program, const std::string& weight) {
  for (std::size_t i = 0; i < program.facts().uses.size(); ++i)
    if (program.facts().uses[i].weight == weight) return i;
  throw std::logic_error("no use of " + weight);
}

// Writes the edit and opens what it wrote.
std::unique_ptr<Program> reopened(ProgramEdit& edit, const test::TempFolder& folder) {
  const auto path = folder / "edited.pt";
  std::ofstream file(path, std::ios::binary);
  edit.write([&](std::span<const std::byte> bytes) {
    file.write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
  });
  file.close();
  return test::open_file(path);
}

std::vector<float> output_of(Program& program, const std::vector<float>& x = kX) {
  const auto input = tensor<float>({static_cast<std::int64_t>(x.size()) / 4, 4}, x);
  const NamedTensor named{"x", input.view()};
  return floats(*program.run({&named, 1})[0]);
}

// 8-bit codes and the scale that make fc1's weight.
void set_codes(ProgramEdit& edit, const std::string& name, const std::vector<std::int64_t>& shape) {
  std::vector<std::int8_t> codes;
  for (int i = -6; i < 6; ++i) codes.push_back(static_cast<std::int8_t>(i));
  edit.set_tensor(name, tensor<std::int8_t>(shape, codes).view());
  edit.set_tensor(name + "_scale", tensor<float>({}, {0.5F}).view());
}

std::string refusal(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& e) {
    CHECK(e.code() == ErrorCode::quantization);
    return e.problems()[0].message;
  }
  return "";
}

}  // namespace

TEST_CASE("An edit without changes writes the same program") {
  const test::TempFolder folder;
  const auto program = test::open_model_file("mlp.pt");
  const auto again = reopened(*program->begin_edit(), folder);
  CHECK(output_of(*again) == output_of(*program));
  CHECK(again->facts().uses.size() == program->facts().uses.size());
}

TEST_CASE("An operator becomes a function of its operands and of stored tensors") {
  const test::TempFolder folder;
  const auto program = test::open_model_file("mlp.pt");
  const auto edit = program->begin_edit();
  edit->define(kSource);
  set_codes(*edit, "fc1.weight", {3, 4});
  for (std::size_t i = 0; i < program->facts().uses.size(); ++i) {
    if (program->facts().uses[i].weight != "fc1.weight") continue;
    edit->replace_use(
        i, "whole",
        std::vector{operand(0), stored("fc1.weight"), stored("fc1.weight_scale"), operand(2)});
  }
  const auto edited = reopened(*edit, folder);
  std::vector<float> doubled = counting(12, 0.25);
  for (float& v : doubled) v *= 2;  // codes count by 1, the scale is 0.5
  const auto expected =
      linear(relu(linear(kX, doubled, counting(3, 0.25))), counting(6, 0.5), counting(2, 0.5));
  CHECK(output_of(*edited) == expected);
  CHECK(output_of(*program) != expected);  // the program itself is as it was
}

TEST_CASE("Reads of a tensor become a function, whatever operator reads") {
  const test::TempFolder folder;
  const auto program = test::open_model_file("shared.pt");
  const auto edit = program->begin_edit();
  edit->define(kSource);
  std::vector<std::int8_t> codes;
  for (int i = -10; i < 10; ++i) codes.push_back(static_cast<std::int8_t>(i));
  edit->set_tensor("table", tensor<std::int8_t>({5, 4}, codes).view());
  edit->set_tensor("table_scale", tensor<float>({}, {0.125F}).view());  // gives the same values
  edit->replace_reads("table", "table", std::vector{stored("table"), stored("table_scale")});
  const auto edited = reopened(*edit, folder);
  const auto ids = tensor<std::int64_t>({2}, {0, 4});
  const NamedTensor named{"ids", ids.view()};
  const Outputs before = program->run({&named, 1});
  const Outputs after = edited->run({&named, 1});
  REQUIRE(after.size() == before.size());
  for (std::size_t i = 0; i < 2; ++i) CHECK(floats(*after[i]) == floats(*before[i]));
}

TEST_CASE("Operands and results are wrapped where they are") {
  const test::TempFolder folder;
  const auto program = test::open_model_file("mlp.pt");
  const auto edit = program->begin_edit();
  edit->define(kSource);
  const std::size_t use = use_of(*program, "fc2.weight");
  const EditArgument one{.kind = Kind::integer, .integer = 1};
  const EditArgument ten{.kind = Kind::integer, .integer = 10};
  edit->replace_operand(use, 0, "plus", std::vector{one});
  edit->replace_result(use, "plus", std::vector{ten});
  const auto edited = reopened(*edit, folder);
  auto hidden = relu(linear(kX, counting(12, 0.25), counting(3, 0.25)));
  for (float& v : hidden) v += 1;
  auto expected = linear(hidden, counting(6, 0.5), counting(2, 0.5));
  for (float& v : expected) v += 10;
  CHECK(output_of(*edited) == expected);
}

TEST_CASE("A prepared value is made when the archive is loaded") {
  const test::TempFolder folder;
  const auto program = test::open_model_file("mlp.pt");
  const auto edit = program->begin_edit();
  edit->define(kSource);
  set_codes(*edit, "fc1.weight", {3, 4});
  edit->define("def use_prepared(x, w, b: Optional[Tensor]):\n    return torch.linear(x, w, b)\n");
  edit->prepare("w", "halved", std::vector{stored("fc1.weight"), stored("fc1.weight_scale")});
  const EditArgument prepared{.kind = Kind::prepared, .name = "w"};
  for (std::size_t i = 0; i < program->facts().uses.size(); ++i)
    if (program->facts().uses[i].weight == "fc1.weight")
      edit->replace_use(i, "use_prepared", std::vector{operand(0), prepared, operand(2)});
  const auto edited = reopened(*edit, folder);
  std::vector<float> doubled = counting(12, 0.25);
  for (float& v : doubled) v *= 2;
  CHECK(output_of(*edited) ==
        linear(relu(linear(kX, doubled, counting(3, 0.25))), counting(6, 0.5), counting(2, 0.5)));
}

TEST_CASE("The weights of a frozen program can be replaced") {
  const test::TempFolder folder;
  const auto program = test::open_model_file("frozen.pt");
  const std::string weight = program->facts().uses[0].weight;
  const auto edit = program->begin_edit();
  edit->define(kSource);
  set_codes(*edit, weight, {3, 4});
  edit->replace_reads(weight, "halved", std::vector{stored(weight), stored(weight + "_scale")});
  const auto edited = reopened(*edit, folder);
  std::vector<float> doubled = counting(12, 0.25);
  for (float& v : doubled) v *= 2;
  CHECK(output_of(*edited) ==
        linear(relu(linear(kX, doubled, counting(3, 0.25))), counting(6, 0.5), counting(2, 0.5)));
}

TEST_CASE("Operands of a convolution are those of its documentation") {
  const test::TempFolder folder;
  const auto program = test::open_model_file("conv.pt");
  const auto edit = program->begin_edit();
  edit->define(R"(
def again(x, w, bias: Optional[Tensor], stride: List[int], padding: List[int], dilation: List[int],
          groups: int):
    return torch.conv2d(x, w, bias, stride, padding, dilation, groups) * 2
)");
  std::vector<EditArgument> all;
  for (std::int64_t i = 0; i < 7; ++i) all.push_back(operand(i));
  edit->replace_use(0, "again", all);
  const auto edited = reopened(*edit, folder);
  std::vector<float> values(2 * 6 * 6);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = std::sin(static_cast<float>(i));
  const auto x = tensor<float>({1, 2, 6, 6}, values);
  const NamedTensor named{"x", x.view()};
  const auto before = program->run({&named, 1});
  const auto after = edited->run({&named, 1});
  CHECK(after[0]->shape() == std::vector<std::int64_t>{1, 4, 3, 4});
  const auto exact = floats(*before[0]);
  const auto twice = floats(*after[0]);
  for (std::size_t i = 0; i < exact.size(); ++i) CHECK(twice[i] == exact[i] * 2);
}

TEST_CASE("What does not fit the program is refused with the reason") {
  const auto program = test::open_model_file("mlp.pt");
  const auto edit = program->begin_edit();
  CHECK(refusal([&] {
          edit->define("def f(x):\n    return torch.no_such_thing(x)\n");
        }).find("no_such_thing") != std::string::npos);
  CHECK(refusal([&] { edit->replace_use(99, "f", {}); }).find("no such use") != std::string::npos);
  CHECK(refusal([&] { edit->replace_operand(0, 2, "f", {}); }).find("only operands 0 and 1") !=
        std::string::npos);
  const auto take = [](std::span<const std::byte>) {};
  edit->replace_use(0, "nobody", {});
  CHECK(refusal([&] { edit->write(take); }).find("no function \"nobody\" was defined") !=
        std::string::npos);

  const auto stale = program->begin_edit();
  set_codes(*stale, "fc1.weight", {3, 4});
  CHECK(refusal([&] {
          stale->write(take);
        }).find("\"fc1.weight\" is replaced, and still read by aten::linear") != std::string::npos);
  const auto view = test::open_model_file("shared.pt");
  const auto of_view = view->begin_edit();
  std::size_t matmul = 0;
  while (view->facts().uses[matmul].op != "matmul") ++matmul;
  CHECK(refusal([&] { of_view->replace_use(matmul, "f", {}); }).find("gets a view of its weight") !=
        std::string::npos);
}

TEST_CASE("Two edits of one program do not know of each other") {
  const test::TempFolder folder;
  const auto program = test::open_model_file("mlp.pt");
  const auto changed = program->begin_edit();
  const auto unchanged = program->begin_edit();
  changed->define(kSource);
  const EditArgument ten{.kind = Kind::integer, .integer = 10};
  changed->replace_result(use_of(*program, "fc2.weight"), "plus", std::vector{ten});
  CHECK(output_of(*reopened(*unchanged, folder)) == output_of(*program));
  CHECK(output_of(*reopened(*changed, folder)) != output_of(*program));
}

TEST_CASE("The same edit gives the same bytes") {
  const auto bytes = [] {
    const auto program = test::open_model_file("mlp.pt");
    const auto edit = program->begin_edit();
    edit->define(kSource);
    set_codes(*edit, "fc1.weight", {3, 4});
    edit->replace_reads("fc1.weight", "halved",
                        std::vector{stored("fc1.weight"), stored("fc1.weight_scale")});
    edit->set_extra_file("note", "text");
    std::vector<std::byte> all;
    edit->write(
        [&](std::span<const std::byte> part) { all.insert(all.end(), part.begin(), part.end()); });
    return all;
  };
  CHECK(bytes() == bytes());
}
