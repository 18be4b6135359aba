#include "schedule/policy.h"

namespace attune {

std::string_view ReasonName(Reason reason) {
  switch (reason) {
    case Reason::kNone:
      return "none";
    case Reason::kDisabled:
      return "disabled";
    case Reason::kOutsideWindow:
      return "outside window";
    case Reason::kNotOnPower:
      return "not on power";
    case Reason::kBatteryLow:
      return "battery low";
    case Reason::kLowPowerMode:
      return "low power mode";
    case Reason::kTooHot:
      return "too hot";
    case Reason::kUserActive:
      return "user active";
    case Reason::kForeground:
      return "foreground";
    case Reason::kDeviceLocked:
      return "device locked";
    case Reason::kNoMemory:
      return "no memory";
    case Reason::kMemoryPressure:
      return "memory pressure";
    case Reason::kNoDisk:
      return "no disk";
    case Reason::kNoDevice:
      return "no device";
    case Reason::kFewExamples:
      return "few examples";
    case Reason::kTooSoon:
      return "too soon";
    case Reason::kBackingOff:
      return "backing off";
    case Reason::kDependency:
      return "dependency";
    case Reason::kBudgetSpent:
      return "budget spent";
    case Reason::kRunBudgetSpent:
      return "run budget spent";
    case Reason::kOtherJob:
      return "other job";
    case Reason::kClockImplausible:
      return "clock implausible";
    case Reason::kCancelled:
      return "cancelled";
    case Reason::kOutOfTime:
      return "out of time";
  }
  return "unknown";
}

std::string_view ReasonSentence(Reason reason) {
  switch (reason) {
    case Reason::kNone:
      return "nothing was missing";
    case Reason::kDisabled:
      return "the job is switched off";
    case Reason::kOutsideWindow:
      return "it was outside the job's hours";
    case Reason::kNotOnPower:
      return "the device was not on external power";
    case Reason::kBatteryLow:
      return "the battery was too low";
    case Reason::kLowPowerMode:
      return "the device was saving power";
    case Reason::kTooHot:
      return "the device was too hot";
    case Reason::kUserActive:
      return "the device was in use";
    case Reason::kForeground:
      return "the app was in the foreground";
    case Reason::kDeviceLocked:
      return "the device had not been unlocked since it started";
    case Reason::kNoMemory:
      return "the training would not have fit into memory";
    case Reason::kMemoryPressure:
      return "the device was short of memory";
    case Reason::kNoDisk:
      return "the disk was too full";
    case Reason::kNoDevice:
      return "no processor might be used";
    case Reason::kFewExamples:
      return "there was too little new to learn from";
    case Reason::kTooSoon:
      return "the last run was too recent";
    case Reason::kBackingOff:
      return "it was waiting after a failure";
    case Reason::kDependency:
      return "a job that it comes after had not finished";
    case Reason::kBudgetSpent:
      return "the day's budget was spent";
    case Reason::kRunBudgetSpent:
      return "the run's budget for the night was spent";
    case Reason::kOtherJob:
      return "another job went first";
    case Reason::kClockImplausible:
      return "the clock had been set back and was not trusted yet";
    case Reason::kCancelled:
      return "it was asked to stop";
    case Reason::kOutOfTime:
      return "the time that the system gave was over";
  }
  return "the reason is not known to this version";
}

}  // namespace attune
