// SPDX-License-Identifier: Apache-2.0
#include "calibrate/samples.hpp"

#include <fcntl.h>
#include <functional>
#include <numeric>
#include <unistd.h>

#include "base/error.hpp"
#include "base/memory.hpp"
#include "support/calibration_job.hpp"
#include "support/catch.hpp"
#include "support/program.hpp"
#include "support/tiny_model.hpp"

namespace detent::test {
namespace {

const std::vector<ProgramInput> kOne{{"x", "Tensor", false}};
const std::vector<ProgramInput> kTwo{
    {"ids", "Tensor", false}, {"mask", "Tensor", false}, {"bias", "Optional[Tensor]", true}};

std::vector<float> counting(std::size_t n, float from = 0) {
  std::vector<float> values(n);
  std::iota(values.begin(), values.end(), from);
  return values;
}

std::vector<std::uint64_t> sizes(const std::vector<SampleRange>& batches) {
  std::vector<std::uint64_t> counts;
  for (const SampleRange& b : batches) counts.push_back(b.count);
  return counts;
}

std::vector<float> first_input(const SampleBatch& batch) {
  return floats_of(batch.inputs.at(0)->view());
}

Error error_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& e) {
    return e;
  }
  return Error(ErrorCode::unexpected, "no error");
}

bool says(const Error& e, const std::string& part) {
  return std::string(e.what()).find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("samples are counted and read in batches, the last one shorter") {
  const TempFolder folder;
  test::write_safetensors(folder / "a", {f32("input", {7, 2}, counting(14))});
  const Samples samples({folder / "a"}, kOne);
  CHECK(samples.count() == 7);
  CHECK_FALSE(samples.has_targets());
  const auto batches = samples.batches(150, 3);
  CHECK(sizes(batches) == std::vector<std::uint64_t>{3, 3, 1});
  CHECK(first_input(samples.read(batches[1])) == counting(6, 6));
  const SampleBatch last = samples.read(batches[2]);
  CHECK(last.inputs[0]->shape() == std::vector<std::int64_t>{1, 2});
  CHECK(first_input(last) == counting(2, 12));
}

TEST_CASE("the limit is one of samples, not of batches") {
  const TempFolder folder;
  test::write_safetensors(folder / "a", {f32("input", {200, 1}, counting(200))});
  const Samples samples({folder / "a"}, kOne);
  CHECK(sizes(samples.batches(150, 64)) == std::vector<std::uint64_t>{64, 64, 22});
  CHECK(samples.batches(150, 1).size() == 150);
  CHECK(samples.batches(1000, 1).size() == 200);
}

TEST_CASE("several files are one sequence in the given order, batches go across their borders") {
  const TempFolder folder;
  test::write_safetensors(folder / "b", {f32("input", {3, 2}, counting(6))});
  test::write_safetensors(folder / "a", {f32("input", {4, 2}, counting(8, 6))});
  test::write_safetensors(folder / "none", {f32("input", {0, 2}, {})});
  const Samples samples({folder / "b", folder / "none", folder / "a"}, kOne);
  CHECK(samples.count() == 7);
  const auto batches = samples.batches(7, 2);
  CHECK(sizes(batches) == std::vector<std::uint64_t>{2, 2, 2, 1});
  CHECK(first_input(samples.read(batches[1])) == counting(4, 4));
}

TEST_CASE("samples of another shape start a batch of their own") {
  const TempFolder folder;
  test::write_safetensors(folder / "short", {f32("input", {3, 2}, counting(6))});
  test::write_safetensors(folder / "long", {f32("input", {3, 4}, counting(12))});
  const Samples samples({folder / "short", folder / "long"}, kOne);
  CHECK(sizes(samples.batches(6, 2)) == std::vector<std::uint64_t>{2, 1, 2, 1});
}

TEST_CASE("inputs go by name, the target is kept apart") {
  const TempFolder folder;
  test::write_safetensors(folder / "a", {f32("mask", {2, 2}, counting(4)),
                                         f32("ids", {2, 3}, counting(6)),
                                         {"target", "I64", {2}, std::string(16, '\1')}});
  const Samples samples({folder / "a"}, kTwo);
  CHECK(samples.has_targets());
  const SampleBatch batch = samples.read({0, 2});
  REQUIRE(batch.lent().size() == 2);
  CHECK(batch.lent()[0].name == "mask");
  CHECK(batch.lent()[1].name == "ids");
  REQUIRE(batch.target);
  CHECK(batch.target->dtype() == DETENT_I64);
}

TEST_CASE("an input that is missing is named, with those that the model has") {
  const TempFolder folder;
  test::write_safetensors(folder / "a", {f32("ids", {2, 3}, counting(6))});
  const Error e = error_of([&] { Samples({folder / "a"}, kTwo); });
  CHECK(e.code() == ErrorCode::config);
  CHECK(says(e, "no tensor for the input \"mask\""));
  CHECK(says(e, "ids (Tensor), mask (Tensor), bias (Optional[Tensor], optional)"));
}

TEST_CASE("a tensor that is no input is refused: it would be left out in silence") {
  const TempFolder folder;
  test::write_safetensors(folder / "a",
                          {f32("x", {1, 2}, counting(2)), f32("labels", {1}, {0.0F})});
  CHECK(says(error_of([&] { Samples({folder / "a"}, kOne); }), "\"labels\" is no input"));
  test::write_safetensors(folder / "b",
                          {f32("x", {1, 2}, counting(2)), f32("input", {1, 2}, counting(2))});
  CHECK(says(error_of([&] { Samples({folder / "b"}, kOne); }), "both the first input"));
}

TEST_CASE("tensors with different numbers of samples are refused, and such without axes") {
  const TempFolder folder;
  test::write_safetensors(folder / "a",
                          {f32("ids", {2, 3}, counting(6)), f32("mask", {3}, counting(3))});
  const Error e = error_of([&] { Samples({folder / "a"}, kTwo); });
  CHECK(e.code() == ErrorCode::io);
  CHECK(says(e, "\"ids\" holds 2 samples and \"mask\" 3"));
  test::write_safetensors(folder / "b", {f32("x", {}, {1.0F})});
  CHECK(says(error_of([&] { Samples({folder / "b"}, kOne); }), "has no axes"));
  write_file(folder / "c", "no samples");
  CHECK(error_of([&] { Samples({folder / "c"}, kOne); }).code() == ErrorCode::io);
  CHECK(error_of([&] { Samples({folder / "gone"}, kOne); }).code() == ErrorCode::io);
}

TEST_CASE("a file that is changed while it is in use is refused") {
  const TempFolder folder;
  test::write_safetensors(folder / "a", {f32("x", {2, 1}, counting(2))});
  const Samples samples({folder / "a"}, kOne);
  test::write_safetensors(folder / "a", {f32("x", {3, 1}, counting(3))});
  CHECK(says(error_of([&] { samples.read({0, 1}); }), "was changed by another program"));
}

TEST_CASE("memory is that of a batch, whatever the size of the file") {
  const TempFolder folder;
  // 4 GiB that take no room on disk: 4096 samples of 1 MiB.
  test::write_raw_safetensors(folder / "a",
                              R"({"x":{"dtype":"F32","shape":[4096,262144],)"
                              R"("data_offsets":[0,4294967296]}})",
                              "");
  std::filesystem::resize_file(folder / "a", std::filesystem::file_size(folder / "a") + 4294967296);
  const Samples samples({folder / "a"}, kOne);
  const std::uint64_t before = peak_memory_bytes();
  for (const SampleRange& batch : samples.batches(300, 4)) samples.read(batch);
  CHECK(peak_memory_bytes() - before < 64U << 20U);
}

}  // namespace detent::test
