// Threads of the SDK's own that nobody waits for.

#pragma once

namespace attune {

// Puts the calling thread at background priority, for good: behind whatever the
// user looks at, but never so far that a step, a save and so a polite stop take
// for ever. Linux: nice 10, a tenth of a contended processor. Apple: the utility
// class. Elsewhere nothing happens.
void EnterBackground();

}  // namespace attune
