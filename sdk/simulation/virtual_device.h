// A device on which time passes only while somebody works or sleeps, and which does
// what its trace says. It is the Clock and the DeviceMonitor of one virtual process
// at a time.
//
// A kill or a reboot ends that process at its very instant. The code that stands for
// it cannot vanish, so from then on nothing it does has an effect: no time passes,
// Live() and Work() say no, its StopSignal insists, and whoever stands for its disk
// drops what it writes.
// Threads: one at a time.

#pragma once

#include <functional>

#include "ports/clock.h"
#include "ports/device_monitor.h"
#include "session/stop_signal.h"
#include "simulation/trace_player.h"

namespace attune {

inline constexpr double kTimerSlackSeconds = 1e-4;

class VirtualDevice : public Clock, public DeviceMonitor {
 public:
  // `on_point` sees every point of the trace when it is in force. `trace` is not owned.
  VirtualDevice(const Trace& trace, std::function<void(const TracePoint&)> on_point);

  // --- From outside ---

  // Seconds since the begin of the trace.
  double now() const { return now_; }
  const DeviceFacts& facts() const { return player_.facts(); }
  std::int64_t unix_seconds() const { return player_.UnixSeconds(now_); }
  std::int32_t utc_offset_seconds() const { return player_.utc_offset_seconds(); }

  // REQUIRES: no process.
  void AdvanceTo(double at);
  // False while it starts anew.
  bool is_on() const { return now_ >= off_until_; }
  void StartProcess(StopSignal* stop);
  // Whether it has lived to its end.
  bool EndProcess();

  // --- For the process ---

  bool Live() const { return !killed_; }
  // So long passes, with so much CPU used. False: killed on the way.
  bool Work(double seconds, double cpu_seconds);

  double MonotonicSeconds() override { return now_ - started_; }
  std::int64_t UnixSeconds() override { return unix_seconds(); }
  std::int32_t UtcOffsetSeconds(std::int64_t) override { return utc_offset_seconds(); }
  double ProcessCpuSeconds() override { return cpu_seconds_; }
  // As timers do, a little longer than asked.
  void Sleep(double seconds) override {
    if (seconds > 0) Work(seconds + kTimerSlackSeconds, 0);
  }
  DeviceFacts Read() override { return facts(); }

 private:
  void Apply(const TracePoint& point);
  void PassTo(double at);

  TracePlayer player_;
  std::function<void(const TracePoint&)> on_point_;
  double now_ = 0, started_ = 0, off_until_ = 0, cpu_seconds_ = 0;
  StopSignal* stop_ = nullptr;
  bool killed_ = false;
};

}  // namespace attune
