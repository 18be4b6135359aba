#include "cpu/kernels/lora.h"

#include "base/strings.h"
#include "unit/kernels/kernel_test_support.h"

namespace attune::cpu {
namespace {

using testing::ExpectNear;
using testing::kWorkerCounts;
using testing::RandomValues;
using testing::RunKernel;

// Sums of at most 1,100 products of order 1 in f32.
constexpr double kTolerance = 5e-5;
constexpr float kScale = 0.7f;

struct Case {
  std::int64_t tokens, wide, rank;
};
constexpr Case kCases[] = {{1, 1, 1},    {3, 7, 2},     {7, 8, 3},    {8, 15, 4},
                           {15, 16, 7},  {16, 17, 8},   {17, 64, 9},  {64, 65, 16},
                           {65, 130, 5}, {130, 33, 64}, {5, 1100, 8}, {70, 300, 31}};

// c[rows, columns] += factor * sum_k a(row, k) b(k, column).
template <typename A, typename B>
void AddProduct(std::int64_t rows, std::int64_t columns, std::int64_t depth, double factor, A a,
                B b, std::int64_t stride, std::vector<double>* c) {
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t o = 0; o < columns; ++o) {
      double sum = 0;
      for (std::int64_t k = 0; k < depth; ++k) sum += static_cast<double>(a(r, k)) * b(k, o);
      (*c)[r * stride + o] += factor * sum;
    }
  }
}

std::vector<double> Widen(const std::vector<float>& x) { return {x.begin(), x.end()}; }

