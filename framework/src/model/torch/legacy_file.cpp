// SPDX-License-Identifier: Apache-2.0
// Source  _legacy_save in torch/serialization.py of PyTorch 2.13
#include "model/torch/legacy_file.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <optional>
#include <span>
#include <utility>

#include "base/text.hpp"
#include "model/refuse.hpp"
#include "model/torch/pickle_bytes.hpp"
#include "model/torch/pickle_reader.hpp"
#include "model/torch/torch_calls.hpp"
#include "model/torch/torch_types.hpp"

namespace detent {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kMagic = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"sv;  // little-endian
constexpr std::int64_t kProtocol = 1001;
constexpr std::uint64_t kMaxPickles = 256'000'000;  // bytes
constexpr std::uint64_t kFirstWindow = 1'000'000;

// The five pickles, and where they end.
struct Pickles {
  TorchPickle object;
  std::vector<std::string> keys;  // of the storages, in the order of the file
  std::uint64_t end = 0;
};

class LegacyReader {
 public:
  explicit LegacyReader(std::shared_ptr<const SteadyFile> source)
      : source_(std::move(source)), path_(source_->file.path().string()) {}

  TorchFile read() {
    Pickles pickles = read_pickles();
    place_storages(&pickles);
    TorchFile result;
    result.format = TorchFormat::legacy;
    result.source = source_;
    result.data = std::move(pickles.object);
    return result;
  }

 private:
  // How long the pickles are is known when they are read: the window grows until they fit.
  Pickles read_pickles() {
    const std::uint64_t most = std::min(source_->stamp.size, kMaxPickles);
    for (std::uint64_t window = std::min(most, kFirstWindow);;
         window = std::min(most, window * 8)) {
      auto bytes = std::make_unique<std::string>(window, '\0');
      source_->file.read_at(0, std::as_writable_bytes(std::span(*bytes)));
      try {
        return parse(std::move(bytes));
      } catch (const PickleTruncated& e) {
        if (window == most) fail(e, source_->stamp.size > most ? "too large" : "truncated");
      } catch (const PickleError& e) {
        fail(e, {});
      }
    }
  }

  [[noreturn]] void fail(const PickleError& e, std::string_view reason) const {
    refuse(path_,
           fmt::format("byte {}: {}{}{}", base_ + e.position(), e.what(),
                       reason.empty() ? "" : ": ", reason),
           e.hint().empty() && !reason.empty() ? "copy or download the file again" : e.hint());
  }

  // Reads the pickle at base_ and goes to its end.
  PickleId next(const std::string& bytes, PickleTree* tree) {
    const TorchCalls calls(false);
    const PickleResult result = read_pickle(std::string_view(bytes).substr(base_), calls, tree);
    last_ = base_;
    base_ += result.length;
    return result.root;
  }

  [[noreturn]] void fail_at_last(const std::string& message) const {
    refuse(path_, fmt::format("byte {}: {}", last_, message));
  }

  Pickles parse(std::unique_ptr<std::string> bytes) {
    base_ = 0;
    Pickles result;
    PickleTree& tree = result.object.tree;
    const PickleValue magic = tree[next(*bytes, &tree)];
    if (magic.kind != PickleKind::big_integer || magic.text != kMagic)
      refuse(path_, "is a Python pickle, but not one of torch.save",
             "save tensors: torch.save(model.state_dict(), path)");
    const PickleValue protocol = tree[next(*bytes, &tree)];
    if (protocol.kind != PickleKind::integer || protocol.integer != kProtocol)
      fail_at_last(
          fmt::format("the version of the format is {}, not {}", protocol.integer, kProtocol));
    check_machine(tree, next(*bytes, &tree));
    result.object.root = next(*bytes, &tree);
    result.object.record = "the pickle";
    read_keys(tree, next(*bytes, &tree), &result.keys);
    result.end = base_;
    result.object.bytes = std::move(bytes);
    return result;
  }

  void check_machine(const PickleTree& tree, PickleId id) const {
    if (tree[id].kind != PickleKind::dict) fail_at_last("there is no description of the machine");
    const auto items = tree.items(id);
    for (std::size_t i = 0; i + 1 < items.size(); i += 2)
      if (tree[items[i]].text == "little_endian" && tree[items[i + 1]].integer == 1) return;
    fail_at_last("the byte order is not little-endian");
  }

  void read_keys(const PickleTree& tree, PickleId id, std::vector<std::string>* keys) const {
    if (!tree.is_sequence(id)) fail_at_last("there is no list of the storages");
    for (const PickleId item : tree.items(id)) {
      if (tree[item].kind != PickleKind::text) fail_at_last("the key of a storage is no string");
      keys->emplace_back(tree[item].text);
    }
  }

  // Each storage: the number of its elements in 8 bytes, then the elements.
  void place_storages(Pickles* pickles) const {
    const std::uint64_t size = source_->stamp.size;
    std::unordered_map<std::string_view, const PickledStorage*> known;
    const PickleTree& tree = pickles->object.tree;
    for (std::uint32_t i = 0; i < tree.storage_count(); ++i)
      known.emplace(tree.storage(i).key, &tree.storage(i));
    std::uint64_t at = pickles->end;
    for (const std::string& key : pickles->keys) {
      const auto storage = known.find(key);
      if (storage == known.end())
        refuse(path_, fmt::format("byte {}: nothing is said of storage {}", at, shown(key)));
      const std::uint64_t bytes = storage->second->bytes;
      if (size - at < 8 || bytes > size - at - 8)
        refuse(path_,
               fmt::format("byte {}: storage {} of {} bytes goes beyond the file: truncated?", at,
                           shown(key), grouped(bytes)),
               "copy or download the file again");
      check_count(at, *storage->second);
      if (!pickles->object.storages.emplace(key, Extent{at + 8, bytes}).second)
        refuse(path_, fmt::format("byte {}: storage {} is there twice", at, shown(key)));
      at += 8 + bytes;
    }
    if (at != size)
      refuse(path_, fmt::format("{} bytes behind the last storage, from byte {} on, belong to none",
                                grouped(size - at), at));
  }

  void check_count(std::uint64_t at, const PickledStorage& storage) const {
    std::string count(8, '\0');
    source_->file.read_at(at, std::as_writable_bytes(std::span(count)));
    const std::uint64_t elements = PickleBytes(count).number(8);
    const std::uint64_t expected = storage.bytes / torch_storage_type(storage.type_name).bytes;
    if (elements != expected)
      refuse(path_, fmt::format("byte {}: storage {} has {} elements here and {} in the pickle", at,
                                shown(storage.key), elements, expected));
  }

  std::shared_ptr<const SteadyFile> source_;
  std::string path_;
  std::uint64_t base_ = 0;  // where the pickle that is read begins
  std::uint64_t last_ = 0;  // where the one before it began
};

}  // namespace

TorchFile open_legacy(std::shared_ptr<const SteadyFile> source) {
  return LegacyReader(std::move(source)).read();
}

}  // namespace detent
