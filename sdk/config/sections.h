// The sections of the configuration, and the members they set: docs/configuration.md.
//
// Threads: pure functions.

#pragma once

#include "attune/gate.h"
#include "attune/night.h"
#include "attune/status.h"
#include "config/fields.h"

namespace attune {

// A job while it is read. What the top of the file says is where each begins.
struct JobDraft {
  NightJob job;
  GateOptions gate;
};

// The section `night`.
Status ReadNight(const Place& place, const YamlNode& node, NightOptions* night);

// The sections that may stand at the top, for all jobs, and in a job: model, vault,
// open, data, lora, training, gate, outcomes, schedule. Fields that set `draft`.
std::vector<Field> JobFields(JobDraft* draft);

}  // namespace attune
