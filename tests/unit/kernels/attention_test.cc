#include "cpu/kernels/attention.h"

#include <limits>
#include <string>

#include "base/strings.h"
#include "unit/kernels/kernel_test_support.h"

namespace attune::cpu {
namespace {

using testing::ExpectNear;
using testing::kWorkerCounts;
using testing::RandomValues;
using testing::RunKernel;

// Scores are sums of head_dim products of order 1 and every output is a mean
// over keys: f32 rounding of about sqrt(256) ulp, exp 2e-7 relative. Gradients
// add one more such product.
constexpr double kForwardTolerance = 3e-6;
constexpr double kBackwardTolerance = 2e-5;

// All buffers of one problem. q, k and v are views of one wider matrix.
struct Problem {
  AttentionShape shape;
  std::int64_t query_stride = 0;
  std::int64_t key_stride = 0;
  std::vector<float> q, k, v, dout;
  std::vector<std::int32_t> lo, hi;

  explicit Problem(const AttentionShape& s) : shape(s) {
    query_stride = s.query_heads * s.head_dim + 3;
    key_stride = s.key_heads * s.head_dim + 5;
    q = RandomValues(s.batch * s.queries * query_stride, 1);
    dout = RandomValues(s.batch * s.queries * query_stride, 2);
    k = RandomValues(s.batch * s.keys * key_stride, 3);
    v = RandomValues(s.batch * s.keys * key_stride, 4);
    Philox random(7);
    for (std::int64_t row = 0; row < s.batch * s.queries; ++row) {
      const auto keys = static_cast<std::uint32_t>(s.keys);
      lo.push_back(static_cast<std::int32_t>(random.NextBelow(keys + 1)) - 1);
      hi.push_back(static_cast<std::int32_t>(random.NextBelow(keys + 3)));
    }
  }

