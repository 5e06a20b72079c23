// SPDX-License-Identifier: Apache-2.0
#include "conformance/serializer_driver.hpp"

#include <algorithm>
#include <cstring>
#include <detent/abi/program.h>

#include "base/text.hpp"
#include "conformance/any_plugin.hpp"
#include "conformance/starved.hpp"

namespace detent::conformance {
namespace {

constexpr std::string_view kExtension = "extension:";

// A tensor for one call: right before memory that nobody may touch, and gone afterwards.
class Loan {
 public:
  explicit Loan(const Made& made) : memory_(made.bytes.size()), tensor_(made.tensor()) {
    if (made.bytes.empty()) return;
    std::memcpy(memory_.data(), made.bytes.data(), made.bytes.size());
    memory_.make_read_only();
    tensor_.data = memory_.data();
  }
  const detent_tensor* c() const { return &tensor_; }

 private:
  Guarded memory_;
  detent_tensor tensor_;
};

detent_tensor_spec spec_of(const std::string& name, const Made& t) {
  return {name.c_str(), t.shape.empty() ? nullptr : t.shape.data(),
          static_cast<std::int32_t>(t.shape.size()), t.dtype};
}

std::string quoted(const std::string& name) { return '"' + printable(name) + '"'; }

}  // namespace

std::string main_file(Subject& subject) {
  for (const std::string& what : subject.provides())
    if (what.starts_with(kExtension)) return "model" + what.substr(kExtension.size());
  return "model.bin";
}

SerializerUnderTest::SerializerUnderTest(Subject& subject, World& world)
    : world_(world), vtbl_(subject.vtbl<detent_serializer_vtbl>()), file_(main_file(subject)) {
  for (const std::string& need : subject.requirements())
    if (need == DETENT_NEEDS_PROGRAM)
      throw Skip{"it writes models that run, and there is no program here to lend it"};
  const Configuration configuration(subject.params(DETENT_ROLE_NONE), DETENT_ROLE_NONE, nullptr,
                                    world.minor());
  const std::int32_t status = world_.call("create", [&](const detent_call* call) {
    return vtbl_.create(world_.host(), call, configuration.c(), &handle_);
  });
  expect_instance_or_refusal(status, handle_ != nullptr);
  expect(status == DETENT_OK || is_starved(status), "create was to succeed; it returned {}: {}",
         status_name(status), printable(world_.text()));
}

SerializerUnderTest::~SerializerUnderTest() {
  if (handle_ != nullptr) vtbl_.destroy(handle_);
}

bool SerializerUnderTest::has_rows() const {
  return DETENT_HAS(&vtbl_, detent_serializer_vtbl, add_rows);
}
bool SerializerUnderTest::has_aliases() const {
  return DETENT_HAS(&vtbl_, detent_serializer_vtbl, declare_alias);
}
bool SerializerUnderTest::can_read() const {
  return DETENT_HAS(&vtbl_, detent_serializer_vtbl, open);
}

std::int32_t SerializerUnderTest::run(const char* name,
                                      const std::function<std::int32_t(const detent_call*)>& f) {
  const std::int32_t status = world_.call(name, f);
  expect(is_status(status), "{} returned {}", name, status_name(status));
  if (folder_ != nullptr && !folder_->misuse().empty())
    throw Failure{
        fmt::format("in {} {}", name, folder_->misuse()),
        "touch only files that folder.open gave, of \"/\"-separated names without \"..\""};
  return status;
}

void SerializerUnderTest::end_folder() {
  if (folder_ != nullptr) folder_->end();
  folder_ = nullptr;
}

std::int32_t SerializerUnderTest::begin(MemoryFolder& folder) {
  folder_ = &folder;
  // The name is the host's, and gone after the call.
  const std::string name = file_;
  return run("begin", [&](const detent_call* c) {
    return vtbl_.begin(handle_, c, folder.c(), name.c_str());
  });
}

std::int32_t SerializerUnderTest::declare(const std::string& name, const Made& tensor) {
  const std::string lent_name = name;  // gone after the call, as the shape is
  const Made lent{tensor.dtype, tensor.shape, {}, {}};
  const detent_tensor_spec spec = spec_of(lent_name, lent);
  return run("declare", [&](const detent_call* c) { return vtbl_.declare(handle_, c, &spec); });
}

std::int32_t SerializerUnderTest::declare_alias(const std::string& alias, const std::string& name) {
  return run("declare_alias", [&](const detent_call* c) {
    return vtbl_.declare_alias(handle_, c, alias.c_str(), name.c_str());
  });
}

std::int32_t SerializerUnderTest::set_metadata(const std::string& key, const std::string& json) {
  return run("set_metadata", [&](const detent_call* c) {
    return vtbl_.set_metadata(handle_, c, key.c_str(), json.c_str());
  });
}

std::int32_t SerializerUnderTest::add_tensor(const std::string& name, const Made& tensor) {
  return add_view(name, *Loan(tensor).c());
}

std::int32_t SerializerUnderTest::add_view(const std::string& name, const detent_tensor& tensor) {
  return run("add_tensor", [&](const detent_call* c) {
    return vtbl_.add_tensor(handle_, c, name.c_str(), &tensor);
  });
}

std::int32_t SerializerUnderTest::add_rows(const std::string& name, const Made& tensor,
                                           std::uint64_t first, std::uint64_t count) {
  const Made rows = rows_of(tensor, first, count);
  const Loan loan(rows);
  return run("add_rows", [&](const detent_call* c) {
    return vtbl_.add_rows(handle_, c, name.c_str(), first, loan.c());
  });
}

std::int32_t SerializerUnderTest::finish() {
  const std::int32_t status =
      run("finish", [&](const detent_call* c) { return vtbl_.finish(handle_, c); });
  end_folder();
  return status;
}

void SerializerUnderTest::abort() {
  run("abort", [&](const detent_call*) { return vtbl_.abort(handle_), DETENT_OK; });
  end_folder();
}

CallsResult SerializerUnderTest::try_announce(const Sample& sample, MemoryFolder& folder) {
  std::int32_t status = begin(folder);
  if (status != DETENT_OK) return {status, "begin", text()};
  for (const auto& [name, tensor] : sample.tensors)
    if ((status = declare(name, tensor)) != DETENT_OK)
      return {status, "declare of " + quoted(name), text()};
  for (const auto& [alias, name] : sample.aliases)
    if ((status = declare_alias(alias, name)) != DETENT_OK)
      return {status, "declare_alias of " + quoted(alias), text()};
  for (const auto& [key, json] : sample.metadata)
    if ((status = set_metadata(key, json)) != DETENT_OK)
      return {status, "set_metadata of " + quoted(key), text()};
  return {};
}

CallsResult SerializerUnderTest::try_write(const Sample& sample, MemoryFolder& folder) {
  CallsResult result = try_announce(sample, folder);
  for (const auto& [name, tensor] : sample.tensors) {
    if (result.status != DETENT_OK) break;
    const std::int32_t status = add_tensor(name, tensor);
    if (status != DETENT_OK) result = {status, "add_tensor of " + quoted(name), text()};
  }
  if (result.status != DETENT_OK) {
    abort();
    return result;
  }
  const std::int32_t status = finish();
  return status != DETENT_OK ? CallsResult{status, "finish", text()} : result;
}

namespace {

void must(const CallsResult& result) {
  if (result.status != DETENT_OK)
    fail("{} was to succeed; it returned {}{}{}", result.call, status_name(result.status),
         result.text.empty() ? " without a text" : ": ", printable(result.text));
}

}  // namespace

void SerializerUnderTest::announce(const Sample& sample, MemoryFolder& folder) {
  must(try_announce(sample, folder));
}

Files SerializerUnderTest::write(const Sample& sample, FolderWishes wishes) {
  MemoryFolder folder(wishes);
  must(try_write(sample, folder));
  return folder.files();
}

std::int32_t SerializerUnderTest::open(MemoryFolder& folder, std::uint64_t* tensors) {
  folder_ = &folder;
  const std::string name = file_;
  const std::int32_t status = run("open", [&](const detent_call* c) {
    return vtbl_.open(handle_, c, folder.c(), name.c_str(), tensors);
  });
  if (status != DETENT_OK) end_folder();
  return status;
}

std::int32_t SerializerUnderTest::tensor_at(std::uint64_t i, detent_tensor_spec* spec) {
  return run("tensor_at",
             [&](const detent_call* c) { return vtbl_.tensor_at(handle_, c, i, spec); });
}

std::int32_t SerializerUnderTest::read_tensor(std::uint64_t i, const detent_tensor& to) {
  return run("read_tensor",
             [&](const detent_call* c) { return vtbl_.read_tensor(handle_, c, i, &to); });
}

std::int32_t SerializerUnderTest::read_metadata(Sink& sink) {
  return run("read_metadata",
             [&](const detent_call* c) { return vtbl_.read_metadata(handle_, c, sink.c()); });
}

void SerializerUnderTest::close() {
  run("close", [&](const detent_call*) { return vtbl_.close(handle_), DETENT_OK; });
  end_folder();
}

Made rows_of(const Made& tensor, std::uint64_t first, std::uint64_t count) {
  const std::uint64_t all = static_cast<std::uint64_t>(tensor.shape.at(0));
  const std::uint64_t row = tensor.bytes.size() / all;
  Made rows{tensor.dtype, tensor.shape, tensor.bytes.substr(first * row, count * row), {}};
  rows.shape[0] = static_cast<std::int64_t>(count);
  return rows;
}

void expect_refused(std::int32_t status, const std::string& text, const std::string& what) {
  expect(status != DETENT_OK, "{} was accepted", what);
  expect(status != DETENT_E_INTERNAL,
         "{} was refused with DETENT_E_INTERNAL, as if it were the "
         "plugin's own mistake",
         what);
  expect(!text.empty(), "{} was refused without a text", what);
}

std::string files_difference(const Files& got, const Files& expected) {
  for (const auto& [name, content] : expected) {
    const auto found = got.find(name);
    if (found == got.end()) return fmt::format("there is no file \"{}\"", printable(name));
    if (found->second == content) continue;
    const auto end =
        std::mismatch(content.begin(), content.end(), found->second.begin(), found->second.end());
    return fmt::format("\"{}\" has {} bytes instead of {}, and differs at byte {}", printable(name),
                       found->second.size(), content.size(), end.first - content.begin());
  }
  for (const auto& [name, content] : got)
    if (!expected.contains(name))
      return fmt::format("there is also a file \"{}\"", printable(name));
  return {};
}

}  // namespace detent::conformance
