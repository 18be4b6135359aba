#include "simulation/virtual_device.h"

#include <algorithm>
#include <utility>

namespace attune {

VirtualDevice::VirtualDevice(const Trace& trace, std::function<void(const TracePoint&)> on_point)
    : player_(trace), on_point_(std::move(on_point)) {}

void VirtualDevice::Apply(const TracePoint& point) {
  now_ = std::max(now_, point.at);
  const bool reboot = point.event == TraceEvent::kReboot;
  if (reboot) {
    started_ = off_until_ = now_ + static_cast<double>(point.seconds);
  }
  if (stop_ != nullptr && (reboot || point.event == TraceEvent::kKill)) {
    killed_ = true;
    stop_->Insist();
  }
  on_point_(point);
}

void VirtualDevice::PassTo(double at) {
  // Point by point: a kill ends the time of the process, not that of the trace.
  while (player_.NextAt() <= at && !killed_) {
    player_.AdvanceTo(player_.NextAt(), [this](const TracePoint& point) { Apply(point); });
  }
  if (!killed_) now_ = std::max(now_, at);
}

void VirtualDevice::AdvanceTo(double at) { PassTo(at); }

void VirtualDevice::StartProcess(StopSignal* stop) {
  stop_ = stop;
  killed_ = false;
  cpu_seconds_ = 0;
}

bool VirtualDevice::EndProcess() {
  stop_ = nullptr;
  return !std::exchange(killed_, false);
}

bool VirtualDevice::Work(double seconds, double cpu_seconds) {
  if (killed_ || !(seconds > 0)) return !killed_;
  PassTo(now_ + seconds);
  if (!killed_) cpu_seconds_ += cpu_seconds;
  return !killed_;
}

}  // namespace attune
