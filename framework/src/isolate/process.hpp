// SPDX-License-Identifier: Apache-2.0
// Process: a process that holds one plugin library, and the connection to it.
#pragma once
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <sys/resource.h>
#include <sys/types.h>
#include <vector>

#include "isolate/link.hpp"
#include "plugin/isolation_limits.hpp"

namespace detent::isolate {

// detent-plugin-worker of this installation; empty when there is none.
std::filesystem::path worker_program();

struct ProcessSpec {
  std::filesystem::path library;
  std::string sha256;   // of its bytes
  bool sealed = false;  // a copy that nobody can change is loaded: see plugin/sealed_copy.hpp
  IsolationLimits limits;
};

// What a process says of itself when it is ready.
struct Greeting {
  std::string sha256;                    // of the file that it loaded
  std::string description;               // see plugin/description_bytes.hpp
  std::string isolation;                 // "process+landlock+seccomp", "process"
  std::string why_not;                   // what the kernel lacks, in the second case
  std::vector<std::uint64_t> functions;  // of each plugin, kHas bits
};

// Why an operation has no answer: what a plugin that runs here would return, and the reason.
struct Failure {
  std::int32_t status;
  std::string text;  // "was killed by signal 11 (SIGSEGV) in observe"; the second line: what to do
};

// Threads  one operation at a time: who has the lock
class Process {
 public:
  // Errors  Error{plugin} with one reason that does not name the path; Error{interrupted}
  explicit Process(const ProcessSpec& spec);
  ~Process();  // ends it, and waits for it
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  const Greeting& greeting() const { return greeting_; }
  std::mutex& mutex() { return mutex_; }
  // Has it ended, or was it ended?
  bool is_gone();
  const Failure& last() const { return last_; }  // why it was ended

  // What follows belongs to one operation. Each throws Failure, and the process is ended then.
  void start(const char* operation, std::chrono::milliseconds time);
  void give_input(std::uint64_t bytes);  // a segment of that size at least
  void send(std::string_view message);   // with the segment, where it is a new one
  std::string receive();
  void give_memory(std::uint64_t bytes);  // another segment for results, announced at once
  [[noreturn]] void fail(Failure why);
  [[noreturn]] void fail_nonsense(const std::string& what);
  void finish();  // segments that are too large to be kept are given back

  std::byte* input() { return input_->data(); }
  const std::vector<SharedMemory>& results() const { return results_; }
  std::string out_of_memory() const;             // in words
  void raise_memory(std::uint64_t shown_bytes);  // for who works on so much

 private:
  void spawn(const ProcessSpec& spec);
  void greet();
  void wait(bool for_reading);
  template <class F>
  auto guarded(F&& f);
  std::string how_it_ended();
  bool is_over(bool waits);
  void kill();
  void end() noexcept;

  IsolationLimits limits_;
  std::mutex mutex_;
  std::unique_ptr<Link> link_;
  std::mutex life_;  // of the next three
  pid_t pid_ = -1;
  int status_ = 0;
  rusage used_{};
  Greeting greeting_;
  Failure last_{};
  std::string operation_;
  std::chrono::steady_clock::time_point deadline_;
  std::chrono::milliseconds time_{};
  std::uint64_t memory_ = 0;  // its limit now
  std::unique_ptr<SharedMemory> input_;
  bool input_is_new_ = false;
  std::vector<SharedMemory> results_;
};

}  // namespace detent::isolate
