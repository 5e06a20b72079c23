// SPDX-License-Identifier: Apache-2.0
#include "model/torch/torch_file.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <fmt/format.h>
#include <stdexcept>

#include "base/text.hpp"
#include "model/file_magic.hpp"
#include "model/refuse.hpp"
#include "model/torch/legacy_file.hpp"
#include "model/torch/pickle_reader.hpp"
#include "model/torch/torch_calls.hpp"

namespace detent {
namespace {

constexpr std::uint64_t kMaxPickleBytes = 256'000'000;
constexpr std::uint64_t kMaxTextBytes = 100'000'000;
constexpr std::uint64_t kMaxExtraBytes = 200'000'000;  // of all together

// What is a zip archive and not a model that is read.
void refuse_relatives(const ZipArchive& zip, const std::string& path) {
  const auto holds = [&](std::string_view prefix) {
    return std::any_of(zip.entries().begin(), zip.entries().end(), [&](const ZipEntry& entry) {
      return zip.name_of(entry).starts_with(prefix);
    });
  };
  if (holds("data/aotinductor/"))
    refuse(path, "is a package of machine code (AOTInductor): its weights cannot be quantized",
           "give the model it was compiled from");
  if (holds("archive_format") || holds("models/"))
    refuse(path, "is a model of torch.export (.pt2), which is not read",
           "save the module it was made from: torch.jit.trace(model, inputs).save(\"model.pt\"), "
           "or torch.save(model.state_dict(), \"model.pt\")");
  if (holds(".data/extern_modules"))
    refuse(path, "is a torch.package, which holds Python code and is not read",
           "save the module's torch.save(model.state_dict(), \"model.pt\")");
  if (zip.find("data.pkl") == nullptr)
    refuse(path, fmt::format("is a zip archive, but no model of PyTorch: there is no data.pkl; it "
                             "begins with {}",
                             shown(zip.entries().front().name)));
}

void check_byte_order(const TorchFile& file) {
  const ZipEntry* entry = file.zip.find("byteorder");
  if (entry == nullptr) return;  // before PyTorch 2.1: little
  const std::string order = read_entry(file.source->file, *entry, 16);
  if (order != "little")
    refuse(file.path(), fmt::format("the byte order is {}; only \"little\" is read", shown(order)),
           "load and save it again on a little-endian machine");
}

bool is_utf8(std::string_view text) {
  // printable() leaves valid text as it is but for control characters, which may be in texts.
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t length = lead < 0x80   ? 1
                               : lead < 0xC2 ? 0
                               : lead < 0xE0 ? 2
                               : lead < 0xF0 ? 3
                               : lead < 0xF5 ? 4
                                             : 0;
    if (length == 0 || length > text.size() - i) return false;
    for (std::size_t k = 1; k < length; ++k)
      if ((static_cast<unsigned char>(text[i + k]) & 0xC0U) != 0x80U) return false;
    i += length;
  }
  return true;
}

TorchFile open_zip(std::shared_ptr<const SteadyFile> source) {
  TorchFile result;
  result.source = std::move(source);
  result.zip = ZipArchive::read(result.source->file, result.source->stamp.size);
  refuse_relatives(result.zip, result.path());
  result.zip.check_contents(result.source->file);
  check_byte_order(result);
  const bool program = result.zip.find("constants.pkl") != nullptr;
  result.format = program ? TorchFormat::torchscript : TorchFormat::zip;
  result.data = result.read_record("data");
  return result;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> TorchFile::extra_texts() const {
  constexpr std::string_view kFolder = "extra/";
  std::vector<std::pair<std::string, std::string>> result;
  std::uint64_t bytes = 0;
  for (const ZipEntry& entry : zip.entries()) {
    const std::string_view name = zip.name_of(entry);
    if (!name.starts_with(kFolder) || entry.size > kMaxTextBytes) continue;
    bytes += entry.size;
    if (bytes > kMaxExtraBytes)
      refuse(path(),
             fmt::format("holds more than {} bytes of extra files", grouped(kMaxExtraBytes)));
    std::string text = read_entry(source->file, entry, kMaxTextBytes);
    if (is_utf8(text)) result.emplace_back(name.substr(kFolder.size()), std::move(text));
  }
  return result;
}

TorchPickle TorchFile::read_record(std::string_view name) const {
  TorchPickle result;
  result.record = fmt::format("{}.pkl", name);
  const ZipEntry* entry = zip.find(result.record);
  if (entry == nullptr) refuse(path(), fmt::format("there is no {}", result.record));
  result.bytes = std::make_unique<std::string>(read_entry(source->file, *entry, kMaxPickleBytes));
  try {
    const TorchCalls calls(format == TorchFormat::torchscript);
    const PickleResult read = read_pickle(*result.bytes, calls, &result.tree);
    result.root = read.root;
    if (read.length != result.bytes->size())
      throw PickleError("it ends before the record does", read.length);
  } catch (const PickleError& e) {
    refuse(path(),
           fmt::format("{} (byte {} of {}): {}", result.record, e.position(),
                       grouped(result.bytes->size()), e.what()),
           e.hint());
  }
  const std::string folder = fmt::format("{}/", name);
  for (const ZipEntry& record : zip.entries()) {
    const std::string_view inner = zip.name_of(record);
    if (inner.starts_with(folder))
      result.storages.emplace(inner.substr(folder.size()), Extent{record.offset, record.size});
  }
  return result;
}

std::string TorchFile::read_text(std::string_view name) const {
  const ZipEntry* entry = zip.find(name);
  return entry == nullptr ? std::string() : read_entry(source->file, *entry, kMaxTextBytes);
}

StridedTensor TorchFile::place(const TorchPickle& pickle, const PickledTensor& tensor,
                               const std::string& name) const {
  const auto fail = [&](const std::string& reason) {
    refuse(path(), fmt::format("tensor {} {}", shown(name), reason), {}, name);
  };
  if (!tensor.fault.empty()) fail(fmt::format("{}, which is not read", tensor.fault));
  const PickledStorage& storage = pickle.tree.storage(tensor.storage);
  const auto found = pickle.storages.find(std::string(storage.key));
  if (found == pickle.storages.end())
    fail(fmt::format("lies in storage {}, which the file does not hold", shown(storage.key)));
  if (found->second.bytes != storage.bytes)
    fail(fmt::format("lies in storage {} of {} bytes; its record has {}", shown(storage.key),
                     grouped(storage.bytes), grouped(found->second.bytes)));
  try {
    return place_tensor(tensor.dtype, tensor.shape, tensor.strides, tensor.offset, found->second);
  } catch (const std::runtime_error& e) {
    fail(fmt::format("cannot be: {}", e.what()));
  }
  return {};
}

bool has_torch_magic(std::string_view first_bytes) {
  if (first_bytes.starts_with("PK\x03\x04")) return true;
  return first_bytes.size() >= 2 && first_bytes[0] == '\x80' && first_bytes[1] >= 1 &&
         first_bytes[1] <= 5;
}

TorchFile open_torch_file(File file) {
  const File::Stamp stamp = file.stamp();
  const std::string path = file.path().string();
  if (stamp.size == 0) refuse(path, "is empty", "copy or download the file again");
  std::string first(static_cast<std::size_t>(std::min<std::uint64_t>(stamp.size, 64)), '\0');
  file.read_at(0, std::as_writable_bytes(std::span(first)));
  if (!has_torch_magic(first)) {
    const std::string_view what = looks_like(first);
    refuse(path, what.empty() ? std::string("is no file of PyTorch: it is neither a zip archive "
                                            "nor a pickle")
                              : fmt::format("is no file of PyTorch; it looks like {}", what));
  }
  auto source = std::make_shared<const SteadyFile>(SteadyFile{std::move(file), stamp});
  return first.starts_with("PK") ? open_zip(std::move(source)) : open_legacy(std::move(source));
}

}  // namespace detent
