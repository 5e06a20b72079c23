// SPDX-License-Identifier: Apache-2.0
// Call: one call of the host into a plugin that runs elsewhere. Remote: the host's handle of an
// instance there.
#pragma once
#include <cstdint>
#include <detent/abi.h>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_stream.hpp"
#include "base/error.hpp"
#include "isolate/process_pool.hpp"
#include "isolate/protocol.hpp"

namespace detent::isolate {

// Behind the detent_host of a plugin that runs elsewhere.
struct PluginLink {
  std::shared_ptr<ProcessPool> pool;
  std::size_t index;  // in its library
};

// Behind the handle of an instance.
struct Remote {
  const PluginLink* link = nullptr;
  std::shared_ptr<Process> process;
  std::uint64_t id = 0;  // there
  std::string configuration;
  // A serializer's output, from begin to finish or abort, or its input, from open to close; the
  // files that were opened in it, and what tensor_at told of.
  const detent_folder* folder = nullptr;
  std::vector<const detent_file*> files;
  struct Told {
    std::string name;
    std::vector<std::int64_t> shape;
  };
  std::map<std::uint64_t, Told> tensors;
};

// Holds the process until its end.
class Call {
 public:
  Call(Remote& remote, Op op, const char* name);
  ~Call();
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  ByteWriter& args() { return args_; }
  void put(const detent_tensor& tensor);                // with its data; any strides
  void put(const detent_tensor* tensor);                // which may be none
  void put_source(const detent_tensor_source* source);  // of the host: all that is in it
  void put_bytes(std::string_view bytes);               // large ones; they have to live until run
  void put_spec(const detent_tensor_spec& spec);
  void put_qspec(const detent_qspec* spec);

  // Runs it with what c offers. What the plugin returned, or why there is no answer; the texts are
  // handed on to c.
  std::int32_t run(const detent_call* c);
  // The same without a caller: for functions that cannot fail.
  void run_quietly() noexcept;

  // Of an answer with DETENT_OK. Results that are no such thing end the process: Failure.
  std::int32_t deliver(const detent_tensor_sink* sink);
  std::int32_t deliver_plan(const detent_plan_sink* sink);
  std::int32_t deliver_findings(const detent_finding_sink* sink);
  std::string_view bytes();  // large ones; theirs to change: to be copied before they are looked at
  // The description of a tensor that name and shape hold; of none when there is none that can be.
  detent_tensor_spec spec(std::string& name, std::vector<std::int64_t>& shape);
  void copy_tensor(const detent_tensor& to);  // compact
  std::uint64_t number();

 private:
  struct Pending {
    const void* from;
    std::uint64_t bytes;
    std::uint64_t at;
  };
  std::uint64_t reserve(const void* from, std::uint64_t bytes);
  std::int32_t exchange(const detent_call* c, unsigned threads, std::chrono::milliseconds time);
  std::int32_t conclude(const detent_call* c);
  void serve(Word word);
  void serve_file(Word word, ByteWriter& out);
  const detent_file* file(std::uint64_t number);
  std::byte* results(std::uint64_t segment, std::uint64_t offset, std::uint64_t bytes);
  std::string text();
  const char* nullable(std::string& kept);  // a text that may be NULL
  void deliver_target(const detent_plan_sink* sink);
  void deliver_output(const detent_plan_sink* sink);
  detent_tensor_spec read_spec(std::string& name, std::vector<std::int64_t>& shape);
  // What f reads of the answer; whatever is no answer ends the process.
  template <class F>
  auto reading(F&& f) {
    try {
      return f();
    } catch (const ByteReader::Truncated&) {
      process_.fail_nonsense("it ends too early");
    }
  }

  Remote& remote_;
  Process& process_;
  const std::unique_lock<std::mutex> lock_;
  const char* name_;
  std::string head_;
  ByteWriter args_;
  std::vector<Pending> inputs_;
  std::uint64_t input_bytes_ = 0;
  std::string message_;
  ByteReader answer_{""};
};

// Nothing is thrown through the table of a plugin.
template <class F>
std::int32_t at_table(const detent_call* c, F&& f) noexcept {
  const auto fail = [&](std::int32_t status, std::string_view text) {
    if (c != nullptr) c->fail(c, status, text.data(), text.size());
    return status;
  };
  try {
    return f();
  } catch (const Failure& failure) {
    return fail(failure.status, failure.text);
  } catch (const Error& e) {
    const bool stopped = e.code() == ErrorCode::interrupted || e.code() == ErrorCode::terminated;
    return fail(stopped ? DETENT_E_CANCELLED : DETENT_E_CRASHED, e.problems()[0].message);
  } catch (const std::bad_alloc&) {
    return DETENT_E_NO_MEMORY;
  } catch (...) {
    return DETENT_E_INTERNAL;
  }
}

}  // namespace detent::isolate
