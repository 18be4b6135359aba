// What no key alone can show to be wrong: jobs that contradict each other, and values
// of one job that together let nothing happen.
//
// Threads: pure functions.

#pragma once

#include <span>
#include <string>

#include "attune/night.h"
#include "attune/status.h"
#include "config/fields.h"

namespace attune {

// The top of the file, and the node of each job, in order.
struct ConfigNodes {
  const std::string& file;
  const YamlNode& top;
  std::span<const YamlNode> jobs;
};

// An error stands at the key to change: in the job if it has that key, else at the top,
// else where the job begins.
Status CheckJobs(const ConfigNodes& nodes, std::span<const NightJob> jobs);

}  // namespace attune
