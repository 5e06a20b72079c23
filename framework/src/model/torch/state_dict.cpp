// SPDX-License-Identifier: Apache-2.0
#include "model/torch/state_dict.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <optional>
#include <utility>

#include "base/text.hpp"
#include "model/refuse.hpp"
#include "model/safetensors_entry.hpp"

namespace detent {
namespace {

constexpr std::array<std::string_view, 7> kWrappers = {
    "state_dict", "model_state_dict", "model", "module", "net", "network", "params"};
constexpr int kMaxDepth = 64;
constexpr std::size_t kMaxVisits = 8'000'000;  // a pickle can hold one dictionary many times

struct Entry {
  PickleId key;
  PickleId value;
  bool operator==(const Entry&) const = default;
};

class Finder {
 public:
  Finder(const TorchFile& file, std::vector<std::string>* notes)
      : file_(file), tree_(file.data.tree), notes_(notes) {}

  std::vector<FoundTensor> find() {
    PickleId root = file_.data.root;
    for (int depth = 0; depth < kMaxDepth; ++depth) {
      if (!is_dict(root)) refuse_root(root);
      if (const auto wrapped = wrapper(root)) return collect(root, {*wrapped}, false);
      if (holds_tensors(root)) {
        add(root, "", 0);
        return std::move(found_);
      }
      const std::vector<Entry> parts = entries(root, &Finder::holds_tensors);
      if (!parts.empty()) return collect(root, parts, parts.size() > 1);
      const std::vector<Entry> dicts = entries(root, &Finder::is_dict);
      if (dicts.size() != 1) break;
      root = dicts.front().value;
    }
    refuse(file_.path(), "holds no tensors by name",
           "torch.save(model.state_dict(), path) writes such a file");
  }

 private:
  bool is_dict(PickleId id) const { return tree_[id].kind == PickleKind::dict; }
  bool is_tensor(PickleId id) const { return tree_[id].kind == PickleKind::tensor; }
  bool is_anything(PickleId) const { return true; }

  // The entries of a dictionary whose values are of this kind.
  std::vector<Entry> entries(PickleId dict, bool (Finder::*kind)(PickleId) const) const {
    const auto items = tree_.items(dict);
    std::vector<Entry> result;
    for (std::size_t i = 0; i + 1 < items.size(); i += 2)
      if ((this->*kind)(items[i + 1])) result.push_back({items[i], items[i + 1]});
    return result;
  }

  bool holds_tensors(PickleId id) const {
    return is_dict(id) && !entries(id, &Finder::is_tensor).empty();
  }

  // Integers are keys too, of what was a list: "0.weight".
  std::string key_text(PickleId id) const {
    const PickleValue& key = tree_[id];
    if (key.kind == PickleKind::text) return std::string(key.text);
    if (key.kind == PickleKind::integer) return fmt::format("{}", key.integer);
    refuse(file_.path(),
           fmt::format("the key of a dictionary of tensors is {}", describe(tree_, id)));
  }

  std::optional<Entry> wrapper(PickleId dict) const {
    std::vector<Entry> found = entries(dict, &Finder::holds_tensors);
    std::erase_if(found, [&](const Entry& entry) {
      const std::string_view key = tree_[entry.key].text;
      return std::find(kWrappers.begin(), kWrappers.end(), key) == kWrappers.end();
    });
    return found.size() == 1 ? std::optional(found.front()) : std::nullopt;
  }

  [[noreturn]] void refuse_root(PickleId root) const {
    const std::string hint = tree_.is_sequence(root)
                                 ? "a list of tensors can be calibration data; a model is a "
                                   "dictionary: torch.save(model.state_dict(), path)"
                                 : "torch.save(model.state_dict(), path) writes such a file";
    refuse(file_.path(),
           fmt::format("holds {}, not a dictionary of tensors", describe(tree_, root)), hint);
  }

  std::vector<FoundTensor> collect(PickleId dict, const std::vector<Entry>& parts, bool with_key) {
    for (const Entry& part : parts) add(part.value, with_key ? key_text(part.key) + "." : "", 1);
    note_rest(dict, parts);
    return std::move(found_);
  }

  void add(PickleId dict, const std::string& prefix, int depth) {
    if (depth > kMaxDepth)
      refuse(file_.path(), fmt::format("has dictionaries nested deeper than {}", kMaxDepth));
    const auto items = tree_.items(dict);
    for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
      if (++visits_ > kMaxVisits) refuse(file_.path(), "has too many entries to look at");
      if (is_tensor(items[i + 1])) {
        add_tensor(prefix + key_text(items[i]), items[i + 1]);
      } else if (is_dict(items[i + 1])) {
        add(items[i + 1],
            prefix.size() > kMaxNameBytes ? prefix : prefix + key_text(items[i]) + ".", depth + 1);
      }
    }
  }

  void add_tensor(std::string name, PickleId id) {
    check_tensor_name(name, file_.path());
    if (found_.size() >= kMaxTorchTensors)
      refuse(file_.path(), fmt::format("holds more than {} tensors", grouped(kMaxTorchTensors)));
    found_.push_back({std::move(name), &tree_.tensor(tree_[id])});
  }

  std::string key_names(const std::vector<Entry>& list) const {
    constexpr std::size_t kMost = 4;
    std::vector<std::string> words;
    for (std::size_t i = 0; i < std::min(list.size(), kMost); ++i)
      words.push_back(shown(key_text(list[i].key)));
    if (list.size() > kMost) words.push_back(fmt::format("{} more", list.size() - kMost));
    return join_words(words);
  }

  // Entries beside the state dict that are more than a number or a word.
  void note_rest(PickleId dict, const std::vector<Entry>& parts) {
    std::vector<Entry> rest = entries(dict, &Finder::is_anything);
    std::erase_if(rest, [&](const Entry& entry) {
      const bool plain =
          !is_tensor(entry.value) && !is_dict(entry.value) && !tree_.is_sequence(entry.value);
      return plain || std::find(parts.begin(), parts.end(), entry) != parts.end();
    });
    if (rest.empty()) return;
    notes_->push_back(fmt::format("{}: the tensors of {} are read; {} {} left out",
                                  printable(file_.path()), key_names(parts), key_names(rest),
                                  rest.size() == 1 ? "is" : "are"));
  }

  const TorchFile& file_;
  const PickleTree& tree_;
  std::vector<std::string>* notes_;
  std::vector<FoundTensor> found_;
  std::size_t visits_ = 0;
};

}  // namespace

std::vector<FoundTensor> find_state_dict(const TorchFile& file, std::vector<std::string>* notes) {
  return Finder(file, notes).find();
}

void check_tensor_name(const std::string& name, const std::string& path) {
  if (name.size() > kMaxNameBytes)
    refuse(path,
           fmt::format("tensor {}: the name is longer than {} bytes", shown(name), kMaxNameBytes),
           {}, name);
  if (name.find('\0') != std::string::npos)
    refuse(path, fmt::format("tensor {}: the name holds a NUL character", shown(name)), {}, name);
}

}  // namespace detent
