// What the promotion gate does with real people's adapters.
//
//   gate_bench --base DIR --data DIR --out DIR [--seeds 100] [--users N]
//
// For each users/*.tsv of the data directory, split by time as a run splits it (80 %,
// 20 %): the person's own adapter is judged against the bare base; then it serves, and
// five others are judged against it: the next person's, a random one of the same
// size, one that was trained too long at too high a rate, one that was trained so hard
// that it unlearns what everybody writes, and one with a NaN. Anchors: messages of
// general_valid.txt.
//
// False promotions: for each seed and person, the losses of the person's own adapter
// and of the base trade places example by example at the toss of a coin. Then neither
// is better, though each figure is real, and what is promoted is promoted falsely.
//
// Prints Markdown. The exit status is 0 when every own adapter is promoted, no other
// one is, and false promotions stay within the level and the error of counting.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "platform/platform.h"
#include "ports/file_system.h"
#include "session/judge.h"
#include "session/model_tokenizer.h"
#include "session/splits.h"
#include "session/training_setup.h"
#include "support/gate_candidates.h"

namespace attune {
namespace {

struct Arguments {
  std::string base, data, out;
  int seeds = 100;
  std::size_t users = 100;
};

template <typename T>
T OrDie(Result<T> result, const std::string& what) {
  if (result.ok()) return *std::move(result);
  std::fprintf(stderr, "gate_bench: %s: %s\n", what.c_str(), result.status().message().c_str());
  std::exit(2);
}

struct User {
  std::string name;
  DatasetSplit split;
  TestTexts held_out;
  PeftAdapter own;
};

TrainingOptions Training(std::int64_t steps, double rate) {
  TrainingOptions training;
  training.steps = steps;
  training.learning_rate = rate;
  training.seed = 1;
  return training;
}

class Bench {
 public:
  explicit Bench(const Arguments& arguments) : arguments_(arguments) {
    base_ = OrDie(LoadModel(files(), arguments.base), "base");
    tokenizer_ = OrDie(OpenModelTokenizer(files(), arguments.base, "", base_.config), "tokenizer");
    row_ = OrDie(RowLength({}, base_.config), "row");
    const Dataset general =
        OrDie(ReadDataset(files(), JoinPath(arguments.data, "general_valid.txt")), "general text");
    anchors_ = OrDie(EncodeTests(*tokenizer_, Thinned(general.messages, 200), row_), "anchors");
  }

  User Read(const std::filesystem::path& file) {
    User user;
    user.name = file.stem().string();
    Dataset dataset = OrDie(ReadDataset(files(), file.string()), user.name);
    user.split = SplitForRun(std::move(dataset.messages), {.held_out_fraction = 0.2});
    user.held_out = OrDie(EncodeTests(*tokenizer_, user.split.held_out, row_), user.name);
    user.own = Train(user, "own", Training(50, 5e-4));
    return user;
  }

  PeftAdapter Train(const User& user, const std::string& kind, const TrainingOptions& training) {
    const std::string directory = JoinPath(arguments_.out, user.name + "." + kind);
    std::filesystem::create_directories(directory);
    return OrDie(
        testing::TrainOn(platform_.get(), arguments_.base, user.split.train, directory, training),
        user.name);
  }

  GateDecision Judge(const User& user, const PeftAdapter& candidate, const PeftAdapter* serving) {
    const JudgeInput input{.base = &base_,
                           .tokenizer = tokenizer_.get(),
                           .candidate = &candidate,
                           .serving = serving,
                           .held_out = &user.held_out,
                           .anchors = &anchors_,
                           .anchor_base = &anchor_base_};
    return OrDie(JudgeAdapter(platform_.get(), input, {}, {}, [] { return true; }), user.name);
  }

  // How often it is promoted by chance.
  int FalsePromotions(const User& user) {
    const auto measure = [&](const PeftAdapter* adapter) {
      return OrDie(EvaluateEach(platform_.get(), base_, adapter, {}, user.held_out), user.name);
    };
    const std::vector<ExampleLoss> base = measure(nullptr), own = measure(&user.own);
    int promoted = 0;
    for (int seed = 0; seed < arguments_.seeds; ++seed) {
      std::vector<ExampleLoss> x = own, y = base;
      Philox coin(static_cast<std::uint64_t>(seed), /*stream=*/0xC01);
      for (std::size_t i = 0; i < x.size(); ++i) {
        if (coin.NextBelow(2) == 1) std::swap(x[i], y[i]);
      }
      const GateDecision decision =
          JudgeCandidate({x, y, y, {}, {}, {}}, {}, static_cast<std::uint64_t>(seed));
      promoted += decision.verdict == GateVerdict::kPromote;
    }
    return promoted;
  }

