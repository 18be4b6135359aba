// How long a night takes to stop, and whether it goes on exactly: it is stopped at
// random instants of real runs, in steps, tests, rests and the gate's checks, and
// goes on each time; every adapter must be that of an undisturbed night.
//
//   stop_latency [--stops 200] [--steps 60] [--batch 16] [--duty 0.8]
//                [--concurrent 1] [--seed N]
//
// Latency is from Stop() until Wait() has returned. Its unit is the longest step
// plus the longest save of the same runs; with two open jobs, two saves are made.
// Openings of the model are reported apart: they come before the first step.
// Exit code 1: an adapter differs.

#include <time.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/philox.h"
#include "posix/posix_worker_thread.h"
#include "session/adaptation_work.h"
#include "session/sitting.h"
#include "session/vault_ledger.h"
#include "support/night_on_disk.h"
#include "support/temporary_directory.h"

namespace attune {
namespace {

using testing::NightOnDisk;
using testing::NightOnDiskOptions;

struct Arguments {
  int stops = 200;
  std::uint64_t seed = static_cast<std::uint64_t>(time(nullptr));
  NightOnDiskOptions night{.batch = 16, .max_loss_seconds = 0.5, .duty = 0.8, .concurrent = 1};
};

struct Longest {
  double step = 0, save = 0;
  double unit() const { return step + save; }
};

// Real work, with a watch.
class TimedWork final : public NightWork {
 public:
  TimedWork(std::unique_ptr<AdaptationWork> work, Clock& clock, Longest& longest)
      : work_(std::move(work)), clock_(clock), longest_(longest) {}
  Result<WorkNeeds> Needs() override { return work_->Needs(); }
  Result<WorkProgress> Begin(std::int64_t available, std::int64_t* needed) override {
    opening = true;
    auto progress = work_->Begin(available, needed);
    opening = false;
    return progress;
  }
  Result<WorkProgress> Step(FunctionRef<bool()> go_on) override {
    auto progress = work_->Step(go_on);
    if (work_->event() != nullptr) {
      longest_.step = std::max(longest_.step, work_->event()->seconds);
    }
    return progress;
  }
  Status Save() override {
    const double begin = clock_.MonotonicSeconds();
    Status status = work_->Save();
    longest_.save = std::max(longest_.save, clock_.MonotonicSeconds() - begin);
    return status;
  }
  Result<WorkVerdict> Conclude(FunctionRef<bool()> go_on) override {
    concluding = true;
    auto verdict = work_->Conclude(go_on);
    concluding = false;
    return verdict;
  }
  void End() override { work_->End(); }

  std::atomic<bool> opening{false}, concluding{false};

 private:
  std::unique_ptr<AdaptationWork> work_;
  Clock& clock_;
  Longest& longest_;
};

enum class Where { kTraining, kOpening, kGate, kNowhere };

// Two jobs' sittings in a folder.
class Sitter {
 public:
  Sitter(const std::string& folder, const Arguments& arguments, Longest& longest)
      : disk_(folder, arguments.night), night_(disk_.Night()) {
    auto ledger = VaultLedger::Open(disk_.platform(), night_.vault, true);
    EXPECT_OK(ledger);
    ledger_ = *std::move(ledger);
    for (const NightJob& job : night_.jobs) {
      auto work = AdaptationWork::Open(disk_.platform(), job.adaptation, job.run);
      EXPECT_OK(work);
      works_.push_back(
          std::make_unique<TimedWork>(*std::move(work), *disk_.platform().clock, longest));
    }
  }

  // Stops it after so many seconds, if it still runs then; negative: never. Returns
  // how long that took and where it was.
  double Sit(double seconds, Where* where) {
    Clock& clock = *disk_.platform().clock;
    std::atomic<bool> ended{false};
    StopSignal stop;
    auto thread = PosixWorkerThreads().Make();
    thread->Run([&] {
      Run(stop);
      ended = true;
    });
    *where = Where::kNowhere;
    double asked = clock.MonotonicSeconds();
    if (seconds >= 0) {
      clock.Sleep(seconds);
      if (!ended) *where = Place();
      asked = clock.MonotonicSeconds();
      stop.Ask();
    }
    thread->Join();
    return clock.MonotonicSeconds() - asked;
  }

  bool finished() {
    auto records = ledger_->Read();
    EXPECT_OK(records);
    std::map<std::string, bool> done;
    for (const LedgerRecord& record : *records) {
      if (record.event == LedgerEvent::kKept || record.event == LedgerEvent::kPromoted ||
          record.event == LedgerEvent::kRejected) {
        done[record.job] = true;
      }
    }
    return done.size() == night_.jobs.size();
  }

  std::string Exported() {
    std::string all;
    for (const NightJob& job : night_.jobs) {
      const std::string directory = disk_.Path("out-" + job.policy.name);
      disk_.Export(job, directory);
      for (const char* name : {"/adapter_model.safetensors", "/loss_curve.csv"}) {
        auto bytes = disk_.platform().files->Read(directory + name, 1 << 26);
        EXPECT_OK(bytes);
        all += *bytes;
      }
    }
    return all;
  }

