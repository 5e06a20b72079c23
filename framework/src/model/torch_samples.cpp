// SPDX-License-Identifier: Apache-2.0
#include "model/torch_samples.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <fmt/format.h>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "base/text.hpp"
#include "model/refuse.hpp"
#include "model/torch/state_dict.hpp"
#include "model/torch/torch_file.hpp"

namespace detent {
namespace {

constexpr std::size_t kMaxRecords = 1'000'000;
constexpr std::size_t kMaxTensors = 4'000'000;  // of all records together
constexpr const char* kInput = "input";
constexpr const char* kTarget = "target";
constexpr const char* kForms =
    "torch.save([inputs, targets], path) with samples stacked on axis 0, or a list of (input, "
    "target) pairs, or a dictionary of tensors";

// What a record's tensor is, before all of the record are known.
struct Item {
  std::string name;
  StridedTensor tensor;                      // of a tensor
  std::optional<std::uint64_t> number = {};  // of a number: its 8 bytes, or 1
};

class Reader {
 public:
  explicit Reader(TorchFile file) : file_(std::move(file)), tree_(file_.data.tree) {}

  std::vector<SampleRecord> read() {
    const PickleId root = file_.data.root;
    if (!tree_.is_sequence(root) || is_pair(root)) {
      add(root, "");
    } else {
      const auto items = tree_.items(root);
      if (items.size() > kMaxRecords)
        refuse(file_.path(), fmt::format("holds {} records; at most {} are read",
                                         grouped(items.size()), grouped(kMaxRecords)));
      for (std::size_t i = 0; i < items.size(); ++i) add(items[i], fmt::format("[{}]", i));
    }
    if (records_.empty()) refuse(file_.path(), "holds no samples", kForms);
    return std::move(records_);
  }

 private:
  bool is_tensor(PickleId id) const { return tree_[id].kind == PickleKind::tensor; }
  bool is_number(PickleId id) const {
    const PickleKind kind = tree_[id].kind;
    return kind == PickleKind::integer || kind == PickleKind::real || kind == PickleKind::boolean;
  }
  bool is_pair(PickleId id) const {
    const auto items = tree_.items(id);
    return items.size() == 2 && is_tensor(items[0]) && (is_tensor(items[1]) || is_number(items[1]));
  }

  // place is where the record stands in the file: "", "[3]".
  void add(PickleId id, const std::string& place) {
    std::vector<Item> items;
    if (tree_[id].kind == PickleKind::dict) {
      add_dict(id, place, &items);
    } else if (tree_.is_sequence(id)) {
      add_sequence(id, place, &items);
    } else {
      items.push_back(item(kInput, id, place));
    }
    if (items.empty()) refuse_place(place, "holds nothing");
    total_ += items.size();
    if (total_ > kMaxTensors)
      refuse(file_.path(), fmt::format("holds more than {} tensors", grouped(kMaxTensors)));
    records_.push_back(record(std::move(items), place));
  }

  void add_sequence(PickleId id, const std::string& place, std::vector<Item>* items) {
    const auto parts = tree_.items(id);
    if (parts.size() > 2)
      refuse_place(
          place, fmt::format("has {} parts; a record is [input] or [input, target]", parts.size()),
          "give several inputs by name: {\"input_ids\": ..., \"attention_mask\": ...}");
    constexpr std::array kNames = {kInput, kTarget};
    for (std::size_t i = 0; i < parts.size(); ++i)
      items->push_back(item(kNames[i], parts[i], fmt::format("{}[{}]", place, i)));
  }

  void add_dict(PickleId id, const std::string& place, std::vector<Item>* items) {
    const auto entries = tree_.items(id);
    std::set<std::string_view> names;
    for (std::size_t i = 0; i + 1 < entries.size(); i += 2) {
      const PickleValue& key = tree_[entries[i]];
      if (key.kind != PickleKind::text)
        refuse_place(place, fmt::format("has a key that is {}", describe(tree_, entries[i])));
      const std::string name(key.text);
      check_tensor_name(name, file_.path());
      if (!names.insert(key.text).second)
        refuse_place(place, fmt::format("has the key {} twice", shown(name)));
      items->push_back(item(name, entries[i + 1], fmt::format("{}[{}]", place, shown(name))));
    }
  }

