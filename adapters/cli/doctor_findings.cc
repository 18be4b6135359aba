#include "cli/doctor_findings.h"

#include <cstdio>

#include "base/strings.h"
#include "cli/json_line.h"

namespace attune {
namespace {

constexpr const char* kNames[] = {"ok", "warn", "fail"};

const char* NameOf(Level level) { return kNames[static_cast<std::size_t>(level)]; }

}  // namespace

void Findings::Add(const Finding& finding) {
  ++counts_[static_cast<std::size_t>(finding.level)];
  if (finding.level == Level::kFail) failed_ = true;
  if (!json_) {
    const std::string subject = StrCat(finding.check, finding.job.empty() ? "" : " ", finding.job);
    std::printf("%-5s %-20s %s%s%s\n", NameOf(finding.level), subject.c_str(), finding.what.c_str(),
                finding.advice.empty() ? "" : "; ", finding.advice.c_str());
    std::fflush(stdout);
    return;
  }
  JsonLine line;
  line.Add("check", finding.check).Add("level", NameOf(finding.level));
  if (!finding.job.empty()) line.Add("job", finding.job);
  line.Add("what", finding.what);
  if (!finding.advice.empty()) line.Add("advice", finding.advice);
  for (const auto& [key, value] : finding.figures) line.Add(key, value);
  line.Print();
}

void Findings::PrintSummary() const {
  if (json_) return;
  std::printf("%d ok, %d to know, %d to repair\n", counts_[0], counts_[1], counts_[2]);
}

}  // namespace attune
