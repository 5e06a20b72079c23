// SPDX-License-Identifier: Apache-2.0
#include <cstring>
#include <vector>

#include "model_files.hpp"
#include "support/catch.hpp"
#include "support/temp_folder.hpp"
#include "support/torch_archive.hpp"

namespace detent::test {
namespace {

using namespace pickle;

std::string bytes_of(const Model& model, std::string_view name) {
  const TensorInfo* info = model.find(name);
  REQUIRE(info != nullptr);
  std::string bytes(info->nbytes, '\0');
  model.read(*info, std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

std::vector<std::string> names(const Model& model) {
  std::vector<std::string> result;
  for (const TensorInfo& t : model.tensors()) result.push_back(t.name);
  return result;
}

std::unique_ptr<Model> opened(const TempFolder& folder, std::string_view bytes) {
  return open_model(folder.write("m.pt", bytes), {});
}

std::string refused(std::string_view object, const std::vector<std::string>& storages) {
  const TempFolder folder;
  return refusal([&] { opened(folder, torch_zip(object, storages).bytes()); });
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("A state dict is read, as a dictionary, an OrderedDict and in the legacy format") {
  const TempFolder folder;
  const std::string items =
      text("fc.weight") + tensor({}) + text("fc.bias") +
      tensor({.type = "BFloat16Storage", .key = "1", .elements = 3, .shape = {3}, .strides = {1}});
  const std::vector<std::string> storages = {counting(24), counting(6)};
  const auto check = [&](std::string_view bytes, const std::string& format) {
    CAPTURE(format);
    const auto model = opened(folder, bytes);
    CHECK(model->format() == format);
    CHECK_FALSE(model->is_program());
    CHECK(names(*model) == Names{"fc.weight", "fc.bias"});
    const TensorInfo& weight = *model->find("fc.weight");
    CHECK(weight.dtype == DETENT_F32);
    CHECK(weight.shape == std::vector<std::int64_t>{2, 3});
    CHECK(weight.type == "Linear");
    CHECK(weight.layer == "fc");
    CHECK(bytes_of(*model, "fc.weight") == counting(24));
    CHECK(model->find("fc.bias")->dtype == DETENT_BF16);
    CHECK(bytes_of(*model, "fc.bias") == counting(6));
    CHECK(model->files() == std::vector{folder / "m.pt"});
  };
  check(torch_zip(dict(items), storages).bytes(), "torch-state-dict");
  check(torch_zip(ordered_dict(items) + dict(text("_metadata") + ordered_dict("")) + "b", storages)
            .bytes(),
        "torch-state-dict");
  check(torch_legacy(dict(items), storages, {6, 3}), "torch-state-dict-legacy");
}

TEST_CASE("Views are gathered: transposed, a column, a part, repeated, scalar, empty") {
  const TempFolder folder;
  const auto view = [](std::string_view name, std::int64_t offset, std::vector<std::int64_t> shape,
                       std::vector<std::int64_t> strides) {
    return text(name) + tensor({.type = "ByteStorage",
                                .key = "0",
                                .elements = 12,
                                .offset = offset,
                                .shape = std::move(shape),
                                .strides = std::move(strides)});
  };
  const auto model = opened(
      folder, torch_zip(dict(view("t", 0, {4, 3}, {1, 4}) + view("column", 1, {3}, {4}) +
                             view("part", 5, {2, 2}, {4, 1}) + view("repeated", 3, {2, 3}, {0, 1}) +
                             view("scalar", 7, {}, {}) + view("empty", 0, {0, 5}, {5, 1}) +
                             view("cube", 0, {2, 2, 3}, {1, 6, 2})),
                        {counting(12)})
                  .bytes());
  const auto values = [&](std::string_view name) {
    std::vector<int> result;
    for (const char byte : bytes_of(*model, name)) result.push_back(byte);
    return result;
  };
  using V = std::vector<int>;
  CHECK(values("t") == V{0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11});
  CHECK(values("column") == V{1, 5, 9});
  CHECK(values("part") == V{5, 6, 9, 10});
  CHECK(values("repeated") == V{3, 4, 5, 3, 4, 5});
  CHECK(values("scalar") == V{7});
  CHECK(values("empty") == V{});
  CHECK(values("cube") == V{0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11});
}

TEST_CASE("A large transposed tensor is gathered in blocks") {
  const TempFolder folder;
  constexpr std::int64_t kRows = 3000, kColumns = 4000;  // 12 MB, above the size of a block
  std::string data(static_cast<std::size_t>(kRows * kColumns), '\0');
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<char>(i * 2654435761U >> 24);
  const auto model = opened(folder, torch_zip(dict(text("w") + tensor({.type = "ByteStorage",
                                                                       .key = "0",
                                                                       .elements = kRows * kColumns,
                                                                       .offset = 0,
                                                                       .shape = {kColumns, kRows},
                                                                       .strides = {1, kColumns}})),
                                              {data})
                                        .bytes());
  const std::string bytes = bytes_of(*model, "w");
  bool same = true;
  for (std::size_t column = 0; column < kColumns; ++column)
    for (std::size_t row = 0; row < kRows; ++row)
      same = same && bytes[column * kRows + row] == data[row * kColumns + column];
  CHECK(same);
}

TEST_CASE("A tensor in the same place is another name; one that only overlaps is a tensor") {
  const TempFolder folder;
  const auto model = opened(
      folder, torch_zip(dict(text("emb.weight") + tensor({}) + text("lm_head.weight") + tensor({}) +
                             text("row") + tensor({.shape = {3}, .strides = {1}}) + text("t") +
                             tensor({.shape = {3, 2}, .strides = {1, 3}})),
                        {counting(24)})
                  .bytes());
  CHECK(names(*model) == Names{"emb.weight", "row", "t"});
  CHECK(model->aliases() ==
        std::vector<std::pair<std::string, std::string>>{{"lm_head.weight", "emb.weight"}});
  CHECK(bytes_of(*model, "row") == counting(12));
}

TEST_CASE("The state dict of a checkpoint is found, and what is left out is said") {
  const TempFolder folder;
  const std::string w = text("w") + tensor({}),
                    v = text("v") + tensor({.shape = {6}, .strides = {1}});
  const auto read = [&](const std::string& object) {
    return opened(folder, torch_zip(object, {counting(24)}).bytes());
  };
  const std::string optimizer = text("optimizer") + dict(text("state") + dict("K\x05" + dict(v)));
  auto model = read(dict(text("state_dict") + dict(w) + text("epoch") + "K\x03"));
  CHECK(names(*model) == Names{"w"});
  CHECK(model->notes().empty());
  model = read(dict(text("model") + dict(w) + optimizer));
  CHECK(names(*model) == Names{"w"});
  REQUIRE(model->notes().size() == 1);
  CHECK(
      contains(model->notes()[0], "the tensors of \"model\" are read; \"optimizer\" is left out"));
  model =
      read(dict(text("state_dict") + dict(w) + text("ema") + dict(v) + text("step") + tensor({})));
  CHECK(names(*model) == Names{"w"});
  model = read(dict(text("whatever") + dict(w) + optimizer));
  CHECK(names(*model) == Names{"w"});
  model = read(dict(text("enc") + dict(w) + text("dec") + dict(v)));
  CHECK(names(*model) == Names{"enc.w", "dec.v"});
  model = read(dict(text("a") + dict(text("b") + dict(w))));
  CHECK(names(*model) == Names{"w"});
  model = read(dict(w + text("inner") + dict(v + text("n") + "K\x01")));
  CHECK(names(*model) == Names{"w", "inner.v"});
  model = read(dict("K\x07" + tensor({})));
  CHECK(names(*model) == Names{"7"});
}

TEST_CASE("What holds no tensors by name is refused") {
  CHECK(contains(refused("K\x01", {}), "holds an int, not a dictionary of tensors"));
  CHECK(
      contains(refused(list(tensor({})), {counting(24)}), "a list of tensors can be calibration"));
  CHECK(contains(refused(dict(text("a") + "K\x01"), {}), "holds no tensors by name"));
  CHECK(contains(
      refused(dict(text("a") + tensor({}) + text("a") + tensor({.shape = {3}, .strides = {1}})),
              {counting(24)}),
      "two tensors are named \"a\""));
  CHECK(contains(refused(dict(tensor({}) + tensor({})), {counting(24)}),
                 "the key of a dictionary of tensors is a tensor"));
  CHECK(contains(refused(dict(text(std::string_view("a\0b", 3)) + tensor({})), {counting(24)}),
                 "NUL character"));
}

TEST_CASE("Tensors that reach beyond their storage, or whose size overflows, are refused") {
  const auto error = [](const Tensor& t) {
    return refused(dict(text("w") + tensor(t)), {counting(24)});
  };
  CHECK(error({}) == "accepted");
  CHECK(contains(error({.offset = 1}), "reaches beyond the 6 elements of its storage"));
  CHECK(contains(error({.strides = {4, 1}}), "tensor \"w\" cannot be: shape [2, 3] with strides"));
  CHECK(contains(error({.offset = INT64_MAX}), "reaches beyond"));
  CHECK(contains(error({.strides = {INT64_MAX, 1}}), "reaches beyond"));
  CHECK(contains(error({.strides = {INT64_MAX, INT64_MAX}}), "reaches beyond"));
  CHECK(contains(error({.shape = {INT64_MAX, INT64_MAX}, .strides = {0, 0}}),
                 "more bytes than 2^63"));
  CHECK(
      contains(error({.shape = {0, INT64_MAX, 8}, .strides = {0, 0, 0}}), "more bytes than 2^63"));
  CHECK(contains(error({.shape = {1 << 20, 64}, .strides = {0, 0}}), "times as large as the file"));
  CHECK(contains(error({.elements = 5}), "storage \"0\" of 20 bytes; its record has 24"));
  CHECK(contains(error({.key = "9"}), "lies in storage \"9\", which the file does not hold"));
  CHECK(error({.offset = 99, .shape = {0}, .strides = {1}}) == "accepted");  // nothing is read
}

TEST_CASE("Element types that are not read are refused with the tensor and the reason") {
  const auto error = [](const std::string& value) {
    return refused(dict(text("w") + value), {counting(24)});
  };
  CHECK(contains(
      error(tensor({.type = "ComplexFloatStorage", .elements = 3, .shape = {3}, .strides = {1}})),
      "tensor \"w\" is complex, which is not read"));
  CHECK(contains(error(call(global("torch._utils", "_rebuild_qtensor"), "")),
                 "tensor \"w\" is quantized by PyTorch, which is not read"));
  CHECK(contains(error(call(global("torch._utils", "_rebuild_sparse_tensor"), "")), "is sparse"));
}

TEST_CASE("What a .pt file is, when it is none that is read, is said") {
  const TempFolder folder;
  const auto error = [&](std::string_view bytes) {
    return open_refusal(folder.write("m.pt", bytes));
  };
  CHECK(contains(error(""), "is empty"));
  CHECK(contains(error(ZipWriter().add("m/archive_format", "pt2").bytes()), "torch.export"));
  CHECK(contains(error(ZipWriter().add("m/models/model.json", "{}").bytes()), "torch.export"));
  CHECK(contains(error(ZipWriter().add("m/data/aotinductor/model/a.so", "x").bytes()),
                 "AOTInductor"));
  CHECK(contains(error(ZipWriter().add("word/document.xml", "x").bytes()), "there is no data.pkl"));
  CHECK(contains(error(torch_zip("N", {}).add("m/.data/extern_modules", "").bytes()),
                 "torch.package"));
  CHECK(contains(error("\x80\x02N."), "is a Python pickle, but not one of torch.save"));
  ZipWriter big;
  CHECK(contains(error(big.add("m/data.pkl", whole("}")).add("m/byteorder", "big").bytes()),
                 "the byte order is \"big\""));
  CHECK(contains(error(ZipWriter().add("m/data.pkl", whole("}") + "more").bytes()),
                 "ends before the record does"));
}

TEST_CASE("A legacy file must hold exactly the storages that its pickle names") {
  const TempFolder folder;
  const std::string object = dict(text("w") + tensor({}));
  const auto error = [&](std::string_view bytes) {
    return open_refusal(folder.write("m.pth", bytes));
  };
  const std::string good = torch_legacy(object, {counting(24)}, {6});
  CHECK(error(good) == "accepted");
  for (std::size_t length = 1; length < good.size(); ++length) {
    CAPTURE(length);
    CHECK(error(good.substr(0, length)) != "accepted");
  }
  CHECK(contains(error(good + "x"), "1 bytes behind the last storage"));
  CHECK(contains(error(torch_legacy(object, {counting(24)}, {7})), "7 elements here and 6"));
  CHECK(contains(error(torch_legacy(object, {}, {})), "\"0\", which the file does not hold"));
  CHECK(contains(error(torch_legacy("N", {counting(4)}, {1})), "nothing is said of storage \"0\""));
}

TEST_CASE("Extra files that are text are the metadata of a model") {
  const TempFolder folder;
  ZipWriter zip = torch_zip(dict(text("w") + tensor({})), {counting(24)});
  zip.add("m/extra/quantization", "{\"a\": 1}")
      .add("m/extra/d/e", "\xc3\xbc")
      .add("m/extra/raw", "\xff\xfe");
  const auto model = opened(folder, zip.bytes());
  CHECK(model->metadata() == std::vector<std::pair<std::string, std::string>>{
                                 {"quantization", "{\"a\": 1}"}, {"d/e", "\xc3\xbc"}});
}

TEST_CASE("A file that is changed while it is open is not read as a mixture") {
  const TempFolder folder;
  const std::string bytes = torch_zip(dict(text("w") + tensor({})), {counting(24)}).bytes();
  const auto model = opened(folder, bytes);
  folder.write("m.pt", bytes + "x");
  CHECK(contains(refusal([&] { bytes_of(*model, "w"); }), "was changed by another program"));
}

}  // namespace detent::test
