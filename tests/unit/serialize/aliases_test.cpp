// SPDX-License-Identifier: Apache-2.0
// A shared weight from the model to the artefact: quantized once, and found under all its names.
#include <cstring>

#include "artifact/write_dequantized.hpp"
#include "json/parse.hpp"
#include "plugin/registry.hpp"
#include "report/report.hpp"
#include "run/run.hpp"
#include "support/catch.hpp"
#include "support/json_at.hpp"
#include "support/temp_folder.hpp"

namespace detent::test {
namespace {

using Names = std::vector<std::pair<std::string, std::string>>;

// Two matrices, the first of them shared by as many names as the test wants.
class TiedModel : public Model {
 public:
  explicit TiedModel(Names aliases) : aliases_(std::move(aliases)) {
    add("embed.weight", "Embedding");
    add("fc.weight", "Linear");
  }
  std::string format() const override { return "test"; }
  const std::vector<TensorInfo>& tensors() const override { return tensors_; }
  const Names& metadata() const override { return metadata_; }
  const std::vector<std::filesystem::path>& files() const override { return files_; }
  void read(const TensorInfo& tensor, std::span<std::byte> out) const override {
    std::vector<float> values(tensor.numel());
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 7) - 3.0F;
    std::memcpy(out.data(), values.data(), out.size());
  }
  const Names& aliases() const override { return aliases_; }
  Names metadata_{{"author", "somebody"}};

 private:
  void add(const std::string& name, const std::string& type) {
    TensorInfo t;
    t.name = name;
    t.dtype = DETENT_F32;
    t.shape = {4, 8};
    t.nbytes = 128;
    t.layer = name.substr(0, name.find('.'));
    t.type = type;
    t.param = "weight";
    tensors_.push_back(t);
  }
  std::vector<TensorInfo> tensors_;
  Names aliases_;
  std::vector<std::filesystem::path> files_;
};

const Registry& built_in() {
  static const Registry registry = Registry::scan({{DETENT_TEST_PLUGINS, "--plugin-path", false}});
  return registry;
}

class Job {
 public:
  explicit Job(const std::string& rule) {
    folder_.write("p.json", R"({"model": {"path": "m.safetensors"}, "rules": [)" + rule + R"(],
      "outputs": [{"serializer": "safetensors", "path": "out/model.safetensors"},
                  {"serializer": "state_dict", "path": "out/model.pt"},
                  {"serializer": "state_dict", "path": "folder/"}]})");
    config_ = load_config(folder_ / "p.json", {});
    check_plugins(config_, built_in());
  }
  RunFacts run(const Model& model) { return run_pipeline(config_, model, {}); }
  json::Value plan(const Model& model) {
    ThreadPool pool(1);
    return plan_to_json(make_plan(config_, model, nullptr, pool), model);
  }
  json::Value header() const {
    const std::string file = read("out/model.safetensors");
    std::uint64_t n = 0;
    std::memcpy(&n, file.data(), 8);
    return json::parse(file.substr(8, n));
  }
  std::filesystem::path path(const std::string& name) const { return folder_ / name; }
  std::string read(const std::string& name) const {
    std::ifstream in(path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

 private:
  TempFolder folder_;
  Config config_;
};

constexpr const char* kInt8 = R"({"weight": {"quantizer": "int8"}})";
constexpr const char* kKeep = R"({"keep": true})";

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++n;
  return n;
}

std::string pickle_of(const std::string& file) {
  return file.substr(0, file.find("archive/.format_version"));
}

}  // namespace

TEST_CASE("a shared weight is stored once and named in the metadata", "[aliases]") {
  Job job(kInt8);
  job.run(TiedModel(Names{{"head.weight", "embed.weight"}, {"out.weight", "embed.weight"}}));
  const json::Value header = job.header();
  const json::Value aliases = json::parse(text(header, "/__metadata__/aliases"));
  CHECK(json::dump(aliases) == R"({"head.weight":"embed.weight","out.weight":"embed.weight"})");
  CHECK(header.at_pointer("/embed.weight_scale") != nullptr);
  CHECK(header.at_pointer("/head.weight") == nullptr);
}

