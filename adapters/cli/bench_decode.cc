// `attune bench decode`: a short prompt continued greedily, token by token, and
// the reading of a long one.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "base/strings.h"
#include "cli/bench_command.h"
#include "cli/bench_report.h"
#include "cli/device_activity.h"
#include "cli/interrupt.h"
#include "models/weights.h"
#include "session/adapted_model.h"
#include "session/cached_decoder.h"
#include "session/platform.h"
#include "session/prefill.h"

namespace attune {
namespace {

constexpr std::int64_t kPromptTokens = 8;

struct DecodeBench {
  std::string model;
  std::string adapter;
  std::int64_t tokens = 128;
  std::int64_t prefill = 256;
  ComputeOptions compute;
  BenchOptions bench;
};

std::vector<std::int32_t> Prompt(std::int64_t tokens, std::int64_t vocabulary) {
  std::vector<std::int32_t> ids;
  for (std::int64_t i = 0; i < tokens; ++i) ids.push_back(BenchToken(i, vocabulary));
  return ids;
}

// Seconds of `tokens` greedy tokens after a prompt that was read before.
Result<double> TimeDecode(AdaptedModel& model, std::int64_t tokens) {
  CachedDecoder decoder(&model);
  std::vector<std::int32_t> ids = Prompt(kPromptTokens, model.config().vocabulary);
  ATTUNE_ASSIGN_OR_RETURN(auto logits, decoder.LogitsAfter(ids));
  const auto next = [&] {
    return static_cast<std::int32_t>(std::max_element(logits.begin(), logits.end()) -
                                     logits.begin());
  };
  ids.reserve(ids.size() + static_cast<std::size_t>(tokens));
  ids.push_back(next());
  const double begin = MonotonicSeconds();
  for (std::int64_t i = 0; i < tokens; ++i) {
    ATTUNE_ASSIGN_OR_RETURN(logits, decoder.LogitsAfter(ids));
    ids.push_back(next());
  }
  return MonotonicSeconds() - begin;
}

Result<double> TimePrefill(AdaptedModel& model, std::int64_t tokens) {
  CachedDecoder decoder(&model);  // A new one has nothing cached.
  const std::vector<std::int32_t> ids = Prompt(tokens, model.config().vocabulary);
  const double begin = MonotonicSeconds();
  ATTUNE_RETURN_IF_ERROR(decoder.LogitsAfter(ids).status());
  return MonotonicSeconds() - begin;
}

// Private memory of the two executables, the caches and copied weights.
Result<std::int64_t> PredictedBytes(AdaptedModel& model, const LanguageModelWeights& weights,
                                    std::int64_t prefill) {
  const DecoderConfig& config = weights.config;
  std::int64_t bytes = weights.copied_bytes +
                       2 * config.layers * model.capacity() * config.kv_heads * config.head_dim * 4;
  for (const std::int64_t size : {std::int64_t{1}, NextRunSize(prefill, model.capacity())}) {
    ATTUNE_ASSIGN_OR_RETURN(const LogitsRun* run, model.Logits(size));
    bytes += run->executable->memory().private_bytes();
  }
  return bytes;
}

struct DecodeFigures {
  std::vector<double> decode, prefill;  // Tokens a second.
  std::int64_t predicted = 0;
};

Result<DecodeFigures> Measure(const DecodeBench& options, const LanguageModelWeights& weights,
                              AdaptedModel& model, MemoryWatch* memory) {
  const BenchOptions& bench = options.bench;
  DecodeFigures figures;
  ATTUNE_ASSIGN_OR_RETURN(figures.predicted, PredictedBytes(model, weights, options.prefill));
  const auto rate = [](std::int64_t tokens, const Result<double>& seconds) -> Result<double> {
    if (!seconds.ok()) return seconds.status();
    return static_cast<double>(tokens) / *seconds;
  };
  ATTUNE_ASSIGN_OR_RETURN(figures.decode, Rounds(bench.warmup, bench.rounds, memory, [&] {
                            return rate(options.tokens, TimeDecode(model, options.tokens));
                          }));
  ATTUNE_ASSIGN_OR_RETURN(figures.prefill, Rounds(bench.warmup, bench.rounds, memory, [&] {
                            return rate(options.prefill, TimePrefill(model, options.prefill));
                          }));
  return figures;
}

void Print(const DecodeBench& options, int workers, const LanguageModelWeights& weights,
           const DecodeFigures& figures, const MemoryWatch& memory,
           const DeviceActivity& activity) {
  const double decode = Median(figures.decode), prefill = Median(figures.prefill);
  const double prefill_ms = static_cast<double>(options.prefill) / prefill * 1e3;
  if (options.bench.json) {
    JsonLine line;
    AddEnvironment(workers, options.compute.precision, options.compute.pack, &line);
    line.Add("parameters", weights.parameters).Add("weights", DTypeName(weights.dtype));
    line.Add("tokens", options.tokens).Add("prefill", options.prefill);
    line.Add("decode_tokens_per_s", figures.decode);
    line.Add("prefill_tokens_per_s", figures.prefill);
    line.Add("decode_tokens_per_s_median", decode);
    line.Add("prefill_tokens_per_s_median", prefill).Add("prefill_ms_median", prefill_ms);
    AddMemory(memory, figures.predicted, &line);
    activity.Add(&line);
    line.Print();
    return;
  }
  PrintEnvironment(workers, options.compute.precision, options.compute.pack);
  std::printf("decode   %.1f tokens/s (%lld tokens after %lld, median of %zu)\n", decode,
              static_cast<long long>(options.tokens), static_cast<long long>(kPromptTokens),
              figures.decode.size());
  std::printf("prefill  %.2f ms, %.1f tokens/s (%lld tokens)\n", prefill_ms, prefill,
              static_cast<long long>(options.prefill));
  PrintMemory(memory, figures.predicted);
  activity.Print();
}

Result<ExitCode> Run(DecodeBench options) {
  MemoryWatch memory;
  ATTUNE_ASSIGN_OR_RETURN(const auto opened, OpenPlatform(options.compute));
  const DefaultPlatform& platform = *opened;
  const DeviceActivity activity(platform);
  FileSystem& files = *platform.get().files;
  ATTUNE_ASSIGN_OR_RETURN(const LanguageModelWeights weights, LoadModel(files, options.model));
  if (options.compute.precision.empty()) {
    options.compute.precision = weights.dtype == DType::kBf16 ? "bf16" : "f32";
  }
  const std::int64_t capacity = std::max(options.prefill, kPromptTokens + options.tokens + 1);
  if (capacity > weights.config.max_positions) {
    return InvalidArgument(
        StrCat(capacity, " tokens, the model allows ", weights.config.max_positions));
  }
  CompileOptions compile;
  compile.pack_weights = options.compute.pack;
  if (options.compute.arithmetic() == Arithmetic::kBf16) compile.precision = Precision::kBf16;
  AdaptedModel model(weights, *platform.get().backend, compile, capacity);
  if (!options.adapter.empty()) {
    ATTUNE_ASSIGN_OR_RETURN(const PeftAdapter adapter, ReadPeftAdapter(files, options.adapter));
    ATTUNE_RETURN_IF_ERROR(model.SetAdapter(adapter));
  }
  WatchForInterrupts();
  ATTUNE_ASSIGN_OR_RETURN(const DecodeFigures figures, Measure(options, weights, model, &memory));
  Print(options, platform.workers(), weights, figures, memory, activity);
  return ExitCode::kOk;
}

}  // namespace

void AddDecodeBench(CLI::App* app, Action* action) {
  CLI::App* command = app->add_subcommand("decode", "Time reading and writing, token by token");
  auto options = std::make_shared<DecodeBench>();
  options->compute.precision.clear();  // That of the weights.
  command->add_option("--model", options->model, "Directory or .bin file; no tokenizer is needed")
      ->required();
  command->add_option("--adapter", options->adapter, "PEFT directory to put on top of the model");
  command->add_option("--tokens", options->tokens, "Tokens to write a round")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 20))
      ->capture_default_str();
  command->add_option("--prefill", options->prefill, "Tokens to read a round")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 20))
      ->capture_default_str();
  AddComputeOptions(command, &options->compute);
  AddBenchOptions(command, &options->bench);
  command->callback([options, action] { *action = [options] { return Run(*options); }; });
}

}  // namespace attune
