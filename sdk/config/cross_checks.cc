#include "config/cross_checks.h"

#include <algorithm>
#include <initializer_list>
#include <tuple>
#include <vector>

#include "base/strings.h"
#include "config/nearest.h"

namespace attune {
namespace {

using Keys = std::initializer_list<std::string_view>;

const YamlNode* FindPath(const YamlNode& node, Keys keys) {
  const YamlNode* found = &node;
  for (const std::string_view key : keys) {
    if (found != nullptr) found = found->Find(key);
  }
  return found;
}

auto Fields(const ExamplePolicy& policy) {
  return std::tie(policy.sources, policy.drop_card_numbers, policy.drop_emails, policy.drop_secrets,
                  policy.max_digit_run, policy.max_bytes, policy.max_duplicates, policy.keep_days,
                  policy.keep_examples, policy.keep_bytes);
}

class JobChecks {
 public:
  JobChecks(const ConfigNodes& nodes, std::span<const NightJob> jobs)
      : nodes_(nodes), jobs_(jobs) {}

  Status Check() const {
    for (std::size_t i = 0; i < jobs_.size(); ++i) {
      ATTUNE_RETURN_IF_ERROR(CheckComplete(i));
      ATTUNE_RETURN_IF_ERROR(CheckTraining(i));
      ATTUNE_RETURN_IF_ERROR(CheckData(i));
      ATTUNE_RETURN_IF_ERROR(CheckSchedule(i));
      ATTUNE_RETURN_IF_ERROR(CheckName(i));
      ATTUNE_RETURN_IF_ERROR(CheckSharing(i));
    }
    for (std::size_t i = 0; i < jobs_.size(); ++i) ATTUNE_RETURN_IF_ERROR(CheckAfter(i));
    return CheckCycles();
  }

 private:
  const std::string& NameOf(std::size_t i) const { return jobs_[i].policy.name; }

  // "night.yaml:12:7: jobs[0].gate.min_examples: message", of the value in force.
  Status Error(std::size_t i, Keys keys, std::string_view message) const {
    const YamlNode* node = FindPath(nodes_.jobs[i], keys);
    const bool own = node != nullptr;
    if (!own) node = FindPath(nodes_.top, keys);
    Place place{&nodes_.file, {}};
    if (own || node == nullptr) place = place.Key("jobs").Item(i);
    if (node == nullptr) return place.Error(nodes_.jobs[i].at, message);
    for (const std::string_view key : keys) place = place.Key(key);
    return place.Error(node->at, message);
  }

  Status CheckComplete(std::size_t i) const {
    const AdaptationOptions& adaptation = jobs_[i].adaptation;
    if (adaptation.model.empty()) {
      return Error(i, {"model"}, "the key 'model' is missing, here or at the top");
    }
    return OkStatus();
  }

  Status CheckTraining(std::size_t i) const {
    const NightJob& job = jobs_[i];
    const TrainingOptions& training = job.run.training;
    if (!training.targets.empty() && !training.target_pattern.empty()) {
      return Error(i, {"lora", "target_pattern"}, "'targets' is set too; choose one");
    }
    if (training.warmup_steps > training.steps) {
      return Error(i, {"training", "warmup_steps"},
                   StrCat(training.warmup_steps, " of ", training.steps, " steps"));
    }
    if (training.sequence == 1) {
      return Error(i, {"training", "sequence"}, "1 token predicts nothing; 0, or 2 and up");
    }
    if (training.noise_multiplier > 0 && training.clip_norm == 0) {
      return Error(i, {"training", "noise_multiplier"}, "needs a clip_norm above 0");
    }
    if (job.run.replay > 0 && job.adaptation.anchor.empty()) {
      return Error(i, {"training", "replay"}, "needs the file of anchors that is gate.anchor");
    }
    const Status gate = attune::Check(job.run.gate);
    if (gate.ok()) return OkStatus();
    std::string_view message = gate.message();  // Which begins with the section, as the place does.
    if (message.starts_with("gate: ")) message.remove_prefix(6);
    return Error(i, {"gate"}, message);
  }

