// SPDX-License-Identifier: Apache-2.0
// Running the detent program from a test, as a user would.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

namespace detent::test {

struct Outcome {
  int exit_code = -1;  // 128 + signal when it was killed by one
  std::string out;
  std::string err;
};

// The built program with the built plugins and without what the user's environment would add.
// environment: "NAME=value", added.
Outcome run_detent(const std::vector<std::string>& arguments,
                   const std::vector<std::string>& environment = {});

// A folder that is removed with everything in it.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  std::vector<std::string> names() const;  // of everything below, relative, sorted

 private:
  std::filesystem::path path_;
};

std::string read_file(const std::filesystem::path& path);
void write_file(const std::filesystem::path& path, const std::string& text);

}  // namespace detent::test
