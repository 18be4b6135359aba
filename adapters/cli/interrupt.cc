#include "cli/interrupt.h"

#include <csignal>

namespace attune {
namespace {

volatile std::sig_atomic_t g_interrupted = 0;

void OnSignal(int) { g_interrupted = 1; }

volatile std::sig_atomic_t g_count = 0;
void (*g_act)(int count) = nullptr;

void OnCountedSignal(int signal) {
  g_interrupted = 1;
  g_count = g_count + 1;
  if (g_count >= 2) std::signal(signal, SIG_DFL);
  g_act(g_count);
}

void Install(void (*handler)(int), int flags) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = flags;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

}  // namespace

void WatchForInterrupts() {
  // Back to the default after the first, so that the second ends the process.
  Install(&OnSignal, SA_RESETHAND | SA_RESTART);
}

void CallAtInterrupts(void (*act)(int count)) {
  g_act = act;
  Install(&OnCountedSignal, SA_RESTART);
}

bool Interrupted() { return g_interrupted != 0; }

}  // namespace attune
