#include "config/sections.h"

#include <memory>
#include <utility>

#include "schedule/governor.h"

namespace attune {
namespace {

// Bounds of what has none by itself: far beyond what makes sense, and far from where
// sums and products overflow.
constexpr std::int64_t kMany = 1'000'000'000;
constexpr std::int64_t kMostBytes = std::int64_t{1} << 40;
constexpr double kDay = 24 * 3600;
constexpr double kYear = 366 * kDay;

// A reader of a mapping whose fields are made when it is there.
template <typename T>
FieldReader Section(T* out, Status (*read)(const Place&, const YamlNode&, T*)) {
  return [out, read](const Place& place, const YamlNode& node) { return read(place, node, out); };
}

FieldReader ArithmeticOf(Arithmetic* out) {
  return OneOf<Arithmetic>(out, {{"f32", Arithmetic::kF32}, {"bf16", Arithmetic::kBf16}});
}

Status ReadCpuLine(const Place& place, const YamlNode& node, CpuLine* line) {
  const Field fields[] = {
      {"window", Seconds(&line->window_seconds, 1, 3600), true},
      {"share", Fraction(&line->share, 0.01, 64), true},
  };
  return ReadFields(place, node, fields);
}

Status ReadGovernor(const Place& place, const YamlNode& node, GovernorOptions* governor) {
  const FieldReader lines = [governor](const Place& list, const YamlNode& items) {
    governor->lines.clear();
    return ReadList(list, items, [governor](const Place& item, const YamlNode& value) {
      return ReadCpuLine(item, value, &governor->lines.emplace_back());
    });
  };
  const Field fields[] = {
      {"lines", lines},
      {"lines_on_external_power", Boolean(&governor->lines_on_external_power)},
      {"margin", Fraction(&governor->margin, 0, 0.9)},
      {"duty_nominal", Fraction(&governor->duty_nominal, 0.01, 1)},
      {"duty_fair", Fraction(&governor->duty_fair, 0.01, 1)},
      {"duty_memory_warning", Fraction(&governor->duty_memory_warning, 0.01, 1)},
  };
  return ReadFields(place, node, fields);
}

Status ReadOpen(const Place& place, const YamlNode& node, OpenOptions* open) {
  const Field fields[] = {
      {"tokenizer", String(&open->tokenizer)},
      {"context_tokens", Integer(&open->context_tokens, 16, 1 << 20)},
      {"arithmetic", ArithmeticOf(&open->arithmetic)},
      {"pack_weights", Boolean(&open->pack_weights)},
  };
  return ReadFields(place, node, fields);
}

Status ReadData(const Place& place, const YamlNode& node, AdaptationOptions* adaptation) {
  ExamplePolicy& policy = adaptation->examples;
  const Field fields[] = {
      {"sources", Names(&policy.sources)},
      {"drop_card_numbers", Boolean(&policy.drop_card_numbers)},
      {"drop_emails", Boolean(&policy.drop_emails)},
      {"drop_secrets", Boolean(&policy.drop_secrets)},
      {"max_digit_run", Integer(&policy.max_digit_run, 0, 1000)},
      {"max_bytes", Bytes(&policy.max_bytes, 1, std::int64_t{1} << 30)},
      {"max_duplicates", Integer(&policy.max_duplicates, 0, kMany)},
      {"keep_days", Integer(&policy.keep_days, 0, 36500)},
      {"keep_examples", Integer(&policy.keep_examples, 0, kMany)},
      {"keep_bytes", Bytes(&policy.keep_bytes, 0, kMostBytes)},
      {"source", Name(&adaptation->source)},
      {"held_out_fraction", Fraction(&adaptation->held_out_fraction, 0, 0.9)},
      {"held_out_examples", Integer(&adaptation->held_out_examples, 1, kMany)},
      {"stopping_fraction", Fraction(&adaptation->stopping_fraction, 0, 0.9)},
      {"keep_near_duplicates", Boolean(&adaptation->keep_near_duplicates)},
  };
  return ReadFields(place, node, fields);
}

Status ReadLora(const Place& place, const YamlNode& node, TrainingOptions* training) {
  const Field fields[] = {
      {"rank", Integer(&training->rank, 1, 4096)},
      {"alpha", Number(&training->alpha, 1e-6, 1e6)},
      {"rslora", Boolean(&training->rslora)},
      {"dropout", Fraction(&training->dropout, 0, 0.9)},
      {"targets", Strings(&training->targets)},
      {"target_pattern", String(&training->target_pattern)},
  };
  return ReadFields(place, node, fields);
}

std::vector<Field> OptimizerFields(TrainingOptions* training) {
  return {
      {"learning_rate", Number(&training->learning_rate, 0, 1)},
      {"decay", OneOf<RateDecay>(&training->decay, {{"constant", RateDecay::kConstant},
                                                    {"linear", RateDecay::kLinear},
                                                    {"cosine", RateDecay::kCosine}})},
      {"final_rate_fraction", Fraction(&training->final_rate_fraction, 0, 1)},
      {"warmup_steps", Integer(&training->warmup_steps, -1, kMany)},
      {"weight_decay", Number(&training->weight_decay, 0, 100)},
      {"beta2", Number(&training->beta2, 0, 0.999999)},
      {"sgd", Boolean(&training->sgd)},
      {"clip_norm", Number(&training->clip_norm, 0, 1e6)},
      {"lora_plus_ratio", Number(&training->lora_plus_ratio, 1e-3, 1e3)},
      {"seed", Seed(&training->seed)},
  };
}

Status ReadTraining(const Place& place, const YamlNode& node, NightJob* job) {
  TrainingOptions& training = job->run.training;
  std::vector<Field> fields = {
      {"steps", Integer(&training.steps, 1, kMany)},
      {"batch", Integer(&training.batch, 1, 1 << 16)},
      {"micro_batches", Integer(&training.micro_batches, 1, 1 << 16)},
      {"sequence", Integer(&training.sequence, 0, 1 << 20)},
      {"packed", Boolean(&training.packed)},
      {"evaluate_every", Integer(&training.evaluate_every, -1, kMany)},
      {"patience", Integer(&training.patience, 0, kMany)},
      {"noise_multiplier", Number(&training.noise_multiplier, 0, 1000)},
      {"privacy_delta", Number(&training.privacy_delta, 1e-15, 0.1)},
      {"replay", Fraction(&job->run.replay, 0, 0.5)},
      {"canaries", Integer(&job->run.canaries, 0, 64)},
      {"arithmetic", ArithmeticOf(&training.arithmetic)},
      {"pack_weights", Boolean(&training.pack_weights)},
      {"memory_budget", Bytes(&training.memory_budget_bytes, 0, kMostBytes)},
      {"checkpoint_every", Integer(&job->run.checkpoint_every, 0, kMany)},
      {"promote_if_better", Boolean(&job->run.promote_if_better)},
      {"keep_checkpoints", Integer(&job->adaptation.keep_checkpoints, 1, 100)},
      {"keep_generations", Integer(&job->adaptation.keep_generations, 1, 1000)},
  };
  for (Field& field : OptimizerFields(&training)) fields.push_back(std::move(field));
  return ReadFields(place, node, fields);
}

Status ReadGate(const Place& place, const YamlNode& node, NightJob* job) {
  GateOptions& gate = job->run.gate;
  const Field fields[] = {
      {"anchor", String(&job->adaptation.anchor)},
      {"anchor_examples", Integer(&job->adaptation.anchor_examples, 1, kMany)},
      {"min_examples", Integer(&gate.min_examples, 1, kMany)},
      {"confidence", Fraction(&gate.confidence, 0.5, 0.9999)},
      {"min_gain", Fraction(&gate.min_gain, 0, 1)},
      {"max_forgetting", Fraction(&gate.max_forgetting, 0, 100)},
      {"resamples", Integer(&gate.resamples, 100, 100'000)},
      {"max_slowdown", Number(&gate.max_slowdown, 0, 1e6)},
      {"max_exposure", Number(&gate.max_exposure, 0, 64)},
  };
  return ReadFields(place, node, fields);
}

Status ReadOutcomes(const Place& place, const YamlNode& node, OutcomeOptions* outcomes) {
  const Field fields[] = {
      {"roll_back", Boolean(&outcomes->roll_back)},
      {"min_shown", Integer(&outcomes->min_shown, 1, kMany)},
      {"confidence", Fraction(&outcomes->confidence, 0.5, 0.9999)},
      {"min_drop", Fraction(&outcomes->min_drop, 0, 0.99)},
  };
  return ReadFields(place, node, fields);
}

Status ReadConditions(const Place& place, const YamlNode& node, Conditions* conditions) {
  const Field fields[] = {
      {"external_power", Boolean(&conditions->external_power)},
      {"min_battery", Fraction(&conditions->min_battery, 0, 1)},
      {"allow_low_power_mode", Boolean(&conditions->allow_low_power_mode)},
      {"user_idle", Boolean(&conditions->user_idle)},
      {"allow_foreground", Boolean(&conditions->allow_foreground)},
      {"min_disk_free", Bytes(&conditions->min_disk_free, 0, kMostBytes)},
  };
  return ReadFields(place, node, fields);
}

Status ReadBudget(const Place& place, const YamlNode& node, Budget* budget) {
  const Field fields[] = {
      {"wall", Seconds(&budget->wall_seconds, 0, kYear)},
      {"cpu", Seconds(&budget->cpu_seconds, 0, 100 * kYear)},
      {"energy", Joules(&budget->energy_joules, 0, 1e12)},
  };
  return ReadFields(place, node, fields);
}

Status ReadBackoff(const Place& place, const YamlNode& node, Backoff* backoff) {
  const Field fields[] = {
      {"first", Seconds(&backoff->first_seconds, 1, kYear)},
      {"factor", Number(&backoff->factor, 1, 100)},
      {"max", Seconds(&backoff->max_seconds, 1, kYear)},
      {"jitter", Fraction(&backoff->jitter, 0, 1)},
  };
  return ReadFields(place, node, fields);
}

Status ReadSchedule(const Place& place, const YamlNode& node, JobPolicy* policy) {
  const Field fields[] = {
      {"enabled", Boolean(&policy->enabled)},
      {"windows", Windows(&policy->windows)},
      {"conditions", Section(&policy->conditions, ReadConditions)},
      {"min_interval", Seconds(&policy->min_interval_seconds, 0, kYear)},
      {"min_new_examples", Integer(&policy->min_new_examples, 0, kMany)},
      {"after", Names(&policy->after)},
      {"deadline", Seconds(&policy->deadline_seconds, 0, kYear)},
      {"per_run", Section(&policy->per_run, ReadBudget)},
      {"per_day", Section(&policy->per_day, ReadBudget)},
      {"weight", Number(&policy->weight, 0.001, 1000)},
      {"priority", Integer(&policy->priority, -1000, 1000)},
      {"backoff", Section(&policy->backoff, ReadBackoff)},
  };
  return ReadFields(place, node, fields);
}

}  // namespace

Status ReadNight(const Place& place, const YamlNode& node, NightOptions* night) {
  const FieldReader governor = [night](const Place& inner, const YamlNode& value) {
    auto options = std::make_shared<GovernorOptions>();
    ATTUNE_RETURN_IF_ERROR(ReadGovernor(inner, value, options.get()));
    night->governor = std::move(options);
    return OkStatus();
  };
  const Field fields[] = {
      {"concurrent", Integer(&night->concurrent, 1, 8)},
      {"max_loss", Seconds(&night->max_loss_seconds, 1, 3600)},
      {"wait", Boolean(&night->wait)},
      {"watts", Number(&night->watts, 0, 10'000)},
      {"governor", governor},
      {"seed", Seed(&night->seed)},
  };
  return ReadFields(place, node, fields);
}

std::vector<Field> JobFields(NightJob* job) {
  return {
      {"model", String(&job->adaptation.model)},
      {"vault", String(&job->adaptation.vault)},
      {"open", Section(&job->adaptation.open, ReadOpen)},
      {"data", Section(&job->adaptation, ReadData)},
      {"lora", Section(&job->run.training, ReadLora)},
      {"training", Section(job, ReadTraining)},
      {"gate", Section(job, ReadGate)},
      {"outcomes", Section(&job->adaptation.outcomes, ReadOutcomes)},
      {"schedule", Section(&job->policy, ReadSchedule)},
  };
}

}  // namespace attune