  FileSystem& files() { return *platform_.get().files; }

 private:
  const Arguments arguments_;
  DefaultPlatform platform_;
  LanguageModelWeights base_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::int64_t row_ = 0;
  TestTexts anchors_;
  std::vector<ExampleLoss> anchor_base_;
};

void PrintRow(const std::string& user, const char* kind, const GateDecision& d) {
  std::printf(
      "| %s | %s | %s: %s | %+.2f %% | %+.2f %% | %+.2f %% | %+.2f %% | %+.2f %% | %.1f |\n",
      user.c_str(), kind,
      d.verdict == GateVerdict::kPromote ? "promote"
      : d.verdict == GateVerdict::kKeep  ? "keep"
                                         : "reject",
      GateReasonName(d.reason).data(), 100 * d.gain_over_base, 100 * d.gain_over_base_low,
      100 * d.gain_over_serving, 100 * d.gain_over_serving_low, 100 * d.anchor_change_high,
      d.probes.slowdown);
  std::fflush(stdout);
}

// Whether the reason is of the kind that such an adapter earns.
bool IsRight(const std::string& kind, const GateDecision& d) {
  if (kind == "own") return d.verdict == GateVerdict::kPromote;
  if (kind == "NaN") return d.reason == GateReason::kNotFinite;
  if (kind == "forgets") return d.reason == GateReason::kForgets;
  return d.verdict != GateVerdict::kPromote && d.reason != GateReason::kTooFewExamples;
}

int Run(const Arguments& arguments) {
  Bench bench(arguments);
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(arguments.data + "/users")) {
    if (entry.path().extension() == ".tsv") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  paths.resize(std::min(paths.size(), arguments.users));
  std::vector<User> users;
  for (const auto& path : paths) users.push_back(bench.Read(path));

  int own = 0, others = 0, wrong = 0, false_promotions = 0;
  std::printf(
      "| user | adapter | verdict | over base | at least | over serving | at least | "
      "forgetting at most | slowdown |\n|---|---|---|---|---|---|---|---|---|\n");
  for (std::size_t i = 0; i < users.size(); ++i) {
    const User& user = users[i];
    const auto judge = [&](const char* kind, const PeftAdapter& candidate,
                           const PeftAdapter* serving) {
      const GateDecision decision = bench.Judge(user, candidate, serving);
      PrintRow(user.name, kind, decision);
      wrong += !IsRight(kind, decision);
      (serving == nullptr ? own : others) += decision.verdict == GateVerdict::kPromote;
    };
    judge("own", user.own, nullptr);
    judge("another's", users[(i + 1) % users.size()].own, &user.own);
    judge("random", testing::RandomLike(user.own, i + 1).adapter, &user.own);
    judge("over-trained", bench.Train(user, "over", Training(200, 1e-2)), &user.own);
    judge("forgets", bench.Train(user, "forgets", Training(100, 2e-3)), &user.own);
    judge("NaN", testing::WithNan(user.own).adapter, &user.own);
  }
  for (const User& user : users) false_promotions += bench.FalsePromotions(user);

  const int trials = arguments.seeds * static_cast<int>(users.size());
  const double level = 1 - GateOptions().confidence;
  const double bound = level + 3 * std::sqrt(level * (1 - level) / std::max(trials, 1));
  const double rate = static_cast<double>(false_promotions) / std::max(trials, 1);
  std::printf("\nown promoted: %d of %zu; others promoted: %d of %zu; not as expected: %d\n", own,
              users.size(), others, 5 * users.size(), wrong);
  std::printf(
      "false promotions: %d of %d (%.1f %%), level %.1f %%, with the error of counting "
      "%.1f %%\n",
      false_promotions, trials, 100 * rate, 100 * level, 100 * bound);
  return wrong == 0 && rate <= bound ? 0 : 1;
}

}  // namespace
}  // namespace attune

int main(int argc, char** argv) {
  attune::Arguments arguments;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i], value = argv[i + 1];
    if (name == "--base") arguments.base = value;
    if (name == "--data") arguments.data = value;
    if (name == "--out") arguments.out = value;
    if (name == "--seeds") arguments.seeds = std::atoi(value.c_str());
    if (name == "--users") arguments.users = static_cast<std::size_t>(std::atoi(value.c_str()));
  }
  if (arguments.base.empty() || arguments.data.empty() || arguments.out.empty()) {
    std::fprintf(stderr, "gate_bench --base DIR --data DIR --out DIR [--seeds 100] [--users N]\n");
    return 2;
  }
  return attune::Run(arguments);
}