 private:
  void Run(const StopSignal& stop) {
    SittingOptions options;
    options.concurrent = night_.concurrent;
    options.max_loss_seconds = night_.max_loss_seconds;
    options.governor = *night_.governor;
    std::vector<SittingJob> jobs;
    for (std::size_t i = 0; i < works_.size(); ++i) {
      jobs.push_back({night_.jobs[i].policy, works_[i].get()});
    }
    Sitting sitting({disk_.platform().clock, &disk_.monitor, ledger_.get()}, options,
                    std::move(jobs), stop);
    EXPECT_OK(sitting.Run([](const SittingEvent&) {}));
  }
  Where Place() const {
    for (const auto& work : works_) {
      if (work->opening) return Where::kOpening;
      if (work->concluding) return Where::kGate;
    }
    return Where::kTraining;
  }

  NightOnDisk disk_;
  const NightOptions night_;
  std::unique_ptr<VaultLedger> ledger_;
  std::vector<std::unique_ptr<TimedWork>> works_;
};

double Percentile(std::vector<double> sorted, double part) {
  if (sorted.empty()) return 0;
  std::sort(sorted.begin(), sorted.end());
  return sorted[static_cast<std::size_t>(part * static_cast<double>(sorted.size() - 1) + 0.5)];
}

void Print(const char* name, const std::vector<double>& seconds, double unit) {
  std::printf(
      "%-10s %4zu stops: p50 %.4f s, p99 %.4f s, longest %.4f s; in units %.2f, %.2f, %.2f\n", name,
      seconds.size(), Percentile(seconds, 0.5), Percentile(seconds, 0.99), Percentile(seconds, 1),
      Percentile(seconds, 0.5) / unit, Percentile(seconds, 0.99) / unit,
      Percentile(seconds, 1) / unit);
}

class Bench {
 public:
  explicit Bench(const Arguments& arguments) : arguments_(arguments), random_(arguments.seed) {}

  int Run() {
    std::printf("stop_latency: seed %llu\n", static_cast<unsigned long long>(arguments_.seed));
    NightOnDisk(root_ / "recorded", arguments_.night).Record();
    Undisturbed();
    int different = 0;
    while (stops_ < arguments_.stops) different += !NightWithStops();
    Print("training", at_[Where::kTraining], longest_.unit());
    Print("gate", at_[Where::kGate], longest_.unit());
    Print("opening", at_[Where::kOpening], longest_.unit());
    std::printf("unit: longest step %.4f s + longest save %.4f s; %d nights, %d different\n",
                longest_.step, longest_.save, nights_, different);
    return different > 0 || ::testing::Test::HasFailure() ? 1 : 0;
  }

 private:
  std::string Folder() {
    const std::string folder = root_ / "night";
    std::filesystem::remove_all(folder);
    std::filesystem::copy(root_ / "recorded", folder, std::filesystem::copy_options::recursive);
    return folder;
  }

  void Undisturbed() {
    Sitter sitter(Folder(), arguments_, longest_);
    Where where;
    seconds_ = sitter.Sit(-1, &where);
    expected_ = sitter.Exported();
  }

  // Whether it ended in the same adapters.
  bool NightWithStops() {
    Sitter sitter(Folder(), arguments_, longest_);
    for (++nights_; stops_ < arguments_.stops && !sitter.finished();) {
      Where where;
      const double after = static_cast<double>(random_.NextFloat()) * seconds_ * 0.4;
      const double took = sitter.Sit(after, &where);
      if (where == Where::kNowhere) continue;
      at_[where].push_back(took);
      ++stops_;
    }
    Where where;
    if (!sitter.finished()) sitter.Sit(-1, &where);
    return sitter.Exported() == expected_;
  }

  const Arguments arguments_;
  Philox random_;
  testing::TemporaryDirectory root_;
  Longest longest_;
  double seconds_ = 0;
  std::string expected_;
  int stops_ = 0, nights_ = 0;
  std::map<Where, std::vector<double>> at_;
};

bool Parse(int argc, char** argv, Arguments* arguments) {
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    const double value = std::atof(argv[i + 1]);
    if (name == "--stops") {
      arguments->stops = static_cast<int>(value);
    } else if (name == "--steps") {
      arguments->night.steps = static_cast<std::int64_t>(value);
    } else if (name == "--batch") {
      arguments->night.batch = static_cast<std::int64_t>(value);
    } else if (name == "--duty") {
      arguments->night.duty = value;
    } else if (name == "--concurrent") {
      arguments->night.concurrent = static_cast<int>(value);
    } else if (name == "--seed") {
      arguments->seed = std::strtoull(argv[i + 1], nullptr, 10);
    } else {
      return false;
    }
  }
  return argc % 2 == 1;
}

}  // namespace
}  // namespace attune

int main(int argc, char** argv) {
  attune::Arguments arguments;
  ::testing::InitGoogleTest(&argc, argv);
  if (!attune::Parse(argc, argv, &arguments)) {
    std::fprintf(stderr,
                 "usage: stop_latency [--stops N] [--steps N] [--batch N] [--duty D] "
                 "[--concurrent N] [--seed N]\n");
    return 2;
  }
  return attune::Bench(arguments).Run();
}
