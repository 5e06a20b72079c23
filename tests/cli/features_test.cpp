// SPDX-License-Identifier: Apache-2.0
// Promises of docs/features that no other test looks at from outside, by the program alone.
#include <cmath>
#include <cstring>
#include <set>

#include "support/catch.hpp"
#include "support/json_at.hpp"
#include "support/program.hpp"
#include "support/tiny_model.hpp"

namespace detent::test {
namespace {

constexpr const char* kObservers[] = {"minmax", "ema", "histogram"};

std::string pipeline(const std::string& rules) {
  return R"({"model": {"path": "model.safetensors"}, "rules": )" + rules +
         R"(, "outputs": [{"serializer": "safetensors", "path": "out.safetensors"}],
            "report": {"path": "report"}})";
}

std::string weights(const std::string& quantizer, const std::string& observer = "") {
  return "[{\"weight\": {" + (observer.empty() ? "" : "\"observer\": " + observer + ", ") +
         "\"quantizer\": " + quantizer + "}}]";
}

struct Job {
  explicit Job(const std::string& rules, const std::vector<TinyTensor>& model = tiny_network()) {
    write_safetensors(folder / "model.safetensors", model);
    write_file(folder / "p.json", pipeline(rules));
  }
  Outcome run(std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"run", (folder / "p.json").string()});
    return run_detent(more);
  }
  json::Value report() const {
    const Outcome outcome = run({"--json", "--overwrite"});
    INFO(outcome.err);
    REQUIRE(outcome.exit_code == 0);
    return json::parse(outcome.out);
  }
  json::Value header() const {
    return json::parse(read_raw_safetensors(folder / "out.safetensors").header);
  }
  TempFolder folder;
};

json::Value try_observer(const std::string& name, const std::filesystem::path& data,
                         const std::string& params = "{}") {
  const Outcome outcome =
      run_detent({"plugins", "try", name, "--data", data.string(), "--params", params, "--json"});
  INFO(outcome.err);
  REQUIRE(outcome.exit_code == 0);
  return json::parse(outcome.out);
}

std::vector<std::string> keys(const json::Value& v) {
  std::vector<std::string> all;
  for (const json::Member& m : *v.if_object()) all.push_back(m.key);
  return all;
}

std::set<std::string> selected(const json::Value& report) {
  std::set<std::string> names;
  for (const json::Value& n : list(report, "/selected")) names.insert(*n.if_string());
  return names;
}

// The 16 high bits of each float: its bfloat16, where they are all that counts.
TinyTensor as_bf16(const TinyTensor& t) {
  TinyTensor out{t.name, "BF16", t.shape, ""};
  for (std::size_t i = 0; i < t.bytes.size(); i += 4) out.bytes += t.bytes.substr(i + 2, 2);
  return out;
}

// Of multiples of 1/4 below 8: exact in float16, whose bits are put together here by hand.
TinyTensor as_f16(const TinyTensor& t) {
  TinyTensor out{t.name, "F16", t.shape, ""};
  for (std::size_t i = 0; i < t.bytes.size(); i += 4) {
    std::uint32_t f = 0;
    std::memcpy(&f, t.bytes.data() + i, 4);
    const std::uint32_t exponent = (f >> 23U) & 0xFFU;
    const std::uint32_t half =
        exponent == 0 ? 0 : ((exponent - 112U) << 10U) | ((f >> 13U) & 0x3FFU);
    const std::uint32_t bits = half | ((f >> 16U) & 0x8000U);
    out.bytes += {static_cast<char>(bits & 0xFFU), static_cast<char>(bits >> 8U)};
  }
  return out;
}

TinyTensor quarters(const std::string& name, unsigned seed) {
  std::vector<float> values(200);
  unsigned state = seed;
  for (float& v : values) {
    state = state * 1664525U + 1013904223U;
    v = static_cast<float>(static_cast<int>((state >> 16U) % 63U) - 31) / 4.0F;
  }
  return f32(name, {200}, values);
}

}  // namespace

