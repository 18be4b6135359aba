#include "train/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "support/status_matchers.h"
#include "train/examples.h"

namespace attune {
namespace {

// Example i is `length` tokens i*100, i*100+1, ...
TrainingExample Numbered(int i, int length, std::int64_t first_label = 1) {
  TrainingExample example;
  for (int t = 0; t < length; ++t) example.ids.push_back(i * 100 + t);
  example.first_label = first_label;
  return example;
}

std::vector<TrainingExample> Mixed() {
  std::vector<TrainingExample> examples;
  for (int i = 0; i < 23; ++i) examples.push_back(Numbered(i, 2 + (i * 5) % 12));
  return examples;
}

SamplerConfig Config(bool packed) {
  SamplerConfig config;
  config.batch = 3;
  config.lengths = {4, 8, 16};
  config.packed = packed;
  config.seed = 11;
  return config;
}

// Every label of the epoch as (token before, token after).
std::multiset<std::pair<int, int>> DrawEpoch(Sampler* sampler) {
  std::multiset<std::pair<int, int>> pairs;
  MicroBatch batch = sampler->NewBatch();
  for (std::int64_t i = 0, n = sampler->epoch_size(); i < n; ++i) {
    sampler->Next(&batch);
    const auto tokens =
        static_cast<std::size_t>(sampler->shapes()[static_cast<std::size_t>(batch.shape)].tokens());
    std::int64_t labels = 0;
    for (std::size_t t = 0; t < tokens; ++t) {
      if (batch.weights[t] == 0) continue;
      ++labels;
      pairs.emplace(batch.ids[t], batch.targets[t]);
    }
    EXPECT_EQ(labels, batch.labels);
    EXPECT_GT(labels, 0);
  }
  return pairs;
}

std::multiset<std::pair<int, int>> PairsOf(const std::vector<TrainingExample>& examples) {
  std::multiset<std::pair<int, int>> pairs;
  for (const TrainingExample& example : examples) {
    for (std::size_t t = 1; t < example.ids.size(); ++t) {
      if (static_cast<std::int64_t>(t) >= example.first_label) {
        pairs.emplace(example.ids[t - 1], example.ids[t]);
      }
    }
  }
  return pairs;
}

TEST(Sampler, AnEpochPredictsEveryLabelOnceInBothLayouts) {
  for (bool packed : {false, true}) {
    SCOPED_TRACE(packed);
    ASSERT_OK_AND_ASSIGN(Sampler sampler, Sampler::Create(Mixed(), Config(packed)));
    EXPECT_EQ(DrawEpoch(&sampler), PairsOf(Mixed()));
    EXPECT_EQ(DrawEpoch(&sampler), PairsOf(Mixed()));  // And so does the next.
  }
}

TEST(Sampler, UsesOnlyTheShortestBucketsThatAreNeeded) {
  std::vector<TrainingExample> examples = {Numbered(0, 3), Numbered(1, 5), Numbered(2, 12)};
  ASSERT_OK_AND_ASSIGN(Sampler sampler, Sampler::Create(examples, Config(false)));
  // 5 tokens have 4 predictions: they fit the row of 4; nothing needs the 8.
  const std::vector<BatchShape> expected = {{3, 4, false}, {3, 16, false}};
  EXPECT_EQ(sampler.shapes(), expected);
}

TEST(Sampler, PackedExamplesSeeOnlyThemselvesAndStartAtPositionZero) {
  SamplerConfig config = Config(true);
  config.batch = 1;
  config.shuffle = false;
  ASSERT_OK_AND_ASSIGN(Sampler sampler, Sampler::Create({Numbered(1, 4), Numbered(2, 6)}, config));
  MicroBatch batch = sampler.NewBatch();
  sampler.Next(&batch);
  const std::vector<std::int32_t> positions = {0, 1, 2, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 5, 6, 7};
  const std::vector<std::int32_t> lo = {0, 0, 0, 3, 3, 3, 3, 3, 8, 9, 10, 11, 12, 13, 14, 15};
  EXPECT_EQ(batch.positions, positions);
  EXPECT_EQ(batch.lo, lo);
  for (std::size_t t = 0; t < 16; ++t) EXPECT_EQ(batch.hi[t], static_cast<int>(t) + 1);
  EXPECT_EQ(batch.ids[3], 200);
  EXPECT_EQ(batch.targets[2], 103);
  EXPECT_EQ(batch.labels, 8);
}

TEST(Sampler, PackingFillsRowsNearlyFull) {
  std::vector<TrainingExample> examples;
  for (int i = 0; i < 400; ++i) examples.push_back(Numbered(i, 2 + (i * 7) % 11));
  ASSERT_OK_AND_ASSIGN(Sampler sampler, Sampler::Create(examples, Config(true)));
  const std::int64_t capacity = sampler.epoch_size() * 3 * 16;
  EXPECT_GT(static_cast<double>(CountLabels(examples)) / static_cast<double>(capacity), 0.95);
}

TEST(Sampler, TheMaskCoversThePromptOnly) {
  ASSERT_OK_AND_ASSIGN(Sampler sampler,
                       Sampler::Create({Numbered(1, 6, /*first_label=*/4)}, Config(true)));
  const std::multiset<std::pair<int, int>> expected = {{103, 104}, {104, 105}};
  EXPECT_EQ(DrawEpoch(&sampler), expected);
}

TEST(Sampler, SeekingContinuesExactlyWhereAnotherSamplerStood) {
  for (bool packed : {false, true}) {
    ASSERT_OK_AND_ASSIGN(Sampler first, Sampler::Create(Mixed(), Config(packed)));
    MicroBatch a = first.NewBatch(), b = first.NewBatch();
    for (int i = 0; i < 17; ++i) first.Next(&a);  // Into a later epoch.
    ASSERT_GT(first.cursor().epoch, 0);
    ASSERT_OK_AND_ASSIGN(Sampler second, Sampler::Create(Mixed(), Config(packed)));
    ASSERT_OK(second.Seek(first.cursor()));
    for (int i = 0; i < 20; ++i) {
      first.Next(&a);
      second.Next(&b);
      EXPECT_EQ(a.ids, b.ids);
      EXPECT_EQ(a.weights, b.weights);
    }
  }
}

TEST(Sampler, EpochsAndSeedsDifferInOrder) {
  const auto first_ids = [](std::uint64_t seed, std::int64_t epoch) {
    SamplerConfig config = Config(true);
    config.seed = seed;
    auto sampler = Sampler::Create(Mixed(), config);
    EXPECT_OK(sampler->Seek({epoch, 0}));
    MicroBatch batch = sampler->NewBatch();
    sampler->Next(&batch);
    return batch.ids;
  };
  EXPECT_EQ(first_ids(1, 0), first_ids(1, 0));
  EXPECT_NE(first_ids(1, 0), first_ids(2, 0));
  EXPECT_NE(first_ids(1, 0), first_ids(1, 1));
}

TEST(Sampler, RefusesWhatItCannotLayOut) {
  EXPECT_EQ(Sampler::Create({}, Config(true)).status().message(), "no examples to learn from");
  EXPECT_EQ(Sampler::Create({Numbered(0, 18)}, Config(true)).status().message(),
            "example 0 has 18 tokens, a row holds 17");
  EXPECT_EQ(Sampler::Create({Numbered(0, 5, 5)}, Config(true)).status().message(),
            "example 0 has no label");
  ASSERT_OK_AND_ASSIGN(Sampler sampler, Sampler::Create(Mixed(), Config(false)));
  EXPECT_EQ(sampler.Seek({0, 1000}).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(sampler.cursor(), (Cursor{0, 0}));
  EXPECT_EQ(sampler.Seek({-1, 0}).code(), StatusCode::kInvalidArgument);
}

TEST(Examples, WindowsPredictEveryLabelOfALongTextOnce) {
  for (int size = 2; size < 40; ++size) {
    for (std::int64_t mask : {1, 3, 9}) {
      const TrainingExample text = Numbered(4, size, mask);
      const auto windows = SplitIntoWindows(text, 7);
      EXPECT_EQ(CountLabels(windows), text.labels()) << size << " " << mask;
      EXPECT_EQ(PairsOf(windows), PairsOf({text})) << size << " " << mask;
      for (const TrainingExample& window : windows) EXPECT_LE(window.ids.size(), 7u);
    }
  }
}

TEST(Examples, TheDigestSeesIdsMasksAndBoundaries) {
  const std::vector<TrainingExample> base = {Numbered(1, 4), Numbered(2, 4)};
  std::vector<TrainingExample> id = base, mask = base, joined = {base[0]};
  id[1].ids[2] += 1;
  mask[0].first_label = 2;
  joined[0].ids.insert(joined[0].ids.end(), base[1].ids.begin(), base[1].ids.end());
  for (const auto& other : {id, mask, joined}) EXPECT_NE(Digest(base), Digest(other));
  EXPECT_EQ(Digest(base), Digest(std::vector<TrainingExample>(base)));
}

}  // namespace
}  // namespace attune
