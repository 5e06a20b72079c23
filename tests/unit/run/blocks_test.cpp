// SPDX-License-Identifier: Apache-2.0
// Weights that go through a run in blocks of rows: the same bytes and figures as whole tensors, in
// little memory.
#include "plan/blocks.hpp"

#include <bit>
#include <fstream>
#include <limits>
#include <random>

#include "artifact/artifact.hpp"
#include "plugin/registry.hpp"
#include "quantize/quantize_tensor.hpp"
#include "run/digest_files.hpp"
#include "run/run.hpp"
#include "support/catch.hpp"
#include "support/refusal.hpp"
#include "support/temp_folder.hpp"
#include "support/tiny_model.hpp"

namespace detent::test {
namespace {

const Registry& built_in() {
  static const Registry registry = Registry::scan({{DETENT_TEST_PLUGINS, "test", true}});
  return registry;
}

// Rows of 1000 and of 333: no multiple of the runs in which errors are added up, nor of a group.
std::vector<TinyTensor> large_network() {
  TinyTensor half{"half.weight", "BF16", {800, 1000}, std::string(1'600'000, '\0')};
  std::mt19937 random(3);
  for (std::size_t i = 0; i < half.bytes.size(); i += 2) {
    half.bytes[i] = static_cast<char>(random() & 0xFF);
    half.bytes[i + 1] = static_cast<char>(0x3C + (random() & 1U) * 0x80);
  }
  return {random_f32("first.weight", {400, 1000}, 1), random_f32("norm.weight", {300'000}, 2),
          random_f32("second.weight", {1001, 333}, 3, 0.01F), half,
          random_f32("small.weight", {8, 16}, 4)};
}

class Job {
 public:
  Job(const std::string& weight, unsigned threads, std::uint64_t memory_limit = 0,
      const std::string& serializer = "safetensors",
      const std::vector<TinyTensor>& tensors = large_network())
      : name_(serializer == "safetensors" ? "m.safetensors" : "m.pt") {
    write_safetensors(folder_ / "m.safetensors", tensors);
    folder_.write("p.json", R"({"model": {"path": "m.safetensors"},
      "rules": [{"match": {"name": "norm*"}, "keep": true}, {"weight": )" +
                                weight + R"(}],
      "outputs": [{"serializer": ")" +
                                serializer + R"(", "path": "out/)" + name_ + R"("}],
      "validation": {"validators": ["sqnr", "size", "weight_range", "roundtrip"]},
      "runtime": {"threads": )" +
                                std::to_string(threads) + R"(, "memory_limit": )" +
                                std::to_string(memory_limit) + "}}");
    config = load_config(folder_ / "p.json", {});
    check_plugins(config, built_in());
    model = open_model(folder_ / "m.safetensors", {});
  }
  RunFacts run() { return run_pipeline(config, *model, {.overwrite = Overwrite::replace}); }
  Plan plan() {
    ThreadPool pool(config.threads);
    return make_plan(config, *model, nullptr, pool);
  }
  std::filesystem::path path(const std::string& name) const { return folder_ / name; }
  std::filesystem::path artifact() const { return folder_ / "out" / name_; }
  std::string output() const {
    std::ifstream in(artifact(), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  Config config;
  std::unique_ptr<Model> model;

 private:
  std::string name_;
  TempFolder folder_;
};

void check_same_bits(double a, double b) {
  CHECK(std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b));
}

const std::vector<std::string> kSchemes{
    R"({"quantizer": "int8"})",
    R"({"quantizer": {"id": "int8", "params": {"symmetric": false}}})",
    R"({"quantizer": {"id": "int4_groupwise", "params": {"group_size": 32, "symmetric": false, "tail": "short"}}})",
    R"({"observer": "mse", "quantizer": {"id": "int4_groupwise", "params": {"group_size": 125, "tail": "short"}}})",
    R"({"observer": {"id": "histogram", "params": {"bins": 64}}, "quantizer": "int8"})",
    R"({"quantizer": "fp16"})"};

}  // namespace

TEST_CASE("blocks of rows give the bytes and the figures of whole tensors") {
  for (const std::string& scheme : kSchemes) {
    CAPTURE(scheme);
    Job job(scheme, 2);
    const RunFacts facts = job.run();
    std::size_t in_blocks = 0;
    const Artifact artifact = Artifact::open(job.artifact());
    ThreadPool pool(2);
    for (const TensorPlan& t : facts.plan.tensors) {
      in_blocks += t.block_rows != 0 ? 1 : 0;
      const TensorInfo& info = job.model->tensors()[t.tensor];
      CAPTURE(info.name);
      const auto weight = read_tensor(*job.model, info);
      if (!t.quantize) {
        const auto found = read_tensor(artifact.model(), *artifact.model().find(info.name));
        CHECK(std::ranges::equal(found->bytes(), weight->bytes()));
        continue;
      }
      TensorStore whole;
      const TensorResult expected = quantize_tensor(t, info, *weight, pool, whole);
      for (const StoredName& s : t.stored) {
        const auto found = read_tensor(artifact.model(), *artifact.model().find(s.name));
        CHECK(std::ranges::equal(found->bytes(), whole.find(s.output)->bytes()));
      }
      const TensorResult& result = facts.results.at(t.tensor);
      check_same_bits(result.error.noise, expected.error.noise);
      check_same_bits(result.error.signal, expected.error.signal);
      check_same_bits(result.error.max_abs_error, expected.error.max_abs_error);
      check_same_bits(result.error.product, expected.error.product);
      CHECK(result.rounding.has_value() == expected.rounding.has_value());
      if (expected.rounding) check_same_bits(result.rounding->noise, expected.rounding->noise);
      CHECK(result.scale.has_value() == expected.scale.has_value());
      if (expected.scale) check_same_bits(result.scale->mean, expected.scale->mean);
      CHECK(result.overflows == expected.overflows);
    }
    CHECK(in_blocks == 4);  // all but the small one
    CHECK(facts.validation.passed());
    CHECK(facts.validation.intact == true);
    CHECK(facts.validation.in_range == true);
  }
}

TEST_CASE("neither threads nor blocks change a byte, in any format that takes rows") {
  for (const std::string serializer : {"safetensors", "state_dict"}) {
    Job one(kSchemes[2], 1, 0, serializer);
    one.run();
    REQUIRE_FALSE(one.output().empty());
    for (const unsigned threads : {2U, 5U}) {
      Job other(kSchemes[2], threads, 64U << 20U, serializer);
      other.run();
      CHECK(other.output() == one.output());
    }
  }
}

TEST_CASE("the model's digest is that of its file, though it was read in pieces") {
  Job job(kSchemes[0], 2);
  const RunFacts facts = job.run();
  REQUIRE(facts.inputs.size() == 2);
  CHECK(facts.inputs[1].path.filename() == "m.safetensors");
  CHECK(facts.inputs[1].digest == digest_file(job.path("m.safetensors"), false));
}

TEST_CASE("a value that is not finite is told of with its place in the whole tensor") {
  std::vector<TinyTensor> tensors = large_network();
  const float bad = std::numeric_limits<float>::infinity();
  for (const std::size_t element : {std::size_t{312'345}, std::size_t{399'999}})
    tensors[0].bytes.replace(element * 4, 4, reinterpret_cast<const char*>(&bad), 4);
  for (const unsigned threads : {1U, 3U}) {
    Job job(kSchemes[0], threads, 0, "safetensors", tensors);
    const std::string text = refusal([&] { job.run(); }, ErrorCode::quantization);
    CHECK(contains(text, "\"first.weight\" holds 2 values that are not finite"));
    CHECK(contains(text, "the first at element 312345"));
    CHECK_FALSE(std::filesystem::exists(job.artifact()));
  }
}

TEST_CASE("the plan's memory does not grow with a tensor that goes in blocks") {
  const auto peak = [](std::int64_t rows) {
    Job job(kSchemes[0], 2, 0, "safetensors", {random_f32("a.weight", {rows, 1000}, 1)});
    return job.plan().peak_memory_bytes;
  };
  CHECK(peak(4000) == peak(2000));
  CHECK(peak(2000) < (24U << 20U) + 2 * (4U << 20U));
}

TEST_CASE("what validation reads back whole is part of the plan's memory") {
  const std::vector<TinyTensor> large{random_f32("a.weight", {20'000, 1000}, 1)};
  Job parts(kSchemes[0], 2, 0, "safetensors", large);
  Job whole(kSchemes[0], 2, 0, "state_dict", large);
  CHECK(whole.plan().tensors[0].block_rows != 0);
  CHECK(whole.plan().peak_memory_bytes >= (24U << 20U) + 2 * 20'000'000);
  CHECK(parts.plan().peak_memory_bytes < whole.plan().peak_memory_bytes);
}

TEST_CASE("a limit makes the blocks smaller, and one that cannot be kept refuses the plan") {
  const Plan free = Job(kSchemes[0], 2).plan();
  const std::uint64_t limit = free.peak_memory_bytes - (1U << 20U);
  const Plan limited = Job(kSchemes[0], 2, limit).plan();
  CHECK(limited.peak_memory_bytes <= limit);
  CHECK(limited.tensors[0].block_rows < free.tensors[0].block_rows);
  Job impossible(kSchemes[0], 2, 1U << 20U);
  CHECK(contains(refusal([&] { impossible.plan(); }, ErrorCode::config), "the limit is 1.05 MB"));
}

TEST_CASE("a tensor is taken whole where its rows depend on one another") {
  for (const std::string scheme :
       {R"({"quantizer": {"id": "int8", "params": {"granularity": "per_tensor"}}})",
        R"({"quantizer": {"id": "int8", "params": {"axis": 1}}})"}) {
    Job job(scheme, 2);
    const Plan plan = job.plan();
    CHECK(plan.tensors[0].block_rows == 0);
    CHECK(plan.tensors[1].block_rows != 0);  // it is kept
    CHECK(job.run().validation.passed());
  }
}

}  // namespace detent::test