TEST_CASE("observers are interchangeable: one configuration, one form of answer",
          "[cli][features]") {
  const Job job(weights("\"int8\"", "\"minmax\""));
  std::set<std::vector<std::string>> forms, layer_forms;
  for (const char* observer : kObservers) {
    CAPTURE(observer);
    const Outcome outcome = job.run(
        {"--json", "--overwrite", "--set", std::string("/rules/0/weight/observer=") + observer});
    REQUIRE(outcome.exit_code == 0);
    const json::Value report = json::parse(outcome.out);
    forms.insert(keys(report));
    const json::Value& fc1 = item(report, "/layers", "name", "fc1");
    CHECK(text(fc1, "/observer") == observer);
    CHECK(number(fc1, "/sqnr_db") > 25);
    layer_forms.insert(keys(fc1));
  }
  CHECK(forms.size() == 1);
  CHECK(layer_forms.size() == 1);
}

TEST_CASE("what no parameter can be is refused before the model is opened", "[cli][features]") {
  struct Case {
    const char *plugin, *key, *value, *says;
  };
  const TempFolder folder;  // there is no model: that would be exit code 5
  for (const Case& c :
       {Case{"ema", "averaging_constant", "0", "averaging_constant"},
        Case{"ema", "averaging_constant", "-1", "averaging_constant"},
        Case{"ema", "averaging_constant", "1.01", "averaging_constant"},
        Case{"ema", "averaging_constant", "NaN", "averaging_constant"},
        Case{"ema", "averaging_constant", "\"x\"", "averaging_constant"},
        Case{"histogram", "bins", "0", "bins"}, Case{"histogram", "bins", "-5", "bins"},
        Case{"histogram", "bins", "1.5", "bins"}, Case{"histogram", "bins", "\"a\"", "bins"},
        Case{"histogram", "bins", "1099511627776", "bins"},
        Case{"int8", "dtype", "\"qint4\"", "\"int8\" or \"uint8\""},
        Case{"int8", "granularity", "\"per_row\"", "\"per_tensor\""},
        Case{"int8", "symetric", "true", "did you mean \"symmetric\""},
        Case{"int4_groupwise", "group_size", "0", "group_size"},
        Case{"int4_groupwise", "group_size", "-1", "group_size"},
        Case{"int4_groupwise", "group_size", "\"x\"", "group_size"},
        Case{"minmax", "bins", "64", "minmax"}}) {
    const bool observer = std::string(c.plugin) == "ema" || std::string(c.plugin) == "histogram" ||
                          std::string(c.plugin) == "minmax";
    const std::string use = std::string(R"({"id": ")") + c.plugin + R"(", "params": {")" + c.key +
                            "\": " + (std::string(c.value) == "NaN" ? "\"NaN\"" : c.value) + "}}";
    write_file(folder / "p.json", pipeline(observer ? weights("\"int8\"", use) : weights(use)));
    const Outcome outcome = run_detent({"run", (folder / "p.json").string()});
    INFO(use << '\n' << outcome.err);
    CHECK(outcome.exit_code == 2);
    CHECK(outcome.err.find(c.says) != std::string::npos);
    CHECK(outcome.err.find("p.json:1:") != std::string::npos);
  }
}

TEST_CASE("float16 and bfloat16 data give the parameters of the same numbers in float32",
          "[cli][features]") {
  const TempFolder folder;
  const std::vector<TinyTensor> batches{quarters("b0", 1), quarters("b1", 2)};
  write_safetensors(folder / "f32.safetensors", batches);
  write_safetensors(folder / "f16.safetensors", {as_f16(batches[0]), as_f16(batches[1])});
  write_safetensors(folder / "bf16.safetensors", {as_bf16(batches[0]), as_bf16(batches[1])});
  for (const char* observer : kObservers) {
    CAPTURE(observer);
    const json::Value expected = try_observer(observer, folder / "f32.safetensors");
    CHECK(number(expected, "/max/0") > 7);
    for (const char* dtype : {"f16", "bf16"}) {
      CAPTURE(dtype);
      const json::Value got =
          try_observer(observer, folder / (std::string(dtype) + ".safetensors"));
      for (const char* key : {"/scale", "/zero_point", "/min", "/max", "/observed"})
        CHECK(json::dump(at(got, key)) == json::dump(at(expected, key)));
    }
  }
}