  bool Sees(std::int64_t b, std::int64_t t, std::int64_t key) const {
    const auto row = static_cast<std::size_t>(b * shape.queries + t);
    switch (shape.mask) {
      case AttentionMask::kFull:
        return true;
      case AttentionMask::kCausal:
        return key <= t + shape.keys - shape.queries;
      case AttentionMask::kBounded:
        return key >= lo[row] && key < hi[row];
    }
    return false;
  }
};

struct Reference {
  std::vector<double> out, lse, dq, dk, dv;
};

// One row of one head, everything in double.
void ReferenceRow(const Problem& p, std::int64_t b, std::int64_t t, std::int64_t head,
                  Reference* r) {
  const AttentionShape& s = p.shape;
  const std::int64_t dim = s.head_dim;
  const std::int64_t key_head = head / (s.query_heads / s.key_heads);
  const std::int64_t at = (b * s.queries + t) * p.query_stride + head * dim;
  const auto key_at = [&](std::int64_t key) {
    return (b * s.keys + key) * p.key_stride + key_head * dim;
  };
  std::vector<double> score(static_cast<std::size_t>(s.keys));
  double maximum = -std::numeric_limits<double>::infinity();
  for (std::int64_t key = 0; key < s.keys; ++key) {
    if (!p.Sees(b, t, key)) continue;
    double sum = 0;
    for (std::int64_t c = 0; c < dim; ++c)
      sum += static_cast<double>(p.q[at + c]) * p.k[key_at(key) + c];
    score[key] = sum * s.scale;
    maximum = std::max(maximum, score[key]);
  }
  double total = 0;
  for (std::int64_t key = 0; key < s.keys; ++key) {
    if (p.Sees(b, t, key)) total += std::exp(score[key] - maximum);
  }
  r->lse[(b * s.queries + t) * s.query_heads + head] = maximum + std::log(total);
  double delta = 0;
  std::vector<double> weight(score.size()), dp(score.size());
  for (std::int64_t key = 0; key < s.keys; ++key) {
    if (!p.Sees(b, t, key)) continue;
    weight[key] = std::exp(score[key] - maximum) / total;
    for (std::int64_t c = 0; c < dim; ++c) {
      r->out[at + c] += weight[key] * p.v[key_at(key) + c];
      dp[key] += static_cast<double>(p.dout[at + c]) * p.v[key_at(key) + c];
      r->dv[key_at(key) + c] += weight[key] * p.dout[at + c];
    }
    delta += weight[key] * dp[key];
  }
  for (std::int64_t key = 0; key < s.keys; ++key) {
    if (!p.Sees(b, t, key)) continue;
    const double ds = weight[key] * (dp[key] - delta) * s.scale;
    for (std::int64_t c = 0; c < dim; ++c) {
      r->dq[at + c] += ds * p.k[key_at(key) + c];
      r->dk[key_at(key) + c] += ds * p.q[at + c];
    }
  }
}

Reference Compute(const Problem& p) {
  Reference r;
  r.out.resize(p.q.size());
  r.dq.resize(p.q.size());
  r.dk.resize(p.k.size());
  r.dv.resize(p.k.size());
  r.lse.resize(static_cast<std::size_t>(p.shape.batch * p.shape.queries * p.shape.query_heads));
  for (std::int64_t b = 0; b < p.shape.batch; ++b) {
    for (std::int64_t t = 0; t < p.shape.queries; ++t) {
      for (std::int64_t head = 0; head < p.shape.query_heads; ++head)
        ReferenceRow(p, b, t, head, &r);
    }
  }
  return r;
}

void CheckForward(const Problem& p, const Reference& r, int workers, std::vector<float>* out,
                  std::vector<float>* lse) {
  out->assign(p.q.size(), 0.0f);
  lse->assign(r.lse.size(), std::nanf(""));
  AttentionArgs args;
  args.shape = p.shape;
  args.q = {p.q.data(), p.query_stride};
  args.k = {p.k.data(), p.key_stride};
  args.v = {p.v.data(), p.key_stride};
  args.lo = p.lo.data();
  args.hi = p.hi.data();
  args.out = {out->data(), p.query_stride};
  args.lse = lse->data();
  RunKernel(AttentionForward, args, workers, AttentionForwardScratchBytes(p.shape));
  ExpectNear(*out, r.out, kForwardTolerance, kForwardTolerance, "out");
  for (std::size_t i = 0; i < lse->size(); ++i) {
    if (std::isinf(r.lse[i]) || std::isnan(r.lse[i])) {
      ASSERT_EQ((*lse)[i], 0.0f);
    } else {
      ASSERT_NEAR((*lse)[i], r.lse[i], kForwardTolerance * (1 + std::fabs(r.lse[i])));
    }
  }
}

void CheckBackward(const Problem& p, const Reference& r, int workers, const std::vector<float>& out,
                   const std::vector<float>& lse) {
  // The gaps between rows must stay as they are.
  std::vector<float> dq(p.q.size(), 0.0f), dk(p.k.size(), 0.0f), dv(p.k.size(), 0.0f);
  AttentionBackwardArgs args;
  args.shape = p.shape;
  args.q = {p.q.data(), p.query_stride};
  args.k = {p.k.data(), p.key_stride};
  args.v = {p.v.data(), p.key_stride};
  args.out = {out.data(), p.query_stride};
  args.dout = {p.dout.data(), p.query_stride};
  args.lse = lse.data();
  args.lo = p.lo.data();
  args.hi = p.hi.data();
  args.dq = {dq.data(), p.query_stride};
  args.dk = {dk.data(), p.key_stride};
  args.dv = {dv.data(), p.key_stride};
  RunKernel(AttentionBackward, args, workers, AttentionBackwardScratchBytes(p.shape));
  ExpectNear(dq, r.dq, kBackwardTolerance, kBackwardTolerance, "dq");
  ExpectNear(dk, r.dk, kBackwardTolerance, kBackwardTolerance, "dk");
  ExpectNear(dv, r.dv, kBackwardTolerance, kBackwardTolerance, "dv");
}

void CheckAll(std::int64_t batch, std::int64_t queries, std::int64_t keys, std::int64_t query_heads,
              std::int64_t key_heads, std::int64_t head_dim) {
  for (AttentionMask mask :
       {AttentionMask::kFull, AttentionMask::kCausal, AttentionMask::kBounded}) {
    SCOPED_TRACE(StrCat("batch ", batch, ", ", queries, " queries, ", keys, " keys, heads ",
                        query_heads, "/", key_heads, ", dim ", head_dim, ", mask ",
                        static_cast<int>(mask)));
    AttentionShape shape{batch,     queries,  keys, query_heads,
                         key_heads, head_dim, mask, 1.0f / std::sqrt(static_cast<float>(head_dim))};
    const Problem problem(shape);
    const Reference reference = Compute(problem);
    for (int workers : kWorkerCounts) {
      SCOPED_TRACE(StrCat(workers, " workers"));
      std::vector<float> out, lse;
      CheckForward(problem, reference, workers, &out, &lse);
      if (::testing::Test::HasFatalFailure()) return;
      CheckBackward(problem, reference, workers, out, lse);
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
}

TEST(Attention, MatchesTheReferenceOnOddSequenceLengths) {
  for (std::int64_t tokens : {1, 3, 7, 8, 15, 16, 17, 64, 65, 130}) {
    CheckAll(1, tokens, tokens, 2, 2, 16);
  }
}

TEST(Attention, MatchesTheReferenceOnAnyHeadDim) {
  for (std::int64_t dim : {1, 2, 5, 8, 17, 24, 48, 64, 80, 96, 100, 128, 256}) {
    CheckAll(1, 21, 21, 1, 1, dim);
  }
}

TEST(Attention, SharesKeyHeadsAmongQueryHeads) {
  CheckAll(2, 19, 19, 6, 2, 16);
  CheckAll(1, 70, 70, 4, 1, 8);
}

TEST(Attention, ReadsALongerCacheThanItHasQueries) {
  for (std::int64_t queries : {1, 2, 4, 5, 9}) {
    CheckAll(2, queries, 77, 2, 1, 24);
    CheckAll(1, queries, 140, 3, 3, 16);
  }
}

TEST(Attention, RowsBeforeTheFirstKeySeeNothing) { CheckAll(1, 20, 9, 2, 2, 16); }

TEST(Attention, BlocksOfQueriesMeetTheirKeys) { CheckAll(1, 300, 300, 1, 1, 16); }

}  // namespace
}  // namespace attune::cpu
