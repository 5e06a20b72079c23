// SPDX-License-Identifier: Apache-2.0
#include "sandbox/sandbox.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>
#include <vector>

namespace detent::sandbox {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
#error "the system calls of this architecture are not listed"
#endif

// What computing takes: memory, threads, clocks, and the descriptors that are open. Everything else
// fails with EPERM, so that a program's attempt is an error with a message rather than a dead
// process.
constexpr std::array kAllowed = {
    SYS_read,
    SYS_write,
    SYS_readv,
    SYS_writev,
    SYS_pread64,
    SYS_pwrite64,
    SYS_recvfrom,
    SYS_sendto,
    SYS_recvmsg,
    SYS_sendmsg,
    SYS_lseek,
    SYS_fstat,
    SYS_close,
    SYS_ppoll,
    SYS_mmap,
    SYS_munmap,
    SYS_mprotect,
    SYS_mremap,
    SYS_madvise,
    SYS_brk,
    SYS_mincore,
    SYS_futex,
    SYS_sched_yield,
    SYS_sched_getaffinity,
    SYS_sched_setaffinity,
    SYS_getcpu,
    SYS_set_robust_list,
    SYS_rseq,
    SYS_membarrier,
    SYS_gettid,
    SYS_getpid,
    SYS_getppid,
    SYS_exit,
    SYS_exit_group,
    SYS_clock_gettime,
    SYS_clock_getres,
    SYS_clock_nanosleep,
    SYS_nanosleep,
    SYS_gettimeofday,
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_sigaltstack,
    SYS_restart_syscall,
    SYS_getrandom,
    SYS_uname,
    SYS_sysinfo,
    SYS_getrusage,
    SYS_get_mempolicy,
    SYS_set_mempolicy,
    SYS_mbind,
#if defined(__x86_64__)
    SYS_poll,
    SYS_time,
    SYS_arch_prctl,
#endif
};

sock_filter statement(std::uint16_t code, std::uint32_t k) { return BPF_STMT(code, k); }
sock_filter jump(std::uint32_t k, std::uint8_t yes, std::uint8_t no) {
  return BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, yes, no);
}

void load(std::vector<sock_filter>& program, std::size_t offset) {
  program.push_back(statement(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset)));
}
void give(std::vector<sock_filter>& program, std::uint32_t result) {
  program.push_back(statement(BPF_RET | BPF_K, result));
}

// A call whose low argument word `index` has to pass `test` (jump forward by one when it does).
constexpr std::size_t low_argument(std::size_t index) {
  return offsetof(seccomp_data, args) + index * sizeof(std::uint64_t);  // little-endian
}

// Refused like the rest, and remembered: see take_violation.
constexpr std::array kTelling = {
    SYS_openat,
    SYS_openat2,
    SYS_execve,
    SYS_execveat,
    SYS_socket,
    SYS_socketpair,
    SYS_kill,
    SYS_tkill,
    SYS_unlinkat,
    SYS_renameat2,
    SYS_mkdirat,
    SYS_linkat,
    SYS_symlinkat,
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
#if defined(__x86_64__)
    SYS_open,
    SYS_creat,
    SYS_fork,
    SYS_vfork,
    SYS_unlink,
    SYS_rename,
    SYS_mkdir,
#endif
};

void allow_threads(std::vector<sock_filter>& program) {
  // clone3 takes its flags in memory, which a filter cannot read: glibc falls back to clone.
  program.push_back(jump(SYS_clone3, 0, 1));
  give(program, SECCOMP_RET_ERRNO | ENOSYS);
  program.push_back(jump(SYS_clone, 0, 5));
  load(program, low_argument(0));
  program.push_back(statement(BPF_ALU | BPF_AND | BPF_K, CLONE_THREAD));
  program.push_back(jump(CLONE_THREAD, 0, 1));
  give(program, SECCOMP_RET_ALLOW);
  give(program, SECCOMP_RET_TRAP);
}

// abort() signals its own thread; no other process may be signalled.
void allow_own_signals(std::vector<sock_filter>& program) {
  const auto self = static_cast<std::uint32_t>(::getpid());
  program.push_back(jump(SYS_tgkill, 0, 4));
  load(program, low_argument(0));
  program.push_back(jump(self, 0, 1));
  give(program, SECCOMP_RET_ALLOW);
  give(program, SECCOMP_RET_ERRNO | EPERM);
}

