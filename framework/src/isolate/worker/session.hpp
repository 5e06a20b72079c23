// SPDX-License-Identifier: Apache-2.0
// Session: the instances of one library, and the host's calls to them, one at a time.
#pragma once
#include <detent/abi.h>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "isolate/worker/arguments.hpp"
#include "isolate/worker/files.hpp"
#include "isolate/worker/results.hpp"
#include "plugin/call_scope.hpp"
#include "plugin/library.hpp"
#include "plugin/plugin_file.hpp"

namespace detent::isolate {

class Session {
 public:
  Session(Link& link, const PluginFile& file, const PluginSurroundings& around);
  void serve();  // until the host is gone: Link::Closed

 private:
  struct Instance {
    std::size_t plugin;
    std::uint32_t role;
    void* handle;
    std::unique_ptr<Folder> folder;  // of a serializer that writes
  };
  // What a kind's operations need of the session.
  struct Work {
    Op op;
    Instance* instance;
    Arguments& in;
    ByteWriter& out;  // what goes behind the answer
  };
  using Function = std::function<std::int32_t(const detent_call*)>;

  void answer(std::string_view message);
  CallOutcome run(Op op, std::uint64_t id, Arguments& in, ByteWriter& out);
  CallOutcome create(std::uint64_t id, Arguments& in);
  std::int32_t create_with(const detent_call* c, std::size_t plugin, const detent_config& config,
                           void** out);
  std::unique_ptr<Instance> make(Arguments& in, CallOutcome& outcome);
  CallOutcome destroy(std::uint64_t id);
  void destroy_handle(const Instance& instance);
  CallOutcome call(const char* name, const Function& function);
  CallOutcome observe(const Work& work);
  CallOutcome merge(const Work& work);
  CallOutcome save(const Work& work);
  CallOutcome compute(const Work& work);
  CallOutcome quantize(const Work& work);
  CallOutcome plan(const Work& work);
  CallOutcome write(const Work& work);
  CallOutcome begin(const Work& work);
  CallOutcome check(const Work& work);
  CallOutcome findings(
      const char* name, const Work& work,
      const std::function<std::int32_t(const detent_call*, const detent_finding_sink*)>& function);
  // Of a function that fills a tensor, whose description comes next among the arguments.
  CallOutcome call_for_tensor(
      const char* name, const Work& work,
      const std::function<std::int32_t(const detent_call*, const detent_tensor*)>& function);
  CallOutcome read(const Work& work);
  CallOutcome open(const Work& work);
  CallOutcome describe_tensor(const Work& work);
  const detent_folder* fresh_folder(Instance& instance);
  void put_log(ByteWriter& out);
  std::string ask(std::string_view question);

  template <class Vtbl>
  const Vtbl& table(const Instance& instance) const {
    return *static_cast<const Vtbl*>(codes_.at(instance.plugin).vtbl);
  }

  Link& link_;
  std::vector<PluginKind> kinds_;
  std::vector<PluginCode> codes_;
  HostServices& services_;
  Results results_;
  std::unique_ptr<SharedMemory> input_;
  std::unique_ptr<ThreadPool> pool_;  // of so many threads as the last call brought
  ThreadPool single_{1};
  ThreadPool* threads_ = &single_;
  std::map<std::uint64_t, std::unique_ptr<Instance>> instances_;
  bool in_call_ = false;
};

}  // namespace detent::isolate