  Status CheckData(std::size_t i) const {
    const NightJob& job = jobs_[i];
    const AdaptationOptions& adaptation = job.adaptation;
    if (const auto& sources = adaptation.examples.sources;
        !adaptation.source.empty() && !sources.empty() &&
        std::find(sources.begin(), sources.end(), adaptation.source) == sources.end()) {
      return Error(
          i, {"data", "source"},
          StrCat("'", adaptation.source, "' is not among data.sources: nothing of it is kept"));
    }
    const bool enough = job.run.gate.min_examples <= adaptation.held_out_examples;
    if (!enough && adaptation.held_out_fraction > 0) {
      return Error(i, {"gate", "min_examples"},
                   StrCat(job.run.gate.min_examples, " is over data.held_out_examples, ",
                          adaptation.held_out_examples, ": nothing could be promoted"));
    }
    return OkStatus();
  }

  Status CheckSchedule(std::size_t i) const {
    const JobPolicy& policy = jobs_[i].policy;
    if (policy.backoff.first_seconds > policy.backoff.max_seconds) {
      return Error(i, {"schedule", "backoff"},
                   StrCat("first ", policy.backoff.first_seconds, "s is over max, ",
                          policy.backoff.max_seconds, "s"));
    }
    const bool deadline = policy.deadline_seconds > 0;
    if (deadline && policy.deadline_seconds < policy.min_interval_seconds) {
      return Error(i, {"schedule", "deadline"},
                   StrCat(policy.deadline_seconds, "s is below min_interval, ",
                          policy.min_interval_seconds, "s, which would never count"));
    }
    return OkStatus();
  }

  Status CheckName(std::size_t i) const {
    for (std::size_t other = 0; other < i; ++other) {
      if (NameOf(other) != NameOf(i)) continue;
      return Error(i, {"name"}, StrCat("jobs[", other, "] is called '", NameOf(i), "' too"));
    }
    return OkStatus();
  }

  // Jobs of one vault learn from the same examples, each into an adapter of its own.
  Status CheckSharing(std::size_t i) const {
    const AdaptationOptions& mine = jobs_[i].adaptation;
    for (std::size_t other = 0; other < i; ++other) {
      const AdaptationOptions& theirs = jobs_[other].adaptation;
      if (mine.vault != theirs.vault) continue;
      if (mine.adapter == theirs.adapter) {
        return Error(i, {"adapter"},
                     StrCat("'", mine.adapter, "' is in the same vault as that of '", NameOf(other),
                            "'; name another, or another vault"));
      }
      if (Fields(mine.examples) == Fields(theirs.examples)) continue;
      return Error(i, {"data"},
                   StrCat("keeps examples otherwise than '", NameOf(other),
                          "' in the same vault; give it a vault of its own"));
    }
    return OkStatus();
  }

  // The number of jobs: no such job.
  std::size_t IndexOf(std::string_view name) const {
    std::size_t i = 0;
    while (i < jobs_.size() && NameOf(i) != name) ++i;
    return i;
  }

  Status CheckAfter(std::size_t i) const {
    for (const std::string& name : jobs_[i].policy.after) {
      if (name == NameOf(i)) {
        return Error(i, {"schedule", "after"}, StrCat("'", name, "' would wait for itself"));
      }
      if (IndexOf(name) < jobs_.size()) continue;
      std::vector<std::string_view> names;
      for (const NightJob& job : jobs_) names.push_back(job.policy.name);
      const std::string_view nearest = Nearest(name, names);
      return Error(i, {"schedule", "after"},
                   nearest.empty()
                       ? StrCat("no job is called '", name, "'")
                       : StrCat("no job is called '", name, "'; did you mean '", nearest, "'?"));
    }
    return OkStatus();
  }

  // Takes away jobs that wait for none of the rest until none can be taken.
  Status CheckCycles() const {
    std::vector<bool> done(jobs_.size(), false);
    const auto waits = [&](const std::string& name) { return !done[IndexOf(name)]; };
    for (bool progress = true; progress;) {
      progress = false;
      for (std::size_t i = 0; i < jobs_.size(); ++i) {
        const auto& after = jobs_[i].policy.after;
        if (done[i] || std::any_of(after.begin(), after.end(), waits)) continue;
        done[i] = progress = true;
      }
    }
    const auto stuck = std::find(done.begin(), done.end(), false);
    if (stuck == done.end()) return OkStatus();
    return Error(static_cast<std::size_t>(stuck - done.begin()), {"schedule", "after"},
                 "the jobs would wait for each other in a circle");
  }

  const ConfigNodes& nodes_;
  std::span<const NightJob> jobs_;
};

}  // namespace

Status CheckJobs(const ConfigNodes& nodes, std::span<const NightJob> jobs) {
  return JobChecks(nodes, jobs).Check();
}

}  // namespace attune
