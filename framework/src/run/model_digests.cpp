// SPDX-License-Identifier: Apache-2.0
#include "run/model_digests.hpp"

#include <algorithm>

#include "base/cancel.hpp"

namespace detent {
namespace {

std::size_t files_with_tensors(const Model& model) {
  std::size_t count = 0;
  for (const TensorInfo& t : model.tensors()) count = std::max<std::size_t>(count, t.file + 1);
  return count;
}

}  // namespace

ModelDigests::ModelDigests(const Model& model)
    : bytes_(*model.file_bytes()), files_(files_with_tensors(model)) {}

void ModelDigests::passed(const TensorInfo& tensor, std::uint64_t from,
                          std::span<const std::byte> bytes) {
  FileHash& file = files_[tensor.file];
  const std::uint64_t begin = tensor.offset + from;
  if (bytes.empty() || !file.in_order) return;
  if (begin < file.at) {
    file.in_order = false;
    return;
  }
  read_up_to(tensor.file, begin);
  file.hash.update(bytes);
  file.at = begin + bytes.size();
}

void ModelDigests::read_up_to(std::uint32_t index, std::uint64_t end) {
  constexpr std::uint64_t kBlock = 1U << 20U;
  FileHash& file = files_[index];
  while (file.at < end) {
    check_cancelled();
    block_.resize(std::min(kBlock, end - file.at));
    bytes_.read(index, file.at, block_);
    file.hash.update(block_);
    file.at += block_.size();
  }
}

std::vector<std::string> ModelDigests::finish() {
  std::vector<std::string> digests;
  for (std::uint32_t i = 0; i < files_.size(); ++i) {
    if (!files_[i].in_order) files_[i] = FileHash();
    read_up_to(i, bytes_.size(i));
    digests.push_back(files_[i].hash.digest());
  }
  return digests;
}

}  // namespace detent
