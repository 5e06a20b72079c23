// SPDX-License-Identifier: Apache-2.0
// A run with the hostile plugin, in a folder of its own.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "support/json_at.hpp"
#include "support/program.hpp"

namespace detent::test {

// What is done wrong, where ("fc1": only on what is called so), and in which operation.
struct Wrong {
  std::string what;
  std::string on = "";
  std::string in = "";
};

// Writes out/model.safetensors (or out/model.bin, of the hostile serializer), where something from
// earlier lies already, and out/report.json.
class HostileJob {
 public:
  // kind: of the plugin that does wrong; the others are built in, or do right.
  HostileJob(const std::string& kind, const Wrong& wrong, const std::string& runtime);

  Outcome run() const;
  json::Value report() const;
  // Is the earlier output as it was, and nothing else beside it?
  bool is_untouched() const;
  // Processes that still hold the job's plugin.
  std::vector<std::string> left_behind() const;
  const std::filesystem::path& folder() const { return folder_.path(); }

 private:
  TempFolder folder_;
  std::filesystem::path output_;
};

}  // namespace detent::test