// Naming a thread is harmless; other prctl calls are refused.
void allow_thread_names(std::vector<sock_filter>& program) {
  program.push_back(jump(SYS_prctl, 0, 4));
  load(program, low_argument(0));
  program.push_back(jump(PR_SET_NAME, 0, 1));
  give(program, SECCOMP_RET_ALLOW);
  give(program, SECCOMP_RET_ERRNO | EPERM);
}

enum class Step { load, run };

constexpr std::uint32_t kMakesOrWrites = O_ACCMODE | O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY);

// Opening a file is allowed when its flags, the argument of that index, are those of reading.
void allow_reading(std::vector<sock_filter>& program, long call, std::size_t flags) {
  program.push_back(jump(static_cast<std::uint32_t>(call), 0, 5));
  load(program, low_argument(flags));
  program.push_back(statement(BPF_ALU | BPF_AND | BPF_K, kMakesOrWrites));
  program.push_back(jump(O_RDONLY, 0, 1));
  give(program, SECCOMP_RET_ALLOW);
  give(program, SECCOMP_RET_TRAP);
}

// What a loader does, and entering the next step.
constexpr std::array kOfLoading = {
    SYS_newfstatat, SYS_statx,  SYS_faccessat, SYS_readlinkat,
    SYS_fcntl,      SYS_getcwd, SYS_statfs,    SYS_getdents64,
    SYS_fstatfs,    SYS_dup,    SYS_prctl,     SYS_landlock_create_ruleset,
    SYS_seccomp,    SYS_landlock_restrict_self, SYS_close_range,
    SYS_memfd_create,
#if defined(__x86_64__)
    SYS_stat,       SYS_lstat,  SYS_access,    SYS_readlink,
#endif
};

void allow_loading(std::vector<sock_filter>& program) {
  for (const long call : kOfLoading) {
    program.push_back(jump(static_cast<std::uint32_t>(call), 0, 1));
    give(program, SECCOMP_RET_ALLOW);
  }
  allow_reading(program, SYS_openat, 2);
#if defined(__x86_64__)
  allow_reading(program, SYS_open, 1);
#endif
}

std::vector<sock_filter> filter(Step step) {
  std::vector<sock_filter> program;
  load(program, offsetof(seccomp_data, arch));
  program.push_back(jump(kArchitecture, 1, 0));
  give(program, SECCOMP_RET_KILL_PROCESS);
  load(program, offsetof(seccomp_data, nr));
#if defined(__x86_64__)
  constexpr std::uint32_t kX32 = 0x40000000;  // another table of calls under the same architecture
  program.push_back(BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, kX32, 0, 1));
  give(program, SECCOMP_RET_KILL_PROCESS);
#endif
  for (const long call : kAllowed) {
    program.push_back(jump(static_cast<std::uint32_t>(call), 0, 1));
    give(program, SECCOMP_RET_ALLOW);
  }
  if (step == Step::load) allow_loading(program);
  allow_threads(program);
  for (const long call : kTelling) {
    program.push_back(jump(static_cast<std::uint32_t>(call), 0, 1));
    give(program, SECCOMP_RET_TRAP);
  }
  allow_own_signals(program);
  allow_thread_names(program);
  give(program, SECCOMP_RET_ERRNO | EPERM);
  return program;
}

// Written by the signal handler, once; read when no model's code runs.
constexpr std::size_t kMostText = 300;
char violation[kMostText] = {};
volatile std::sig_atomic_t violated = 0;

// LibTorch asks the kernel what machine this is, now and then, and the C library what time it is
// there when a warning is printed.
bool is_about_the_machine(const char* path) {
  for (const char* start : {"/proc/", "/sys/", "/etc/localtime", "/usr/share/zoneinfo/"})
    if (std::strncmp(path, start, std::strlen(start)) == 0) return true;
  return false;
}

const char* path_argument(const siginfo_t& info, const std::uint64_t first,
                          const std::uint64_t second) {
  switch (info.si_syscall) {
#if defined(__x86_64__)
    case SYS_open:
    case SYS_creat:
    case SYS_unlink:
    case SYS_rename:
    case SYS_mkdir:
#endif
    case SYS_execve: return reinterpret_cast<const char*>(first);
    case SYS_openat:
    case SYS_openat2:
    case SYS_unlinkat:
    case SYS_renameat2:
    case SYS_mkdirat: return reinterpret_cast<const char*>(second);
    default: return nullptr;
  }
}