TEST_CASE("every spelling and alias of an observer is that observer", "[cli][features]") {
  struct Names {
    const char* id;
    std::vector<const char*> names;
  };
  for (const Names& n :
       {Names{"minmax", {"MinMax", "min_max", "MIN-MAX", "minmaxobserver", "MinMaxObserver"}},
        Names{"ema",
              {"EMA", "movingaverage", "moving_average", "MovingAverageMinMax",
               "moving_average_min_max", "movingaverageminmaxobserver"}},
        Names{"histogram", {"Histogram", "histogram_observer", "HistogramObserver", "kl", "KL"}}})
    for (const char* name : n.names) {
      CAPTURE(name);
      const Outcome outcome = run_detent({"plugins", "show", name, "--json"});
      REQUIRE(outcome.exit_code == 0);
      const json::Value shown = json::parse(outcome.out);
      CHECK(text(shown, "/id") == n.id);
      CHECK(text(shown, "/description").size() > 20);  // when to use it
    }
}

TEST_CASE("auto says that it is experimental and what it chose", "[cli][features]") {
  struct Case {
    const char *observer, *chosen;
  };
  for (const Case& c : {Case{R"("auto")", "minmax"},
                        Case{R"({"id": "auto", "params": {"averaging_constant": 0.1}})", "ema"},
                        Case{R"({"id": "AUTO", "params": {"bins": 512}})", "histogram"}}) {
    CAPTURE(c.observer);
    const json::Value report = Job(weights("\"int8\"", c.observer)).report();
    CHECK(text(item(report, "/layers", "name", "fc1"), "/observer") == c.chosen);
    const std::string warning =
        text(item(report, "/warnings", "code", "auto_observer"), "/message");
    CHECK(warning.find("experimental") != std::string::npos);
    CHECK(warning.find(c.chosen) != std::string::npos);
  }
  const Outcome both =
      Job(weights("\"int8\"",
                  R"({"id": "auto", "params": {"averaging_constant": 0.1, "bins": 512}})"))
          .run();
  CHECK(both.exit_code == 2);
  CHECK(both.err.find("\"auto\" cannot choose") != std::string::npos);
}

TEST_CASE("an unknown observer is an error that quotes it and lists those that are installed",
          "[cli][features]") {
  const Outcome outcome = Job(weights("\"int8\"", "\"mean\"")).run();
  CHECK(outcome.exit_code == 2);
  CHECK(outcome.err.find("unknown observer \"mean\"") != std::string::npos);
  for (const char* observer : kObservers) CHECK(outcome.err.find(observer) != std::string::npos);
}

TEST_CASE("codes take the place that their bits promise, and the report says the bits",
          "[cli][features]") {
  std::vector<TinyTensor> mlp;
  double float_bytes = 0;
  unsigned seed = 0;
  for (const auto& [name, out, in] :
       {std::tuple{"fc1", 256, 784}, std::tuple{"fc2", 128, 256}, std::tuple{"fc3", 10, 128}}) {
    mlp.push_back(random_f32(std::string(name) + ".weight", {out, in}, ++seed));
    mlp.push_back(random_f32(std::string(name) + ".bias", {out}, ++seed));
    float_bytes += 4.0 * out * (in + 1);
  }
  struct Case {
    const char *quantizer, *dtype;
    int bits;
    double most;  // of the float32 size
  };
  for (const Case& c :
       {Case{R"("int8")", "I8", 8, 0.27},
        Case{R"({"id": "int8", "params": {"dtype": "uint8"}})", "U8", 8, 0.27},
        Case{R"("int4_groupwise")", "U8", 4, 0.14}, Case{R"("fp16")", "F16", 16, 0.501}}) {
    CAPTURE(c.quantizer);
    const Job job(weights(c.quantizer), mlp);
    const json::Value report = job.report();
    CHECK(number(report, "/totals/bytes_before") == float_bytes);
    CHECK(number(report, "/totals/bytes_after") <= c.most * float_bytes);
    CHECK(number(item(report, "/layers", "name", "fc1"), "/bits") == c.bits);
    CHECK(text(job.header(), "/fc1.weight/dtype") == c.dtype);
  }
}

