// What a platform could not give as it was asked for, told to whoever sits there.

#pragma once

#include "platform/platform.h"

namespace attune {

// "attune: <note>" on stderr, if there is one.
void PrintNote(const DefaultPlatform& platform);

}  // namespace attune
