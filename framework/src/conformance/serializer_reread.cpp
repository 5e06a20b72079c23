// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/error.hpp"
#include "base/text.hpp"
#include "conformance/serializer_sample.hpp"
#include "json/parse.hpp"
#include "model/model.hpp"
#include "plugin/tensor_store.hpp"

namespace detent::conformance {
namespace {

constexpr std::uint64_t kMaxTensors = 4096;
constexpr std::uint64_t kMaxBytes = 16U << 20U;

void copy_to(const std::filesystem::path& root, const Files& files) {
  for (const auto& [name, content] : files) {
    const std::filesystem::path path = root / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream out(path, std::ios::binary);
    out << content;
    expect(out.good(), "cannot write {}", path.string());
  }
}

Reread reread_with_host(const std::filesystem::path& file) {
  try {
    const std::unique_ptr<Model> model = open_model(file, {});
    Reread found;
    found.reader = "the host's reader of " + model->format();
    found.lists_aliases = true;
    for (const TensorInfo& info : model->tensors()) {
      Made made{info.dtype, info.shape, std::string(info.nbytes, '\0'), {}};
      model->read(info, std::as_writable_bytes(std::span(made.bytes.data(), made.bytes.size())));
      found.tensors[info.name] = std::move(made);
    }
    for (const auto& [key, text] : model->metadata()) found.metadata[key] = text;
    found.aliases = model->aliases();
    return found;
  } catch (const Error& e) {
    fail("the host's reader refuses what was written: {}", printable(e.problems()[0].message));
  }
}

Made read_one(SerializerUnderTest& s, std::uint64_t i, const detent_tensor_spec& spec) {
  Made made{spec.dtype, Shape(spec.shape, spec.shape + spec.ndim), {}, {}};
  const std::uint64_t bytes = detent_nbytes(spec.dtype, spec.ndim, spec.shape);
  expect(bytes <= kMaxBytes, "tensor_at({}) speaks of {}", i, human_bytes(bytes));
  Guarded memory(bytes);
  detent_tensor to = made.tensor();
  to.data = bytes != 0 ? memory.data() : nullptr;
  to.nbytes = bytes;
  to.flags = 0;
  const std::int32_t status = s.read_tensor(i, to);
  expect(status == DETENT_OK, "read_tensor({}) returned {}: {}", i, status_name(status),
         printable(s.text()));
  expect(memory.canaries_intact(), "read_tensor({}) wrote before the tensor", i);
  made.bytes.assign(reinterpret_cast<const char*>(memory.data()), bytes);
  return made;
}

// U8, two codes to a byte, is what formats without 4-bit codes have.
Made as_bytes(Made made) {
  if ((made.dtype != DETENT_I4 && made.dtype != DETENT_U4) || made.shape.empty()) return made;
  made.dtype = DETENT_U8;
  made.shape.back() = (made.shape.back() + 1) / 2;
  return made;
}

bool is_text_of(const std::string& text, const std::string& json_text) {
  const json::Value expected = json::parse(json_text);
  if (expected.if_string() != nullptr && *expected.if_string() == text) return true;
  try {
    return json::parse(text) == expected;
  } catch (const json::ParseError&) {
    return false;
  }
}

// The tensor that a reader knows by this name, its own or a further one.
const Made* find(const Reread& got, const std::string& name) {
  const auto found = got.tensors.find(name);
  if (found != got.tensors.end()) return &found->second;
  for (const auto& [alias, real] : got.aliases)
    if (alias == name && got.tensors.contains(real)) return &got.tensors.at(real);
  return nullptr;
}

std::string tensor_difference(const Reread& got, const std::string& name, const Made& expected) {
  const Made* made = find(got, name);
  if (made == nullptr) return fmt::format("there is no \"{}\"", printable(name));
  const bool packed = made->dtype == DETENT_U8;
  return difference({{printable(name), *made}},
                    {{printable(name), packed ? as_bytes(expected) : expected}});
}

}  // namespace

Reread reread_with_plugin(Subject& subject, const Files& files, FolderWishes wishes) {
  World world;
  SerializerUnderTest s(subject, world);
  MemoryFolder folder(files, wishes);
  std::uint64_t n = 0;
  const std::int32_t status = s.open(folder, &n);
  expect(status == DETENT_OK, "open of its own file returned {}: {}", status_name(status),
         printable(s.text()));
  expect(n <= kMaxTensors, "open says that there are {} tensors", n);
  Reread found;
  found.reader = "the plugin's reading side";
  for (std::uint64_t i = 0; i < n; ++i) {
    detent_tensor_spec spec{};
    const std::int32_t at = s.tensor_at(i, &spec);
    expect(at == DETENT_OK, "tensor_at({}) returned {}: {}", i, status_name(at),
           printable(s.text()));
    expect(is_valid_spec(&spec), "tensor_at({}) described a tensor that cannot exist", i);
    const std::string name = spec.name;
    expect(!found.tensors.contains(name), "\"{}\" is there twice", printable(name));
    found.tensors[name] = read_one(s, i, spec);
  }
  detent_tensor_spec beyond{};
  expect_refused(s.tensor_at(n, &beyond), s.text(), fmt::format("tensor_at({}) of {}", n, n));
  Sink sink;
  const std::int32_t meta = s.read_metadata(sink);
  expect(meta == DETENT_OK, "read_metadata returned {}: {}", status_name(meta),
         printable(s.text()));
  expect(sink.take().empty(), "read_metadata created tensors");
  found.metadata = sink.meta();
  s.close();
  return found;
}

Reread reread(Subject& subject, const Files& files) {
  const TempFolder folder;
  copy_to(folder.path(), files);
  const std::filesystem::path file = folder.path() / main_file(subject);
  expect(std::filesystem::exists(file), "there is no file \"{}\", which begin was told to write",
         main_file(subject));
  if (is_known_format(file)) return reread_with_host(file);
  World world;
  if (SerializerUnderTest(subject, world).can_read()) return reread_with_plugin(subject, files);
  throw Skip{"it has no reading side, and the host does not know the format of " +
             main_file(subject)};
}

std::string sample_difference(const Reread& got, const Sample& sample) {
  for (const auto& [name, tensor] : sample.tensors) {
    const std::string text = tensor_difference(got, name, tensor);
    if (!text.empty()) return text;
  }
  for (const auto& second : sample.aliases) {
    const std::string& alias = second.first;
    const std::string& name = second.second;
    if (find(got, alias) == nullptr && !got.lists_aliases) continue;
    const auto named = [&](const auto& t) { return t.first == name; };
    const auto of = std::find_if(sample.tensors.begin(), sample.tensors.end(), named);
    const std::string text = tensor_difference(got, alias, of->second);
    if (!text.empty()) return text;
  }
  // Where two names are one tensor, a reader may list either or both.
  if (sample.aliases.empty() && got.tensors.size() != sample.tensors.size())
    return fmt::format("there are {} tensors instead of {}", got.tensors.size(),
                       sample.tensors.size());
  for (const auto& [key, json_text] : sample.metadata) {
    const auto found = got.metadata.find(key);
    if (found == got.metadata.end())
      return fmt::format("there is no metadata \"{}\"", printable(key));
    if (!is_text_of(found->second, json_text))
      return fmt::format("metadata \"{}\" is {} instead of {}", printable(key),
                         printable(found->second), json_text);
  }
  return {};
}

}  // namespace detent::conformance
