// The run of an Adaptation as the work of a night.
//
// Memory: between Begin() and End() the model is open; before and after only its
// vault is.
// Durability, processes: as Adaptation. Threads: one at a time.

#pragma once

#include <cstdint>
#include <memory>

#include "attune/adaptation.h"
#include "session/night_work.h"
#include "session/platform.h"

namespace attune {

class AdaptationWork final : public NightWork {
 public:
  //   as Adaptation::Open(), and kInvalidArgument for an option of the training
  static Result<std::unique_ptr<AdaptationWork>> Open(const Platform& platform,
                                                      const AdaptationOptions& options,
                                                      const RunOptions& run);
  ~AdaptationWork() override;

  // What it needs is known since it began once.
  Result<WorkNeeds> Needs() override;

  // The model is mapped, and the examples are read, to know what training will take;
  // more than that is not taken where it does not fit. When and how often states are
  // saved is the caller's: `checkpoint_every` and `stop_at_step` have no say.
  Result<WorkProgress> Begin(std::int64_t memory_available, std::int64_t* memory_needed) override;
  Result<WorkProgress> Step(FunctionRef<bool()> go_on) override;
  Status Save() override;
  Result<WorkVerdict> Conclude(FunctionRef<bool()> go_on) override;
  void End() override;

  // Of the last Step(); null if it took none.
  const TrainingEvent* event() const { return stepped_ ? &event_ : nullptr; }

 private:
  AdaptationWork(std::unique_ptr<Adaptation::Impl> impl, const AdaptationOptions& options,
                 const RunOptions& run);
  WorkProgress Progress() const;
  Status MakeJob(std::int64_t memory_available);

  const AdaptationOptions options_;
  const RunOptions run_;
  const std::unique_ptr<Adaptation::Impl> impl_;
  struct Opened;
  std::unique_ptr<Opened> open_;  // Between Begin() and End().
  std::int64_t memory_needed_ = 0;
  bool stepped_ = false;
  TrainingEvent event_;
};

}  // namespace attune
