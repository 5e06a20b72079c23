// SPDX-License-Identifier: Apache-2.0
// Staging: files are written beside their target and moved into place only when all is well.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

namespace detent {

enum class Overwrite { refuse, replace };

// A hidden folder in the target's own folder (so that a rename is atomic), removed with everything
// in it unless its files were committed. Folders that had to be made for the target are removed
// again too when nothing came of it.
class Staging {
 public:
  // target: a file, or a folder when it ends in '/' or is one; `default_name` then names the file.
  // Errors  Error{io}: the folder cannot be made or written, the target exists and may not be
  // replaced
  Staging(const std::filesystem::path& target, const std::string& default_name,
          Overwrite overwrite);
  ~Staging();
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  const std::filesystem::path& folder() const { return folder_; }  // write here
  const std::string& name() const { return name_; }                // of the main file
  std::filesystem::path target() const { return parent_ / name_; }
  std::filesystem::path staged() const { return folder_ / name_; }

  // Moves the files, which are synced already, to the target's folder and syncs it. The main file
  // goes last: an index never points at shards that are not there.
  void commit(const std::vector<std::string>& files);

 private:
  std::filesystem::path parent_;
  std::string name_;
  std::filesystem::path folder_;
  std::vector<std::filesystem::path> made_;  // parents, outermost first
  Overwrite overwrite_;
};

}  // namespace detent
