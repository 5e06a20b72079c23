// SPDX-License-Identifier: Apache-2.0
#include "model/torch_samples.hpp"

#include <cstring>

#include "model_files.hpp"
#include "support/catch.hpp"
#include "support/temp_folder.hpp"
#include "support/torch_archive.hpp"

namespace detent::test {
namespace {

using namespace pickle;

// Of storage 0, which has 24 bytes.
std::string bytes_tensor(std::vector<std::int64_t> shape, std::vector<std::int64_t> strides) {
  return tensor({.type = "ByteStorage",
                 .key = "0",
                 .elements = 24,
                 .offset = 0,
                 .shape = std::move(shape),
                 .strides = std::move(strides)});
}

std::vector<SampleRecord> read(std::string_view object) {
  const TempFolder folder;
  return read_torch_samples(folder.write("c.pt", torch_zip(object, {counting(24)}).bytes()));
}

std::string refused(std::string_view object) {
  return refusal([&] { read(object); });
}

// "input[4, 6] target[4]"
std::string outline(const SampleRecord& record) {
  std::string text;
  for (const SampleTensor& t : record.tensors) {
    text += text.empty() ? "" : " ";
    text += t.name + "[";
    for (std::size_t i = 0; i < t.shape.size(); ++i)
      text += (i == 0 ? "" : ", ") + std::to_string(t.shape[i]);
    text += "]";
  }
  return text;
}

std::string outline(const std::vector<SampleRecord>& records) {
  std::string text;
  for (const SampleRecord& r : records) text += (text.empty() ? "" : "; ") + outline(r);
  return text;
}

std::string values(const SampleTensor& tensor, std::int64_t first, std::int64_t count) {
  std::string bytes(tensor.nbytes / static_cast<std::uint64_t>(tensor.shape[0]) *
                        static_cast<std::uint64_t>(count),
                    '\0');
  tensor.read(first, count, std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

const std::string kInputs = bytes_tensor({4, 6}, {6, 1});
const std::string kTargets = bytes_tensor({4}, {1});

}  // namespace

TEST_CASE("Samples are read in every form in which they are saved") {
  CHECK(outline(read(kInputs)) == "input[4, 6]");
  CHECK(outline(read(list(kInputs + kTargets))) == "input[4, 6] target[4]");
  CHECK(outline(read(tuple(kInputs + kTargets))) == "input[4, 6] target[4]");
  CHECK(outline(read(list(kInputs))) == "input[4, 6]");
  CHECK(outline(read(tuple(kInputs + "K\x07"))) == "input[1, 4, 6] target[1]");
  CHECK(outline(read(list(kInputs + kInputs + kTargets))) == "input[4, 6]; input[4, 6]; input[4]");
  CHECK(outline(read(list(tuple(kInputs + kTargets) + list(kInputs)))) ==
        "input[4, 6] target[4]; input[4, 6]");
  CHECK(outline(read(dict(text("ids") + kInputs + text("mask") + kInputs))) ==
        "ids[4, 6] mask[4, 6]");
  CHECK(outline(read(list(dict(text("x") + kInputs) + dict(text("x") + kTargets)))) ==
        "x[4, 6]; x[4]");
}

TEST_CASE("A record with a number or a scalar is one sample") {
  const std::string one = bytes_tensor({2, 3}, {3, 1});
  const auto records =
      read(list(tuple(one + "K\x07") + tuple(one + bytes_tensor({}, {})) +
                tuple(one + "G\x3f\xf8" + std::string(6, '\0')) + tuple(one + "\x88")));
  CHECK(outline(records) ==
        "input[1, 2, 3] target[1]; input[1, 2, 3] target[1]; "
        "input[1, 2, 3] target[1]; input[1, 2, 3] target[1]");
  CHECK(records[0].samples() == 1);
  const auto target = [&](std::size_t i) -> const SampleTensor& { return records[i].tensors[1]; };
  CHECK(target(0).dtype == DETENT_I64);
  CHECK(values(target(0), 0, 1) == little(7, 8));
  CHECK(target(1).dtype == DETENT_U8);
  double real = 0;
  std::memcpy(&real, values(target(2), 0, 1).data(), 8);
  CHECK(target(2).dtype == DETENT_F64);
  CHECK(real == 1.5);
  CHECK(target(3).dtype == DETENT_BOOL);
  CHECK(values(target(3), 0, 1) == "\x01");
  CHECK(values(records[0].tensors[0], 0, 1) == counting(6));
}

TEST_CASE("Some of the samples can be read, of views too") {
  const auto records = read(list(kInputs + bytes_tensor({4, 6}, {1, 4})));
  const SampleTensor& input = *records[0].find("input");
  CHECK(values(input, 0, 4) == counting(24));
  CHECK(values(input, 2, 1) == counting(24).substr(12, 6));
  CHECK(values(input, 4, 0).empty());
  CHECK(values(*records[0].find("target"), 1, 2) ==
        std::string("\x01\x05\x09\x0d\x11\x15\x02\x06\x0a\x0e\x12\x16"));
  CHECK(records[0].find("mask") == nullptr);
  std::string bytes(6, '\0');
  const auto out = std::as_writable_bytes(std::span(bytes));
  CHECK_THROWS_AS(input.read(4, 1, out), Error);
  CHECK_THROWS_AS(input.read(-1, 1, out), Error);
  CHECK_THROWS_AS(input.read(0, 2, out), Error);
}

TEST_CASE("What is no sample is refused with its place") {
  CHECK(contains(refused("]"), "holds no samples"));
  CHECK(contains(refused(text("x")), "is a string, not a tensor"));
  CHECK(contains(refused(list(kInputs + tuple(kInputs + text("x")) + "N")),
                 "[1][1] of the samples: is a string, not a tensor"));
  CHECK(contains(refused(list("N")), "[0] of the samples: is None"));
  CHECK(contains(refused(list("K\x01K\x02")), "[0] of the samples: is an int, not a tensor"));
  CHECK(contains(refused(list(tuple("K\x01" + kInputs))), "[0][0] of the samples: is an int"));
  CHECK(contains(refused(list(tuple(kInputs + kInputs + kInputs) + "N")),
                 "[0] of the samples: has 3 parts"));
  CHECK(contains(refused(list(dict("") + "N")), "[0] of the samples: holds nothing"));
  CHECK(contains(refused(dict("K\x01" + kInputs)), "has a key that is an int"));
  CHECK(contains(refused(dict(text("x") + kInputs + text("x") + kInputs)),
                 "has the key \"x\" twice"));
  CHECK(contains(refused(list(kInputs + bytes_tensor({3}, {1}))),
                 "\"input\" has 4 samples and \"target\" has 3: axis 0 counts samples"));
  CHECK(contains(refused(bytes_tensor({0, 6}, {6, 1})), "\"input\" has no samples"));
  CHECK(contains(refused(call(global("posix", "system"), text("x"))), "refuses \"posix.system\""));
}

TEST_CASE("A file of torch.save is known by its first bytes") {
  const TempFolder folder;
  CHECK(is_torch_file(folder.write("a", torch_zip("N", {}).bytes())));
  CHECK(is_torch_file(folder.write("b", "\x80\x02N.")));
  CHECK_FALSE(is_torch_file(folder.write("c", safetensors("{}", 0))));
  CHECK_FALSE(is_torch_file(folder.write("d", "")));
}

}  // namespace detent::test
