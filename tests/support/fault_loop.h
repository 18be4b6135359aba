// Runs a scenario once for every operation that can go wrong in it, for every way in
// which it can go wrong.
//
//   ForEveryFault({}, [](FaultPlan& plan) {
//     FaultyFileSystem files(plan);
//     ... set up; nothing fails yet ...
//     plan.Start();
//     const bool acknowledged = Commit(files).ok();  // What is tested.
//     files.Restart();   // Or plan.Stop(), to go on without a power failure.
//     ... check ...
//   });

#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "support/fault_plan.h"

namespace attune::testing {

struct FaultLoop {
  std::vector<Fault> faults = {Fault::kCrash,   Fault::kKill,       Fault::kIoError,
                               Fault::kNoSpace, Fault::kShortWrite, Fault::kFailedSync};
  // Runs of each n, for what is left to chance.
  int seeds = 3;
  std::uint64_t first_seed = 1;
  bool count_reads = false;
  // A scenario that never comes to its end is a failure.
  std::uint64_t most_operations = 100'000;
};

// One fault from n = 1 on until a run in which it did not strike. Returns how many
// runs it struck in.
template <typename Scenario>
std::uint64_t ForEveryOperation(const FaultLoop& loop, FaultSpec spec, const Scenario& scenario) {
  for (spec.at = 1; spec.at <= loop.most_operations; ++spec.at) {
    FaultPlan plan(spec);
    SCOPED_TRACE(plan.Describe());
    scenario(plan);
    if (::testing::Test::HasFailure()) return spec.at;
    if (!plan.faulted()) return spec.at - 1;
  }
  ADD_FAILURE() << FaultName(spec.fault) << ": still striking at operation "
                << loop.most_operations;
  return loop.most_operations;
}

// Every fault of the loop: at the n-th operation alone and, where the program goes
// on, from the n-th on; every seed. A fault that never strikes is a failure: the
// scenario forgot plan.Start(), or the fault cannot occur in it.
// Stops at the first failure. Returns the number of runs with a fault.
template <typename Scenario>
std::uint64_t ForEveryFault(const FaultLoop& loop, const Scenario& scenario) {
  std::uint64_t total = 0;
  for (const Fault fault : loop.faults) {
    const bool ends = fault == Fault::kCrash || fault == Fault::kKill;
    std::uint64_t runs = 0;
    for (int i = 0; i < loop.seeds; ++i) {
      for (const bool forever : {false, true}) {
        if (forever && ends) continue;
        const FaultSpec spec{.fault = fault,
                             .forever = forever,
                             .count_reads = loop.count_reads,
                             .seed = loop.first_seed + static_cast<std::uint64_t>(i)};
        const std::uint64_t struck = ForEveryOperation(loop, spec, scenario);
        if (struck == 0) ADD_FAILURE() << FaultName(fault) << " never struck";
        runs += struck;
        if (struck == 0 || ::testing::Test::HasFailure()) return total + runs;
      }
    }
    const std::string name(FaultName(fault));
    std::printf("[  faults  ] %s: %llu runs with a fault\n", name.c_str(),
                static_cast<unsigned long long>(runs));
    total += runs;
  }
  return total;
}

}  // namespace attune::testing