  Item item(std::string name, PickleId id, const std::string& place) const {
    const PickleValue& value = tree_[id];
    Item result;
    if (name == kInput && !is_tensor(id))
      refuse_place(place, fmt::format("is {}, not a tensor", describe(tree_, id)), kForms);
    switch (value.kind) {
      case PickleKind::tensor:
        result.tensor = file_.place(file_.data, tree_.tensor(value), place.empty() ? name : place);
        break;
      case PickleKind::boolean:
        result.tensor.dtype = DETENT_BOOL;
        result.tensor.nbytes = 1;
        result.number = static_cast<std::uint64_t>(value.integer);
        break;
      case PickleKind::integer:
        result.tensor.dtype = DETENT_I64;
        result.tensor.nbytes = 8;
        result.number = static_cast<std::uint64_t>(value.integer);
        break;
      case PickleKind::real:
        result.tensor.dtype = DETENT_F64;
        result.tensor.nbytes = 8;
        result.number = std::bit_cast<std::uint64_t>(value.real);
        break;
      default: refuse_place(place, fmt::format("is {}, not a tensor", describe(tree_, id)), kForms);
    }
    result.name = std::move(name);
    return result;
  }

  SampleRecord record(std::vector<Item> items, const std::string& place) const {
    const bool single = std::any_of(items.begin(), items.end(),
                                    [](const Item& i) { return i.tensor.shape.empty(); });
    SampleRecord result;
    for (Item& i : items) {
      if (single) {
        i.tensor.shape.insert(i.tensor.shape.begin(), 1);
        i.tensor.strides.insert(i.tensor.strides.begin(), 0);
      }
      const std::int64_t samples = i.tensor.shape.front();
      if (samples == 0) refuse_place(place, fmt::format("{} has no samples", shown(i.name)));
      result.tensors.push_back(sample(std::move(i)));
      if (samples != result.samples())
        refuse_place(
            place,
            fmt::format("{} has {} samples and {} has {}: axis 0 counts samples",
                        shown(result.tensors.front().name), result.samples(),
                        shown(result.tensors.back().name), samples),
            "stack samples: torch.save([torch.stack(inputs), torch.stack(targets)], path)");
    }
    return result;
  }

  SampleTensor sample(Item item) const {
    SampleTensor result;
    result.name = item.name;
    result.dtype = item.tensor.dtype;
    result.shape = item.tensor.shape;
    result.nbytes = item.tensor.nbytes;
    if (item.number) {
      result.read = [value = *item.number](std::int64_t, std::int64_t, std::span<std::byte> out) {
        std::memcpy(out.data(), &value, std::min(out.size(), sizeof value));
      };
    } else {
      result.read = [source = file_.source, tensor = std::move(item.tensor), name = item.name](
                        std::int64_t first, std::int64_t count, std::span<std::byte> out) {
        read_strided(*source, tensor.slice(first, count), name, out);
      };
    }
    return result;
  }

  [[noreturn]] void refuse_place(const std::string& place, const std::string& message,
                                 std::string hint = {}) const {
    refuse(file_.path(),
           place.empty() ? message : fmt::format("{} of the samples: {}", place, message),
           std::move(hint));
  }

  TorchFile file_;
  const PickleTree& tree_;
  std::vector<SampleRecord> records_;
  std::size_t total_ = 0;
};

}  // namespace

const SampleTensor* SampleRecord::find(std::string_view name) const {
  const auto it = std::find_if(tensors.begin(), tensors.end(),
                               [&](const SampleTensor& t) { return t.name == name; });
  return it == tensors.end() ? nullptr : &*it;
}

bool is_torch_file(const std::filesystem::path& path) {
  const File file = File::open_to_read(path);
  std::array<char, 4> first{};
  const auto length = std::min<std::uint64_t>(file.size(), first.size());
  file.read_at(0, std::as_writable_bytes(std::span(first).first(length)));
  return has_torch_magic({first.data(), length});
}

std::vector<SampleRecord> read_torch_samples(const std::filesystem::path& path) {
  TorchFile file = open_torch_file(File::open_to_read(path));
  if (file.format == TorchFormat::torchscript)
    refuse(file.path(), "is a model (TorchScript), not samples", kForms);
  return Reader(std::move(file)).read();
}

}  // namespace detent
