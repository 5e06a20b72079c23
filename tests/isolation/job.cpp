// SPDX-License-Identifier: Apache-2.0
#include "isolation/job.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>

#include "support/tiny_model.hpp"

namespace detent::test {
namespace {

namespace fs = std::filesystem;

constexpr const char* kEarlier = "from an earlier run";

std::string plugin_use(const std::string& kind, const Wrong& wrong, bool does_wrong,
                       const fs::path& forbidden) {
  const std::string params = !does_wrong
                                 ? ""
                                 : R"(, "params": {"do": ")" + wrong.what + R"(", "on": ")" +
                                       wrong.on + R"(", "in": ")" + wrong.in + R"(", "path": ")" +
                                       forbidden.string() + R"("})";
  return R"({"id": "hostile.)" + kind + '"' + params + "}";
}

std::string pipeline(const std::string& kind, const Wrong& wrong, const std::string& runtime,
                     const fs::path& folder) {
  const auto use = [&](const std::string& of) {
    return plugin_use(of, wrong, of == kind, folder / "forbidden");
  };
  const std::string weight = kind == "observer"
                                 ? R"("observer": )" + use(kind) + R"(, "quantizer": "int8")"
                             : kind == "quantizer" ? R"("quantizer": )" + use(kind)
                                                   : R"("quantizer": "int8")";
  const bool serializes = kind == "serializer";
  const std::string output =
      serializes ? R"({"serializer": )" + use(kind) + R"(, "path": "out/model.bin"})"
                 : R"({"serializer": "safetensors", "path": "out/model.safetensors"})";
  const std::string validators = kind == "validator" ? use(kind) : "";
  return R"({"model": {"path": "model.safetensors"},
    "plugins": {"search": ["plugins"]},
    "rules": [{"match": {"type": "Linear"}, "weight": {)" +
         weight + R"(}}],
    "outputs": [)" +
         output + R"(], "validation": {"validators": [)" + validators + R"(]},
    "report": {"path": "out"}, "runtime": {)" +
         runtime + "}}";
}

std::string command_line(const fs::path& process) {
  std::ifstream file(process / "cmdline", std::ios::binary);
  std::string all((std::istreambuf_iterator<char>(file)), {});
  std::replace(all.begin(), all.end(), '\0', ' ');
  return all;
}

}  // namespace

HostileJob::HostileJob(const std::string& kind, const Wrong& wrong, const std::string& runtime)
    : output_(folder_ / (kind == "serializer" ? "out/model.bin" : "out/model.safetensors")) {
  write_safetensors(folder_ / "model.safetensors", tiny_network());
  // A copy of its own: its processes can be told from those of others.
  fs::create_directories(folder_ / "plugins");
  fs::copy_file(DETENT_HOSTILE_PLUGIN, folder_ / "plugins/hostile.detent.so");
  fs::create_directories(folder_ / "out");
  write_file(output_, kEarlier);
  write_file(folder_ / "p.json", pipeline(kind, wrong, runtime, folder_.path()));
}

Outcome HostileJob::run() const {
  return run_detent({"run", (folder_ / "p.json").string(), "--overwrite"});
}

json::Value HostileJob::report() const {
  return json::parse(read_file(folder_ / "out/report.json"));
}

bool HostileJob::is_untouched() const {
  const std::vector<std::string> names = folder_.names();
  const auto made = std::count_if(names.begin(), names.end(), [](const std::string& name) {
    return name.rfind("out/", 0) == 0;
  });
  return read_file(output_) == kEarlier && made == 1 && !fs::exists(folder_ / "forbidden");
}

std::vector<std::string> HostileJob::left_behind() const {
  std::vector<std::string> found;
  const std::string plugin = (folder_ / "plugins/hostile.detent.so").string();
  for (const auto& entry : fs::directory_iterator("/proc")) {
    std::string line = command_line(entry.path());
    if (line.find(plugin) != std::string::npos) found.push_back(std::move(line));
  }
  return found;
}

}  // namespace detent::test
