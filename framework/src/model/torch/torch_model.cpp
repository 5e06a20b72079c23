// SPDX-License-Identifier: Apache-2.0
#include "model/torch/torch_model.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <tuple>
#include <unordered_set>

#include "base/error.hpp"
#include "base/text.hpp"
#include "model/infer_layers.hpp"
#include "model/refuse.hpp"
#include "model/torch/script_module.hpp"

namespace detent {
namespace {

// Views that repeat elements, or lie over one another, can be larger than the file that holds
// them: by this factor, and by as much at least.
constexpr std::uint64_t kMaxExpansion = 16;
constexpr std::uint64_t kFreeExpansion = 16'000'000;

using Place = std::tuple<std::uint64_t, detent_dtype, std::vector<std::int64_t>,
                         std::vector<std::int64_t>>;  // first element, dtype, shape, strides

}  // namespace

TorchModel::TorchModel(TorchFile file, const ModelOptions& options)
    : format_(file.format),
      source_(file.source),
      metadata_(file.extra_texts()),
      paths_{file.source->file.path()} {
  std::vector<Placed> placed;
  std::map<std::string, std::string> types;
  if (format_ == TorchFormat::torchscript) {
    ScriptTensors found = find_script_tensors(file);
    place(file, file.data, found.attributes, &placed);
    place(file, found.constant_pickle, found.constants, &placed);
    types = std::move(found.types);
  } else {
    place(file, file.data, find_state_dict(file, &notes_), &placed);
  }
  keep(std::move(placed));
  check_total(source_->stamp.size);
  infer_layers(tensors_, {}, options, &notes_, types);
  for (std::size_t i = 0; i < tensors_.size(); ++i) by_name_.emplace(tensors_[i].name, i);
}

std::string TorchModel::format() const {
  switch (format_) {
    case TorchFormat::torchscript: return "torchscript";
    case TorchFormat::legacy: return "torch-state-dict-legacy";
    default: return "torch-state-dict";
  }
}

void TorchModel::place(const TorchFile& file, const TorchPickle& pickle,
                       const std::vector<FoundTensor>& found, std::vector<Placed>* placed) const {
  std::unordered_set<std::string_view> names;
  for (const FoundTensor& f : found) {
    if (!names.insert(f.name).second)
      refuse(file.path(), fmt::format("two tensors are named {}", shown(f.name)), {}, f.name);
    placed->push_back({f.name, file.place(pickle, *f.tensor, f.name)});
  }
}

// A tensor that is in the same place as one before it is another name of that one.
void TorchModel::keep(std::vector<Placed> placed) {
  std::map<Place, std::size_t> first_at;
  std::vector<std::size_t> kept;
  for (std::size_t i = 0; i < placed.size(); ++i) {
    const StridedTensor& t = placed[i].tensor;
    const auto [first, is_new] = first_at.emplace(Place{t.first, t.dtype, t.shape, t.strides}, i);
    if (is_new || t.nbytes == 0) {
      kept.push_back(i);
    } else {
      aliases_.emplace_back(placed[i].name, placed[first->second].name);
    }
  }
  std::stable_sort(kept.begin(), kept.end(), [&](std::size_t a, std::size_t b) {
    return placed[a].tensor.first < placed[b].tensor.first;
  });
  for (const std::size_t i : kept) {
    TensorInfo info;
    info.name = std::move(placed[i].name);
    info.dtype = placed[i].tensor.dtype;
    info.shape = placed[i].tensor.shape;
    info.nbytes = placed[i].tensor.nbytes;
    info.offset = placed[i].tensor.first;
    tensors_.push_back(std::move(info));
    places_.push_back(std::move(placed[i].tensor));
  }
}

void TorchModel::check_total(std::uint64_t file_size) const {
  std::uint64_t limit = 0, total = 0;
  if (__builtin_mul_overflow(file_size, kMaxExpansion, &limit)) limit = UINT64_MAX / 2;
  limit += kFreeExpansion;
  for (const TensorInfo& t : tensors_) {
    if (!__builtin_add_overflow(total, t.nbytes, &total) && total <= limit) continue;
    refuse(
        paths_.front().string(),
        fmt::format("tensor {}: views of the same values, taken apart, are more than {} times as "
                    "large as the file",
                    shown(t.name), kMaxExpansion),
        "save them as tensors of their own: t.clone()", t.name);
  }
}

const TensorInfo* TorchModel::find(std::string_view name) const {
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : &tensors_[it->second];
}

void TorchModel::read(const TensorInfo& tensor, std::span<std::byte> out) const {
  const auto it = by_name_.find(tensor.name);
  if (it == by_name_.end())
    throw Error(ErrorCode::unexpected,
                fmt::format("tensor {} is not of this model", shown(tensor.name)));
  read_strided(*source_, places_[it->second], tensor.name, out);
}

}  // namespace detent
