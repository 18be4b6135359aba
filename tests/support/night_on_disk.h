// A night of two real runs in a folder: a tiny model, two vaults of recorded
// messages, a ledger and the keys. For programs that are stopped and killed.

#pragma once

#include <memory>
#include <string>
#include <utility>

#include "attune/adaptation.h"
#include "attune/night.h"
#include "base/strings.h"
#include "platform/platform.h"
#include "schedule/governor.h"
#include "support/adaptation_world.h"
#include "support/steady_monitor.h"

namespace attune::testing {

struct NightOnDiskOptions {
  std::int64_t steps = 60;
  std::int64_t batch = 4;
  double max_loss_seconds = 0.2;
  double duty = 1;
  int concurrent = 2;
};

class NightOnDisk {
 public:
  NightOnDisk(std::string folder, const NightOnDiskOptions& options)
      : folder_(std::move(folder)), options_(options) {
    auto platform = DefaultPlatform::Open({.workers = 1, .key_directory = Path("keys")});
    EXPECT_OK(platform);
    default_platform_ = *std::move(platform);
    platform_ = default_platform_->get();
    platform_.monitor = &monitor;
  }

  const Platform& platform() const { return platform_; }
  std::string Path(const std::string& name) const { return JoinPath(folder_, name); }

  // Makes the model and records, different messages for each job.
  void Record() {
    WriteTinyModel(*platform_.files, Path("base"));
    int first = 0;
    for (const NightJob& job : Night().jobs) {
      auto adaptation = Adaptation::Open(platform_, job.adaptation);
      ASSERT_OK(adaptation);
      AdaptationWorld::Record(**adaptation, first, first + 60);
      first += 60;
    }
  }

  NightOptions Night() const {
    NightOptions night;
    night.vault = Path("ledger");
    night.concurrent = options_.concurrent;
    night.max_loss_seconds = options_.max_loss_seconds;
    auto governor = std::make_shared<GovernorOptions>();
    governor->lines.clear();
    governor->duty_nominal = options_.duty;
    night.governor = governor;
    for (const char* name : {"keyboard", "notes"}) night.jobs.push_back(Job(name));
    return night;
  }

  // The adapter of the newest generation: both files.
  void Export(const NightJob& job, const std::string& directory) {
    auto adaptation = Adaptation::Open(platform_, job.adaptation);
    ASSERT_OK(adaptation);
    ASSERT_OK((*adaptation)->Refresh());
    const auto generations = (*adaptation)->Generations();
    ASSERT_FALSE(generations.empty());
    ASSERT_OK((*adaptation)->ExportAdapter(generations.back().generation, directory));
  }

  SteadyMonitor monitor;

 private:
  NightJob Job(const std::string& name) const {
    NightJob job;
    job.adaptation = AdaptationWorld().Options();
    job.policy.name = job.adaptation.adapter = name;
    job.policy.min_new_examples = 1;
    job.policy.backoff.first_seconds = 0;  // However often it is killed.
    job.adaptation.model = Path("base");
    job.adaptation.vault = Path(name);
    job.run = AdaptationWorld::Run(options_.steps);
    job.run.training.batch = options_.batch;
    return job;
  }

  const std::string folder_;
  const NightOnDiskOptions options_;
  std::unique_ptr<DefaultPlatform> default_platform_;
  Platform platform_;
};

}  // namespace attune::testing