TEST_CASE("a state dict names the codes and the scale of a shared weight twice", "[aliases]") {
  Job job(kInt8);
  job.run(TiedModel(Names{{"head.weight", "embed.weight"}}));
  const std::string file = job.read("out/model.pt");
  const std::string pickle = pickle_of(file);
  for (const char* name : {"head.weight", "head.weight_scale", "embed.weight_scale"}) {
    CAPTURE(name);
    const std::string as_text =
        "X" + std::string(1, static_cast<char>(std::strlen(name))) + std::string(3, '\0') + name;
    CHECK(count(pickle, as_text + "ctorch._utils") == 1);
  }
  CHECK(count(pickle, "_rebuild_tensor_v2") == 6);  // two weights and scales, and two aliases
  CHECK(file.find("archive/data/3") != file.npos);
  CHECK(file.find("archive/data/4") == file.npos);
  CHECK(job.read("folder/model.pt") == file);  // named by the extension that the plugin writes
}

TEST_CASE("a kept shared weight keeps its names", "[aliases]") {
  Job job(kKeep);
  job.run(TiedModel(Names{{"head.weight", "embed.weight"}}));
  const std::string pickle = pickle_of(job.read("out/model.pt"));
  CHECK(count(pickle, "head.weight") == 1);
  CHECK(count(pickle, "_rebuild_tensor_v2") == 3);
}

TEST_CASE("a model without shared weights has no metadata of them", "[aliases]") {
  Job job(kInt8);
  TiedModel model(Names{});
  model.metadata_ = {{"aliases", "of the author"}};  // a key of the original's own
  job.run(model);
  CHECK(text(job.header(), "/__metadata__/aliases") == "of the author");
}

TEST_CASE("a shared weight that is made float again keeps its names", "[aliases]") {
  Job job(kInt8);
  job.run(TiedModel(Names{{"head.weight", "embed.weight"}}));
  const Artifact artifact = Artifact::open(job.path("out/model.safetensors"));
  CHECK(artifact.aliases() == Names{{"head.weight", "embed.weight"}});
  ThreadPool pool(1);
  write_dequantized(artifact, job.path("float.pt"), Overwrite::refuse, built_in(), pool);
  const std::string pickle = pickle_of(job.read("float.pt"));
  CHECK(count(pickle, "head.weight") == 1);
  CHECK(count(pickle, "_rebuild_tensor_v2") == 3);
}

TEST_CASE("aliases in a file's metadata that mean something else are passed over", "[aliases]") {
  for (const char* text : {"of the author", "[1]", R"({"head.weight": 1})", R"({"a": "nothing"})",
                           R"({"fc.weight": "embed.weight"})"}) {
    CAPTURE(text);
    Job job(kKeep);
    TiedModel model(Names{});
    model.metadata_ = {{"aliases", text}};
    job.run(model);
    CHECK(Artifact::open(job.path("out/model.safetensors")).aliases().empty());
  }
}

TEST_CASE("the plan lists the further names of a tensor", "[aliases]") {
  Job job(kInt8);
  const TiedModel model(Names{{"head.weight", "embed.weight"}, {"out.weight", "embed.weight"}});
  const json::Value plan = job.plan(model);
  CHECK(json::dump(at(item(plan, "/tensors", "name", "embed.weight"), "/aliases")) ==
        R"(["head.weight","out.weight"])");
  CHECK(list(item(plan, "/tensors", "name", "fc.weight"), "/aliases").empty());
}

TEST_CASE("a shared weight is selected under any of its names", "[aliases]") {
  const TiedModel model(Names{{"head.weight", "embed.weight"}});
  for (const char* name : {"head", "head.weight", "embed", "h*"}) {
    CAPTURE(name);
    Job job(R"({"match": {"name": ")" + std::string(name) + R"("}, "keep": true}, )" + kInt8);
    const json::Value plan = job.plan(model);
    CHECK(text(item(plan, "/tensors", "name", "embed.weight"), "/action") == "keep");
    CHECK(text(item(plan, "/tensors", "name", "fc.weight"), "/action") == "quantize");
    CHECK(list(plan, "/warnings").empty());
  }
}

TEST_CASE("an alias whose scale has the name of another tensor is refused", "[aliases]") {
  Job job(kInt8);
  for (const char* alias : {"fc.weight", "embed.weight_scale"}) {
    CAPTURE(alias);
    try {
      job.plan(TiedModel(Names{{alias, "embed.weight"}}));
      FAIL("planned");
    } catch (const Error& e) {
      CHECK(e.code() == ErrorCode::config);
      CHECK(std::string(e.what()).find(alias) != std::string::npos);
    }
  }
}

}  // namespace detent::test
