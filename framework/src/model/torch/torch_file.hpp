// SPDX-License-Identifier: Apache-2.0
// TorchFile: a file of torch.save or torch.jit.save, taken apart and checked, not yet interpreted.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "model/torch/pickle_tree.hpp"
#include "model/torch/strided.hpp"
#include "model/torch/zip_archive.hpp"

namespace detent {

enum class TorchFormat { torchscript, zip, legacy };

// A pickle and the storages that its tensors lie in.
struct TorchPickle {
  std::unique_ptr<const std::string> bytes;  // that the tree's texts lie in
  PickleTree tree;
  PickleId root = 0;
  std::string record;                                // "data.pkl", for messages
  std::unordered_map<std::string, Extent> storages;  // by key
};

struct TorchFile {
  TorchFormat format = TorchFormat::zip;
  std::shared_ptr<const SteadyFile> source;
  TorchPickle data;
  ZipArchive zip;  // without entries when the format is legacy

  std::string path() const { return source->file.path().string(); }
  // What _extra_files added, where it is text: (key, text).
  std::vector<std::pair<std::string, std::string>> extra_texts() const;
  // A further pickle of the archive: "constants" for constants.pkl and constants/...
  TorchPickle read_record(std::string_view name) const;
  // A record as text; empty when there is none.
  std::string read_text(std::string_view name) const;

  // Where a tensor of a pickle lies. name says which one it is in messages ("fc1.weight").
  // Errors  Error{io}: cannot be read, or reaches beyond its storage
  StridedTensor place(const TorchPickle& pickle, const PickledTensor& tensor,
                      const std::string& name) const;
};

// Do the first bytes look like a file of torch.save or torch.jit.save?
bool has_torch_magic(std::string_view first_bytes);

// Everything is read and compared with its checksum once, tensors too; no file of another kind, and
// nothing that is hidden in one, gets through.
//
// Errors  Error{io} with the file, the record, the byte in it, and the reason
TorchFile open_torch_file(File file);

}  // namespace detent
