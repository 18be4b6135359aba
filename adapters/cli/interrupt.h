// Ctrl-C, politely: the first SIGINT (or SIGTERM) only sets a flag, which the
// command looks at between steps; the second one ends the process as usual.

#pragma once

namespace attune {

// Once, before work begins that should be stopped politely.
void WatchForInterrupts();
bool Interrupted();

}  // namespace attune
