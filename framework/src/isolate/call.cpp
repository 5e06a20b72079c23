// SPDX-License-Identifier: Apache-2.0
#include "isolate/call.hpp"

#include <algorithm>
#include <cstring>

#include "base/text.hpp"
#include "plugin/call_scope.hpp"
#include "plugin/tensor_store.hpp"

namespace detent::isolate {
namespace {

constexpr std::uint64_t kMostLogLines = 4096;
constexpr std::chrono::seconds kQuietTime{10};

void put_shape(ByteWriter& out, std::int32_t ndim, const std::int64_t* values) {
  for (std::int32_t d = 0; d < ndim; ++d) out.number(static_cast<std::uint64_t>(values[d]));
}

const char* or_empty(const char* text) { return text != nullptr ? text : ""; }

}  // namespace

Call::Call(Remote& remote, Op op, const char* name)
    : remote_(remote), process_(*remote.process), lock_(process_.mutex()), name_(name) {
  ByteWriter head;
  head.number(static_cast<std::uint64_t>(op));
  head.number(remote.id);
  head_ = head.bytes();
}

Call::~Call() { process_.finish(); }

// Where it will lie in the input segment.
std::uint64_t Call::reserve(const void* from, std::uint64_t bytes) {
  const std::uint64_t at = input_bytes_;
  if (bytes > UINT64_MAX / 4 || at > UINT64_MAX / 4) throw std::bad_alloc();
  inputs_.push_back({from, bytes, at});
  input_bytes_ = (at + bytes + kAlignment - 1) / kAlignment * kAlignment;
  return at;
}

void Call::put(const detent_tensor& t) {
  args_.number(static_cast<std::uint64_t>(t.ndim));
  args_.number(t.dtype);
  put_shape(args_, t.ndim, t.shape);
  put_shape(args_, t.ndim, t.strides);
  args_.number(t.byte_offset);
  args_.number(t.data != nullptr ? t.nbytes : 0);
  args_.number(t.flags);
  args_.number(reserve(t.data, t.data != nullptr ? t.nbytes : 0));
}

void Call::put(const detent_tensor* tensor) {
  args_.number(tensor != nullptr ? 1 : 0);
  if (tensor != nullptr) put(*tensor);
}

// The host lends nothing but what a TensorStore holds.
void Call::put_source(const detent_tensor_source* source) {
  args_.number(source != nullptr ? 1 : 0);
  if (source == nullptr) return;
  const auto& store = *static_cast<const TensorStore*>(source->ctx);
  args_.number(store.tensors().size());
  for (const auto& tensor : store.tensors()) {
    args_.text(tensor->name());
    put(*tensor->lent());
  }
  args_.number(store.all_meta().size());
  for (const auto& [key, value] : store.all_meta()) {
    args_.text(key);
    args_.text(value);
  }
}

void Call::put_bytes(std::string_view bytes) {
  args_.number(bytes.size());
  args_.number(reserve(bytes.data(), bytes.size()));
}

void Call::put_spec(const detent_tensor_spec& spec) {
  args_.text(or_empty(spec.name));
  args_.number(spec.dtype);
  args_.number(static_cast<std::uint64_t>(spec.ndim));
  put_shape(args_, spec.ndim, spec.shape);
}

void Call::put_qspec(const detent_qspec* spec) {
  args_.number(spec != nullptr ? 1 : 0);
  if (spec == nullptr) return;
  args_.text({reinterpret_cast<const char*>(spec), sizeof *spec});
  args_.text(or_empty(spec->scheme));
}

std::int32_t Call::run(const detent_call* c) {
  const unsigned threads = ThreadPool::is_inside() ? 1 : CallScope::of(c).pool().threads();
  try {
    const std::int32_t status = exchange(c, threads, remote_.link->pool->spec().limits.timeout);
    remote_.link->pool->note(true);
    return status;
  } catch (const Failure& failure) {
    remote_.link->pool->note(failure.status == DETENT_E_CANCELLED);
    throw;
  }
}

void Call::run_quietly() noexcept {
  try {
    exchange(nullptr, 1,
             std::min<std::chrono::seconds>(kQuietTime, remote_.link->pool->spec().limits.timeout));
  } catch (...) {
    // The process is ended then, and with it what was to be put away.
  }
}

std::int32_t Call::exchange(const detent_call* c, unsigned threads,
                            std::chrono::milliseconds time) {
  process_.start(name_, time);
  process_.raise_memory(input_bytes_);
  if (input_bytes_ != 0) process_.give_input(input_bytes_);
  for (const Pending& p : inputs_)
    if (p.bytes != 0) std::memcpy(process_.input() + p.at, p.from, p.bytes);
  ByteWriter head;
  head.number(threads);
  process_.send(head_ + head.bytes() + args_.bytes());
  for (;;) {
    message_ = process_.receive();
    answer_ = ByteReader(message_);
    const auto word = static_cast<Word>(number());
    if (word == Word::answer) return conclude(c);
    serve(word);
  }
}

std::uint64_t Call::number() {
  return reading([&] { return answer_.number(); });
}

// A C text: one with a NUL inside would be read as another.
std::string Call::text() {
  const std::string_view view = reading([&] { return answer_.text(); });
  if (view.find('\0') != std::string_view::npos) process_.fail_nonsense("a text with a NUL in it");
  return std::string(view);
}

std::int32_t Call::conclude(const detent_call* c) {
  const auto status = static_cast<std::int32_t>(static_cast<std::uint32_t>(number()));
  const std::string said = text();
  const std::string broken = text();
  const std::string tried = text();
  const std::uint64_t lines = number();
  if (lines > kMostLogLines) process_.fail_nonsense("too many log lines");
  HostServices& services = remote_.link->pool->services();
  for (std::uint64_t i = 0; i < lines; ++i) {
    const std::uint64_t level = std::min<std::uint64_t>(number(), DETENT_LOG_ERROR);
    services.log({static_cast<int>(level), remote_.link->pool->spec().library, printable(text())});
  }
  if (!tried.empty())
    process_.fail(
        {DETENT_E_CRASHED, "tried " + printable(tried) + " in " + name_ +
                               ", which a plugin that runs in a process of its own may not\n"
                               "if it needs that and you trust it: \"isolation\": \"none\""});
  if (c == nullptr) return status;
  if (!broken.empty()) CallScope::of(c).note_broken(printable(broken));
  if (status == DETENT_E_NO_MEMORY) {
    const std::string out = process_.out_of_memory();
    c->fail(c, status, out.data(), out.size());
  } else if (!said.empty())
    c->fail(c, status, said.data(), said.size());
  if (status == DETENT_E_CRASHED || status == DETENT_E_TIMEOUT) {
    CallScope::of(c).note_broken(std::string(name_) + " returned a status that only a host gives");
    return DETENT_E_INTERNAL;
  }
  return status;
}

std::byte* Call::results(std::uint64_t segment, std::uint64_t offset, std::uint64_t bytes) {
  const auto& all = process_.results();
  if (segment >= all.size() || !all[segment].holds(offset, bytes))
    process_.fail_nonsense("a place outside of the memory for results");
  return all[segment].data() + offset;
}

}  // namespace detent::isolate
