// Ctrl-C, politely: the first SIGINT (or SIGTERM) only sets a flag, which the
// command looks at between steps; the second one ends the process as usual.

#pragma once

namespace attune {

// Once, before work begins that should be stopped politely.
void WatchForInterrupts();
bool Interrupted();

// Instead: `act` is called in the signal's handler, with 1 at the first signal and 2
// at the second; the third ends the process as usual. It may do what a handler may.
void CallAtInterrupts(void (*act)(int count));

}  // namespace attune
