// A night as a process of its own, to be killed.
//
//   night_process <folder> record   the model, two vaults of messages
//   night_process <folder> run      one sitting, to its end
//   night_process <folder> export   <folder>/out/<job>/, of the newest generation
//   night_process <folder> ledger   one JSON line a record
// Exit code: 0, or 1 and a line that says why.

#include <cstdio>
#include <string>

#include "schedule/ledger.h"
#include "support/night_on_disk.h"

namespace attune {
namespace {

using testing::NightOnDisk;

int Fail(const Status& status) {
  std::fprintf(stderr, "night_process: %s\n", status.ToString().c_str());
  return 1;
}

int Run(Night& night) {
  const Status started = night.Start(0);
  if (!started.ok()) return Fail(started);
  const auto report = night.Wait();
  return report.ok() ? 0 : Fail(report.status());
}

int PrintLedger(Night& night) {
  const auto records = night.ReadLedger();
  if (!records.ok()) return Fail(records.status());
  for (const LedgerRecord& record : *records) {
    std::printf("{\"job\": \"%s\", \"event\": \"%s\", \"step\": %lld, \"steps_here\": %lld}\n",
                record.job.c_str(), std::string(LedgerEventName(record.event)).c_str(),
                static_cast<long long>(record.step), static_cast<long long>(record.steps_here));
  }
  return 0;
}

int Main(const std::string& folder, const std::string& what) {
  NightOnDisk disk(folder, {.steps = 150});
  if (what == "record") {
    disk.Record();
  } else if (what == "export") {
    for (const NightJob& job : disk.Night().jobs) {
      disk.Export(job, disk.Path("out") + "/" + job.policy.name);
    }
  } else {
    auto night = Night::Open(disk.platform(), disk.Night());
    if (!night.ok()) return Fail(night.status());
    return what == "run" ? Run(**night) : PrintLedger(**night);
  }
  return ::testing::Test::HasFailure() ? 1 : 0;
}

}  // namespace
}  // namespace attune

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  if (argc != 3) {
    std::fprintf(stderr, "usage: night_process <folder> record|run|export|ledger\n");
    return 1;
  }
  return attune::Main(argv[1], argv[2]);
}
