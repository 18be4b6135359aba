// The sections of the configuration, and the members they set: docs/configuration.md.
//
// Threads: pure functions.

#pragma once

#include "attune/night.h"
#include "attune/status.h"
#include "config/fields.h"

namespace attune {

// The section `night`.
Status ReadNight(const Place& place, const YamlNode& node, NightOptions* night);

// The sections that may stand at the top, for all jobs, and in a job: model, vault,
// open, data, lora, training, gate, outcomes, schedule. Fields that set `job`.
std::vector<Field> JobFields(NightJob* job);

}  // namespace attune
