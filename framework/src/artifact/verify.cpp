// SPDX-License-Identifier: Apache-2.0
#include "artifact/verify.hpp"

#include <fmt/format.h>
#include <string_view>
#include <unordered_set>

#include "base/cancel.hpp"
#include "base/dtype.hpp"
#include "base/hash.hpp"
#include "plugin/answer_check.hpp"
#include "quantize/measure.hpp"

namespace detent {
namespace {

const json::Object& recorded_digests(const json::Value& digests, const Model& model) {
  const json::Value* algorithm = digests.at_pointer("/algorithm");
  const json::Value* tensors = digests.at_pointer("/tensors");
  const bool known = algorithm != nullptr && algorithm->if_string() != nullptr &&
                     *algorithm->if_string() == "xxh3-128";
  if (!known || tensors == nullptr || tensors->if_object() == nullptr)
    throw Error(
        ErrorCode::io,
        fmt::format("{} holds no record to verify it against", model.files().front().string()),
        "only files that detent wrote carry one");
  return *tensors->if_object();
}

std::uint64_t count_non_finite(const HostTensor& tensor, ThreadPool& pool) {
  if (!is_float(tensor.dtype())) return 0;
  return count_non_finite(tensor.dtype(), tensor.bytes(), pool).count;
}

Verification verify_foreign(const Artifact& artifact, ThreadPool& pool) {
  Verification result;
  result.digests = false;
  result.tensors = artifact.model().tensors().size();
  result.quantized = artifact.records().size();
  for (const TensorInfo* info : artifact.kept()) {
    check_cancelled();
    if (!is_float(info->dtype)) continue;
    result.non_finite += count_non_finite(*read_tensor(artifact.model(), *info), pool);
  }
  for (const LostWeight& w : artifact.lost())
    result.problems.push_back({w.name, "cannot be computed: " + w.reason});
  return result;
}

}  // namespace

// As a quantizer's answer is checked.
std::string wrong_in_stored(const TensorRecord& record, const TensorStore& stored) {
  QuantizerPlan promised;
  promised.target = record.scheme.target;
  for (const std::string& output : record.scheme.outputs) {
    const HostTensor& tensor = *stored.find(output);
    promised.outputs.push_back({output, tensor.dtype(), tensor.shape()});
  }
  return wrong_in_quantized(promised, stored);
}

Verification verify_artifact(const Artifact& artifact, ThreadPool& pool) {
  if (artifact.is_foreign()) return verify_foreign(artifact, pool);
  const Model& model = artifact.model();
  const json::Value group = artifact.group(kDigestsKey);
  const json::Object& digests = recorded_digests(group, model);
  Verification result;
  const std::vector<const TensorInfo*> kept = artifact.kept();
  const std::unordered_set<const TensorInfo*> is_kept(kept.begin(), kept.end());
  for (const json::Member& m : digests) {
    check_cancelled();
    const TensorInfo* info = model.find(m.key);
    if (info == nullptr) {
      result.problems.push_back({m.key, "is recorded, but missing in the file"});
      continue;
    }
    ++result.tensors;
    const auto tensor = read_tensor(model, *info);
    if (is_kept.contains(info)) result.non_finite += count_non_finite(*tensor, pool);
    const std::string found = xxh3(tensor->bytes());
    const std::string* recorded = m.value.if_string();
    if (recorded == nullptr || found != "xxh3-128:" + *recorded)
      result.problems.push_back({m.key, "its bytes are not the ones that were written"});
  }
  std::unordered_set<std::string_view> recorded;
  for (const json::Member& m : digests) recorded.insert(m.key);
  for (const TensorInfo& t : model.tensors())
    if (!recorded.contains(t.name))
      result.problems.push_back({t.name, "is in the file, but not recorded"});
  for (const TensorRecord& r : artifact.records()) {
    TensorStore stored;
    artifact.load(r, stored);
    const std::string wrong = wrong_in_stored(r, stored);
    if (!wrong.empty()) result.problems.push_back({r.name, wrong});
  }
  result.quantized = artifact.records().size();
  return result;
}

}  // namespace detent