void note(const char* path, int call) {
  if (violated != 0 || (path != nullptr && is_about_the_machine(path))) return;
  if (path != nullptr) {
    std::strncpy(violation, path, kMostText - 1);
  } else {
    violation[0] = '\0';
  }
  violated = call;
}

// Makes the call fail with EPERM, as if it had been made.
void on_refused(int, siginfo_t* info, void* context) {
  auto* machine = static_cast<ucontext_t*>(context);
#if defined(__x86_64__)
  auto& registers = machine->uc_mcontext.gregs;
  note(path_argument(*info, static_cast<std::uint64_t>(registers[REG_RDI]),
                     static_cast<std::uint64_t>(registers[REG_RSI])),
       info->si_syscall);
  registers[REG_RAX] = -EPERM;
#else
  auto& registers = machine->uc_mcontext.regs;
  note(path_argument(*info, registers[0], registers[1]), info->si_syscall);
  registers[0] = static_cast<std::uint64_t>(-EPERM);
#endif
}

bool listen_for_refusals(std::string* why_not) {
  struct sigaction action {};
  action.sa_sigaction = on_refused;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  if (::sigaction(SIGSYS, &action, nullptr) == 0) return true;
  *why_not = std::string("no handler for SIGSYS: ") + std::strerror(errno);
  return false;
}

bool refuse_files(Step step, std::string* why_not) {
  const long abi =
      ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (abi < 1) {
    *why_not = "the kernel has no Landlock";
    return false;
  }
  landlock_ruleset_attr attributes{};
  // The rights of Landlock's first version; the newer ones it knows are subsets of what seccomp
  // refuses.
  attributes.handled_access_fs = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1U) - 1;
  if (step == Step::load)
    attributes.handled_access_fs &= ~std::uint64_t{LANDLOCK_ACCESS_FS_READ_FILE |
                                                   LANDLOCK_ACCESS_FS_READ_DIR};
  const long rules =
      ::syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes.handled_access_fs, 0);
  const bool set = rules >= 0 && ::syscall(SYS_landlock_restrict_self, rules, 0) == 0;
  if (rules >= 0) ::close(static_cast<int>(rules));
  if (!set) *why_not = std::string("Landlock refuses: ") + std::strerror(errno);
  return set;
}

bool refuse_calls(Step step, std::string* why_not) {
  std::vector<sock_filter> program = filter(step);
  const sock_fprog whole{static_cast<unsigned short>(program.size()), program.data()};
  // TSYNC: for the threads too that LibTorch has started.
  if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &whole) == 0)
    return true;
  *why_not = std::string("seccomp refuses: ") + std::strerror(errno);
  return false;
}

std::string enter_step(Step step, std::string* why_not) {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    *why_not = std::string("no_new_privs: ") + std::strerror(errno);
    return "";
  }
  if (!listen_for_refusals(why_not) || !refuse_files(step, why_not) || !refuse_calls(step, why_not))
    return "";
  return "landlock+seccomp";
}

// In words, of a call that no path tells of.
std::string attempt(int call) {
  switch (call) {
#if defined(__x86_64__)
    case SYS_fork:
    case SYS_vfork:
#endif
    case SYS_clone: return "to start a process";
    case SYS_execveat: return "to start a program";
    case SYS_kill:
    case SYS_tkill: return "to send a signal to a process";
    case SYS_socket:
    case SYS_socketpair: return "to open a socket";
    default:
      return "to reach beyond its process (system call " + std::to_string(call) + ")";
  }
}

}  // namespace

std::string enter(std::string* why_not) { return enter_step(Step::run, why_not); }
std::string enter_to_load(std::string* why_not) { return enter_step(Step::load, why_not); }

bool has_violation() { return violated != 0; }

std::string take_violation() {
  if (violated == 0) return "";
  std::string what = violation[0] == '\0' ? attempt(violated)
                                          : "to get at the file \"" + std::string(violation) + "\"";
  violated = 0;
  return what;
}

void limit_memory(std::uint64_t bytes, std::uint64_t most) {
  const rlimit data{bytes, std::max(bytes, most)};
  ::setrlimit(RLIMIT_DATA, &data);
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
}

}  // namespace detent::sandbox
