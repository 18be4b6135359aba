// How hot the device is: the kernel's thermal zones, the worst one of them.
//
// A zone is judged by its own trip points:
//
//   critical  at its "hot" trip, or 5 degrees below its "critical" one
//   serious   at its highest "passive" trip, where the kernel itself throttles; or
//             15 degrees below "critical"
//   fair      at its lowest "passive" trip, or 10 degrees below what trips make
//             serious
//
// and, whatever those say, by bounds for its kind: 75, 85 and 95 degrees Celsius for
// a processor, 40, 45 and 55 for a battery or the skin (zones whose type has "batt",
// "skin" or "charger" in it). Trips that no device could mean (below 20, above 150)
// and temperatures that no sensor measures (below -40, above 150) are left out.
// Without a zone the state is nominal.
//
// Threads: pure functions of the files.

#pragma once

#include "linux/system_files.h"
#include "ports/device_monitor.h"

namespace attune {

ThermalState ReadThermalState(const SystemFiles& files);

}  // namespace attune
