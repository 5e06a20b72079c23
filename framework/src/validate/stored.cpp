// SPDX-License-Identifier: Apache-2.0
#include "validate/stored.hpp"

#include <algorithm>

namespace detent {

StoredTensors::StoredTensors(const Artifact& artifact, const TensorPlan& plan,
                             const TensorInfo& info, const std::vector<ActivationPlan>& activations,
                             const DigestOf& intended)
    : model_(artifact.model()) {
  if (!plan.quantize) add(info.name, "", info.dtype, info.shape, intended);
  for (std::size_t i = 0; i < plan.stored.size(); ++i) {
    const PlannedTensor& planned = plan.quantizer.outputs[i];
    add(plan.stored[i].name, planned.name, planned.dtype, planned.shape, intended);
  }
  // Scale and zero point of the activations of the weight's operators: their bytes are compared.
  for (const ActivationPlan& a : activations) {
    if (a.weight != info.name) continue;
    for (const StoredName& s : a.stored) {
      const TensorInfo* found = model_.find(s.name);
      if (found != nullptr) {
        add(s.name, "", found->dtype, found->shape, intended);
      } else {
        add(s.name, "", DETENT_F32, {0}, intended);
      }
    }
  }
}

void StoredTensors::add(const std::string& name, const std::string& output, detent_dtype dtype,
                        const std::vector<std::int64_t>& shape, const DigestOf& intended) {
  Stored s;
  s.name = name;
  s.output = output;
  s.dtype = dtype;
  s.shape = shape;
  if (const auto it = intended.find(name); it != intended.end())
    s.digest_intended = "xxh3-128:" + it->second;
  const TensorInfo* info = model_.find(name);
  const bool packed = DETENT_DTYPE_BITS(dtype) < 8;
  const std::uint64_t nbytes =
      detent_nbytes(dtype, static_cast<std::int32_t>(shape.size()), shape.data());
  if (info != nullptr && info->nbytes == nbytes && info->dtype == (packed ? DETENT_U8 : dtype))
    s.found = info;
  all_.push_back(std::move(s));
}

bool StoredTensors::has_rows() const {
  return model_.file_bytes() != nullptr &&
         std::all_of(all_.begin(), all_.end(), [&](const Stored& s) {
           return !s.shape.empty() && s.shape[0] > 0 && s.shape[0] == all_.front().shape[0];
         });
}

void StoredTensors::read(std::uint64_t first, std::uint64_t count, bool whole) {
  block_.clear();
  others_.clear();
  for (Stored& s : all_) {
    s.rows = nullptr;
    if (s.found == nullptr) continue;
    std::vector<std::int64_t> shape = s.shape;
    if (!whole) shape[0] = static_cast<std::int64_t>(count);
    TensorStore& store = s.output.empty() ? others_ : block_;
    HostTensor& rows = store.add(s.output.empty() ? s.name : s.output, s.dtype, shape);
    if (whole) {
      model_.read(*s.found, rows.bytes());
    } else {
      const std::uint64_t row_bytes = s.found->nbytes / static_cast<std::uint64_t>(s.shape[0]);
      model_.file_bytes()->read(s.found->file, s.found->offset + first * row_bytes, rows.bytes(),
                                s.name);
    }
    s.hash.update(rows.bytes());
    s.rows = &rows;
  }
}

void StoredTensors::end() {
  for (Stored& s : all_)
    if (s.found != nullptr) s.digest_found = s.hash.digest();
}

bool StoredTensors::intact() const {
  return std::all_of(all_.begin(), all_.end(), [](const Stored& s) {
    return s.found != nullptr && s.digest_found == s.digest_intended;
  });
}

}  // namespace detent
