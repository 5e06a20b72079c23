// SPDX-License-Identifier: Apache-2.0
// ProgramLender: the detent_program that a serializer is lent, over a ProgramEdit. What the plugin
// hands over is checked before it goes further: indices, pointers, names, sizes, and what may be
// said once only.
#pragma once
#include <exception>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "plugin/program_edit.hpp"
#include "plugin/program_facts.hpp"

namespace detent {

// Errors  nothing is thrown through the plugin: it gets a status and, through the current call, a
//         text. check() throws afterwards
// Threads one at a time
class ProgramLender {
 public:
  ProgramLender(ProgramView view, std::unique_ptr<ProgramEdit> edit);
  ProgramLender(const ProgramLender&) = delete;
  ProgramLender& operator=(const ProgramLender&) = delete;

  // Thrown inside, never through the plugin.
  struct Mistake {  // the plugin broke the contract
    std::string text;
  };
  struct Unsupported {  // a source does not compile: the plugin may know another way
    std::string text;
  };
  struct FileFull {};  // the host's file took no more, and knows why

  const detent_program* c() const { return &program_; }
  // The call into the plugin that is going on; nullptr between calls, when everything is refused.
  void set_call(const detent_call* call) { call_ = call; }
  // What the edit threw and no plugin can mend (all but sources that do not compile); nullptr.
  std::exception_ptr failure() const { return failure_; }
  // The first thing that the plugin got wrong, also when it ignored the status; or empty.
  const std::string& mistake() const { return mistake_; }
  bool written() const { return written_; }
  const std::vector<SerializerWarning>& warnings() const { return warnings_; }

 private:
  template <class F>
  static std::int32_t guarded(const detent_program* program, F f) noexcept;
  std::int32_t fail(std::int32_t status, const std::string& text) noexcept;
  void keep(const std::string& mistake) noexcept;
  static detent_program table(ProgramLender* self);

  const ProgramUse& use_once(std::uint64_t i, std::set<std::uint64_t>& done, const char* what);
  std::vector<EditArgument> arguments(const detent_program_arg* args, std::uint64_t n,
                                      std::uint64_t operands);
  EditArgument argument(const detent_program_arg& arg, std::uint64_t operands);
  void define(const char* source);
  void prepare(const char* name, const char* function, const detent_program_arg* args,
               std::uint64_t n);
  void set_tensor(const char* name, const detent_tensor* tensor);
  void replace_operand(std::uint64_t i, std::uint64_t k, const char* function,
                       const detent_program_arg* args, std::uint64_t n);
  void replace_use(std::uint64_t i, const char* function, const detent_program_arg* args,
                   std::uint64_t n);
  void replace_result(std::uint64_t i, const char* function, const detent_program_arg* args,
                      std::uint64_t n);
  void replace_reads(const char* tensor, const char* function, const detent_program_arg* args,
                     std::uint64_t n);
  void set_extra_file(const char* name, const char* bytes, std::uint64_t n);
  void warn(const char* code, const char* message);
  void refuse_loose_ends() const;
  void write(const detent_file* file);

  ProgramView view_;
  ProgramTables tables_;
  std::unique_ptr<ProgramEdit> edit_;
  detent_program program_;
  const detent_call* call_ = nullptr;
  std::exception_ptr failure_;
  std::string mistake_;
  bool written_ = false;
  std::vector<SerializerWarning> warnings_;

  // What was said so far.
  std::map<std::string, const ProgramTensor*> originals_;
  std::set<std::string> changed_;    // tensors of the model, set with another dtype or shape
  std::set<std::string> set_;        // tensors that were set
  std::set<std::string> mentioned_;  // tensors that are arguments
  std::set<std::string> prepared_;
  std::set<std::string> read_elsewhere_;  // tensors whose reads are replaced
  std::set<std::string> extra_files_;
  std::set<std::uint64_t> uses_done_;
  std::set<std::uint64_t> results_done_;
  std::set<std::uint64_t> operands_done_;  // 2 i + k
};

}  // namespace detent
