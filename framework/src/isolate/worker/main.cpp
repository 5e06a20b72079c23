// SPDX-License-Identifier: Apache-2.0
// The process that holds one plugin library for the host. Not for people: the host starts it.
//
//   detent-plugin-worker FD_OF_SOCKET LIBRARY SHA256 sealed|file MEMORY_LIMIT
//
// It closes the doors behind itself in two steps: before the library is loaded, whose constructors
// run then, nothing can be written or started any more; before anything of it is called, nothing
// opened. Without a library it tells what it would be kept in.
#include <csignal>
#include <cstdlib>
#include <string>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.hpp"
#include "isolate/protocol.hpp"
#include "isolate/worker/session.hpp"
#include "plugin/description_bytes.hpp"
#include "sandbox/sandbox.hpp"

namespace {

using namespace detent;
using namespace detent::isolate;

struct Kept {
  std::string in;       // "landlock+seccomp"; "": nothing
  std::string why_not;  // then
};

// Also where the kernel has no sandbox.
void write_no_files() {
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_FSIZE, &none);
}

std::uint64_t functions_of(const Plugin& plugin) {
  const void* vtbl = plugin.code().vtbl;
  std::uint64_t bits = 0;
  const auto add = [&](bool has, std::uint64_t bit) { bits |= has ? bit : 0; };
  if (plugin.kind == PluginKind::observer) {
    const auto* t = static_cast<const detent_observer_vtbl*>(vtbl);
    add(t->merge != nullptr, kHasMerge);
    add(DETENT_HAS(t, detent_observer_vtbl, compute_stat), kHasComputeStat);
    add(DETENT_HAS(t, detent_observer_vtbl, observe_weighted), kHasObserveWeighted);
  }
  if (plugin.kind == PluginKind::serializer) {
    const auto* t = static_cast<const detent_serializer_vtbl*>(vtbl);
    add(DETENT_HAS(t, detent_serializer_vtbl, declare_alias), kHasDeclareAlias);
    add(DETENT_HAS(t, detent_serializer_vtbl, add_rows), kHasAddRows);
    add(DETENT_HAS(t, detent_serializer_vtbl, open), kHasReading);  // all five or none
  }
  if (plugin.kind == PluginKind::validator) {
    const auto* t = static_cast<const detent_validator_vtbl*>(vtbl);
    add(DETENT_HAS(t, detent_validator_vtbl, finish), kHasFinish);
    add(DETENT_HAS(t, detent_validator_vtbl, check_output), kHasCheckOutput);
  }
  return bits;
}

PluginFile load(const std::string& path, const std::string& sha256, LoadFrom from,
                const PluginSurroundings& around) {
  const auto check = [&](const File&, const File::Identity&, std::string_view found) {
    if (!sha256.empty() && found != sha256)
      throw Error(ErrorCode::plugin, "is not the file any more that was listed");
    return from;
  };
  PluginFile file = load_plugin_file(path, around, check);
  if (!file.refusal.empty()) throw Error(ErrorCode::plugin, file.refusal);
  if (const std::string tried = sandbox::take_violation(); !tried.empty())
    throw Error(ErrorCode::plugin, "tried " + tried + " while it was loaded");
  return file;
}

void greet(Link& link, const PluginFile& file, const Kept& kept) {
  ByteWriter out;
  out.text("");
  out.text(file.sha256);
  out.text(file.plugins.empty() ? "" : description_bytes(file.plugins));
  out.text(kept.in.empty() ? "process" : "process+" + kept.in);
  out.text(kept.why_not);
  out.number(file.plugins.size());
  for (const Plugin& plugin : file.plugins) out.number(functions_of(plugin));
  link.send(out.bytes());
}

void refuse(Link& link, const std::string& why) {
  ByteWriter out;
  out.text(why);
  link.send(out.bytes());
}

int serve(int argc, char** argv) {
  if (argc != 6) return 2;
  const int socket = std::atoi(argv[1]);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::signal(SIGINT, SIG_IGN);  // the terminal's; the host decides
  Link link{Descriptor(socket)};
  const std::uint64_t memory = std::strtoull(argv[5], nullptr, 10);
  // The host raises it for a large tensor.
  sandbox::limit_memory(memory, std::max(memory, std::uint64_t{1} << 46U));
  Kept kept;
  const bool loading = !sandbox::enter_to_load(&kept.why_not).empty();
  const PluginSurroundings around;
  PluginFile file;
  const std::string path = argv[2];
  try {
    const bool sealed = std::string_view(argv[4]) == "sealed";
    if (!path.empty())
      file = load(path, argv[3], sealed ? LoadFrom::sealed_copy : LoadFrom::file, around);
  } catch (const Error& e) {
    refuse(link, e.problems()[0].message);
    return 0;
  }
  write_no_files();
  // Nothing that a constructor opened can be read later on.
  ::syscall(SYS_close_range, static_cast<unsigned>(socket) + 1, ~0U, 0);
  if (loading) kept.in = sandbox::enter(&kept.why_not);
  greet(link, file, kept);
  if (path.empty()) return 0;
  Session(link, file, around).serve();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return serve(argc, argv);
  } catch (const Link::Closed&) {
    return 0;  // the host is done
  } catch (...) {
    return 1;
  }
}