TEST_CASE("per_tensor has one scale, per channel one for each, and the default is in the report",
          "[cli][features]") {
  const Job job(weights(R"({"id": "int8", "params": {"granularity": "per_tensor"}})"));
  job.report();
  CHECK(json::dump(at(job.header(), "/fc1.weight_scale/shape")) == "[]");
  const Job channels(weights("\"int8\""));
  const json::Value report = channels.report();
  CHECK(json::dump(at(channels.header(), "/fc1.weight_scale/shape")) == "[32]");
  const std::string params = "/config/value/rules/0/weight/quantizer/params";
  CHECK(text(report, params + "/granularity") == "per_channel");
  CHECK(json::dump(at(report, params + "/symmetric")) == "true");
  CHECK(text(report, "/config/origins/~1rules~10~1weight~1quantizer~1params~1symmetric") ==
        "plugin default");
}

TEST_CASE("the same rules select the same layers whatever the quantizer", "[cli][features]") {
  const std::string rules =
      R"([{"match": {"type": ["Linear", "Conv2d", "Embedding"], "min_params": 300},
           "exclude": {"name": "lm_head"}, "weight": {"quantizer": )";
  const std::set<std::string> expected{"embed", "fc1"};
  for (const char* quantizer :
       {"\"int8\"", R"({"id": "int4_groupwise", "params": {"default_skip": false}})", "\"fp16\""}) {
    CAPTURE(quantizer);
    CHECK(selected(Job(rules + quantizer + "}}]").report()) == expected);
  }
}

TEST_CASE("4 bits leave embeddings, norms, small layers and lm_head alone unless told otherwise",
          "[cli][features]") {
  std::vector<TinyTensor> model = tiny_network();
  model.push_back(random_f32("model.lm_head.weight", {20, 32}, 21));
  const auto of = [&](const std::string& quantizer) {
    return selected(Job(weights(quantizer), model).report());
  };
  CHECK(of("\"int4_groupwise\"") == std::set<std::string>{"fc1"});
  const std::set<std::string> all{"conv1", "embed", "fc1", "lm_head", "model.lm_head"};
  CHECK(of("\"int8\"") == all);
  CHECK(of(R"({"id": "int4_groupwise", "params": {"default_skip": false}})") == all);
}

TEST_CASE("selected and skipped layers are all layers, each once, each skipped with its reason",
          "[cli][features]") {
  for (const std::string& rules :
       {std::string("[]"), weights("\"int8\""), weights("\"int4_groupwise\""), weights("\"fp16\""),
        std::string(R"([{"match": {"name": "*1"}, "keep": true}, {"match": {"type": "Linear"},
                         "exclude": {"name": "lm_head"}, "weight": {"quantizer": "int8"}}])")}) {
    CAPTURE(rules);
    const json::Value report = Job(rules).report();
    std::multiset<std::string> names, layers;
    for (const json::Value& n : list(report, "/selected")) names.insert(*n.if_string());
    for (const json::Value& s : list(report, "/skipped")) {
      CHECK_FALSE(text(s, "/reason").empty());
      names.insert(text(s, "/name"));
    }
    for (const json::Value& l : list(report, "/layers")) layers.insert(text(l, "/name"));
    CHECK(names == layers);
    CHECK(layers == std::multiset<std::string>{"", "conv1", "embed", "fc1", "lm_head", "norm"});
  }
}

TEST_CASE("nothing to quantize is a warning, and with --strict an error that writes nothing",
          "[cli][features]") {
  const Job job(R"([{"match": {"type": "LayerNorm"}, "weight": {"quantizer": "int8"}}])");
  const Outcome strict = job.run({"--strict"});
  CHECK(strict.exit_code == 2);
  CHECK(strict.err.find("no tensor of this model is quantized") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(job.folder / "out.safetensors"));
  CHECK_NOTHROW(item(job.report(), "/warnings", "code", "nothing_to_quantize"));
}

}  // namespace detent::test
