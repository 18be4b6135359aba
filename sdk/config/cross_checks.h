// What no key alone can show to be wrong: jobs that contradict each other, and values
// of one job that together let nothing happen.
//
// Threads: pure functions.

#pragma once

#include <span>
#include <string>

#include "attune/status.h"
#include "config/sections.h"

namespace attune {

// The top of the file, and the node of each job, in order.
struct ConfigNodes {
  const std::string& file;
  const YamlNode& top;
  std::span<const YamlNode> jobs;
};

// Errors stand where the last of the contradicting values does: in the job if it has
// the key, else at the top, else at the job's name.
Status CheckJobs(const ConfigNodes& nodes, std::span<const JobDraft> drafts);

}  // namespace attune
