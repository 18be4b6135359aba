// Runs a program that dies as soon as it, or a child of it, asks the kernel for
// anything to do with sockets:
//
//   no_sockets program [argument...]
//
// The filter is the kernel's seccomp, installed before the program starts, so
// that no library can get around it. Exit status: the program's, or 128 + SIGSYS
// by the shell's count when the filter struck. Linux only.

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <vector>

namespace {

#if defined(__x86_64__)
constexpr unsigned kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr unsigned kArchitecture = AUDIT_ARCH_AARCH64;
#else
#error "which system calls does this machine have?"
#endif

// io_uring reaches sockets without any of the other calls.
constexpr unsigned kForbidden[] = {
    SYS_socket,      SYS_socketpair, SYS_connect,    SYS_bind,          SYS_listen,
    SYS_accept,      SYS_accept4,    SYS_sendto,     SYS_sendmsg,       SYS_sendmmsg,
    SYS_recvfrom,    SYS_recvmsg,    SYS_recvmmsg,   SYS_shutdown,      SYS_getsockname,
    SYS_getpeername, SYS_setsockopt, SYS_getsockopt, SYS_io_uring_setup};

sock_filter Load(std::size_t offset) {
  return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<unsigned>(offset));
}
sock_filter Return(unsigned action) { return BPF_STMT(BPF_RET | BPF_K, action); }

bool ForbidSockets() {
  std::vector<sock_filter> program = {
    Load(offsetof(seccomp_data, arch)),
    // Another table of call numbers could be used to get past the list.
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0),
    Return(SECCOMP_RET_KILL_PROCESS),
    Load(offsetof(seccomp_data, nr)),
#if defined(__x86_64__)
    // The x32 numbers.
    BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1),
    Return(SECCOMP_RET_KILL_PROCESS),
#endif
  };
  for (const unsigned call : kForbidden) {
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1));
    program.push_back(Return(SECCOMP_RET_KILL_PROCESS));
  }
  program.push_back(Return(SECCOMP_RET_ALLOW));
  const sock_fprog filter = {static_cast<unsigned short>(program.size()), program.data()};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) == 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fputs("usage: no_sockets program [argument...]\n", stderr);
    return 125;
  }
  if (!ForbidSockets()) {
    std::perror("no_sockets: the kernel refuses the filter");
    return 125;
  }
  execvp(argv[1], argv + 1);
  std::perror("no_sockets: cannot start the program");
  return 125;
}
