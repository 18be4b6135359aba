// Examples as the command is given them: lines of text, or a file of messages.

#pragma once

#include <cstdio>
#include <functional>
#include <string>

#include "attune/example.h"
#include "attune/status.h"
#include "session/dataset.h"

namespace attune {

// A message as an example. Of a conversation the turns before the last one are
// what is read, one "role: content" line each. The time of a row is taken as UTC.
//
//   kInvalidArgument  a time that no calendar has
Result<Example> ExampleOf(const Message& message);

// Reads line by line until the end or until `visit` fails. Of a line longer than
// `limit` bytes only its beginning, limit + 1 bytes of it, is kept.
Status ForEachLine(std::FILE* in, std::size_t limit,
                   const std::function<Status(std::string line)>& visit);

}  // namespace attune