template <typename Body>
void ForEachCase(const Body& body) {
  for (const Case& c : kCases) {
    for (int workers : kWorkerCounts) {
      SCOPED_TRACE(StrCat(c.tokens, " tokens, width ", c.wide, ", rank ", c.rank, ", ", workers,
                          " workers"));
      body(c, workers);
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
}

TEST(LoraDown, MatchesTheReference) {
  ForEachCase([](const Case& c, int workers) {
    const std::int64_t stride = c.wide + 3;
    const auto x = RandomValues(c.tokens * stride, 1);
    const auto a = RandomValues(c.rank * c.wide, 2);
    std::vector<float> h(static_cast<std::size_t>(c.tokens * c.rank), std::nanf(""));
    std::vector<double> expected(h.size());
    AddProduct(
        c.tokens, c.rank, c.wide, 1.0, [&](auto t, auto k) { return x[t * stride + k]; },
        [&](auto k, auto r) { return a[r * c.wide + k]; }, c.rank, &expected);
    const LoraDownArgs args{x.data(), stride, a.data(), h.data(), c.tokens, c.wide, c.rank};
    RunKernel(LoraDown, args, workers, LoraDownScratchBytes(args));
    ExpectNear(h, expected, kTolerance, kTolerance, "h");
  });
}

TEST(LoraUp, AddsToTheOutput) {
  ForEachCase([](const Case& c, int workers) {
    const std::int64_t stride = c.wide + 3;
    const auto h = RandomValues(c.tokens * c.rank, 1);
    const auto b = RandomValues(c.wide * c.rank, 2);
    auto y = RandomValues(c.tokens * stride, 3);
    auto expected = Widen(y);
    AddProduct(
        c.tokens, c.wide, c.rank, kScale, [&](auto t, auto r) { return h[t * c.rank + r]; },
        [&](auto r, auto o) { return b[o * c.rank + r]; }, stride, &expected);
    const LoraUpArgs args{h.data(), b.data(), y.data(), stride, kScale, c.tokens, c.wide, c.rank};
    RunKernel(LoraUp, args, workers, LoraUpScratchBytes(args));
    ExpectNear(y, expected, kTolerance, kTolerance, "y");
  });
}

void CheckUpBackward(const Case& c, int workers, bool accumulate) {
  const std::int64_t stride = c.wide + 3;
  const auto dy = RandomValues(c.tokens * stride, 1);
  const auto h = RandomValues(c.tokens * c.rank, 2);
  const auto b = RandomValues(c.wide * c.rank, 3);
  auto db = RandomValues(c.wide * c.rank, 4);
  std::vector<float> dh(h.size(), std::nanf(""));
  auto expected_db = accumulate ? Widen(db) : std::vector<double>(db.size());
  std::vector<double> expected_dh(dh.size());
  const auto dy_at = [&](auto t, auto o) { return dy[t * stride + o]; };
  AddProduct(
      c.wide, c.rank, c.tokens, kScale, [&](auto o, auto t) { return dy_at(t, o); },
      [&](auto t, auto r) { return h[t * c.rank + r]; }, c.rank, &expected_db);
  AddProduct(
      c.tokens, c.rank, c.wide, kScale, dy_at, [&](auto o, auto r) { return b[o * c.rank + r]; },
      c.rank, &expected_dh);
  std::vector<float> workspace(LoraUpBackwardWorkspaceBytes(c.tokens, c.rank, workers) / 4,
                               std::nanf(""));
  LoraUpBackwardArgs args;
  args.dy = dy.data();
  args.dy_stride = stride;
  args.h = h.data();
  args.b = b.data();
  args.db = db.data();
  args.dh = dh.data();
  args.accumulate_db = accumulate;
  args.scale = kScale;
  args.tokens = c.tokens;
  args.out = c.wide;
  args.rank = c.rank;
  args.workspace = workspace.data();
  RunKernel(LoraUpBackward, args, workers, LoraUpBackwardScratchBytes(args));
  ExpectNear(db, expected_db, kTolerance, kTolerance, "db");
  ExpectNear(dh, expected_dh, kTolerance, kTolerance, "dh");
}

TEST(LoraUpBackward, GivesBothGradients) {
  ForEachCase([](const Case& c, int workers) {
    CheckUpBackward(c, workers, false);
    CheckUpBackward(c, workers, true);
  });
}

void CheckDownBackward(const Case& c, int workers, bool accumulate, bool wants_da, bool wants_dx) {
  const std::int64_t stride = c.wide + 3;
  const auto x = RandomValues(c.tokens * stride, 1);
  const auto dh = RandomValues(c.tokens * c.rank, 2);
  const auto a = RandomValues(c.rank * c.wide, 3);
  auto da = RandomValues(c.rank * c.wide, 4);
  auto dx = RandomValues(c.tokens * stride, 5);
  auto expected_da = accumulate ? Widen(da) : std::vector<double>(da.size());
  auto expected_dx = Widen(dx);
  const auto dh_at = [&](auto t, auto r) { return dh[t * c.rank + r]; };
  AddProduct(
      c.rank, c.wide, c.tokens, 1.0, [&](auto r, auto t) { return dh_at(t, r); },
      [&](auto t, auto k) { return x[t * stride + k]; }, c.wide, &expected_da);
  AddProduct(
      c.tokens, c.wide, c.rank, 1.0, dh_at, [&](auto r, auto k) { return a[r * c.wide + k]; },
      stride, &expected_dx);
  LoraDownBackwardArgs args;
  args.x = x.data();
  args.x_stride = stride;
  args.dh = dh.data();
  args.a = a.data();
  args.da = wants_da ? da.data() : nullptr;
  args.accumulate_da = accumulate;
  args.dx = wants_dx ? dx.data() : nullptr;
  args.dx_stride = stride;
  args.tokens = c.tokens;
  args.in = c.wide;
  args.rank = c.rank;
  RunKernel(LoraDownBackward, args, workers, LoraDownBackwardScratchBytes(args));
  if (wants_da) ExpectNear(da, expected_da, kTolerance, kTolerance, "da");
  if (wants_dx) ExpectNear(dx, expected_dx, kTolerance, kTolerance, "dx");
}

TEST(LoraDownBackward, GivesTheGradientsAskedFor) {
  ForEachCase([](const Case& c, int workers) {
    CheckDownBackward(c, workers, false, true, true);
    CheckDownBackward(c, workers, true, true, false);
    CheckDownBackward(c, workers, false, false, true);
  });
}

}  // namespace
}  // namespace attune::cpu
