#include "cpu/kernels/optimizer.h"

#include "cpu/kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/kernels/optimizer.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h: it re-includes this file.
#include "cpu/kernels/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::cpu::HWY_NAMESPACE {
namespace {

constexpr std::int64_t kGrain = 64;

void AdamWImpl(const AdamWArgs& args, const Worker& worker) {
  const V beta1 = Set(args.beta1), rest1 = Set(1.0f - args.beta1);
  const V beta2 = Set(args.beta2), rest2 = Set(1.0f - args.beta2);
  const V correction1 = Set(1.0f / args.bias_correction1);
  const V correction2 = Set(1.0f / args.bias_correction2);
  const V keep = Set(1.0f - args.learning_rate * args.weight_decay);
  const V rate = Set(args.learning_rate), epsilon = Set(args.epsilon);
  const V scale = Set(args.gradient_scale);
  const WorkRange range = worker.Range(args.n, kGrain);
  for (std::int64_t i = range.begin; i < range.end; i += kLanes) {
    const std::int64_t n = std::min(kLanes, range.end - i);
    const V g = hn::Mul(LoadN(args.gradient + i, n), scale);
    const V m = hn::MulAdd(beta1, LoadN(args.first_moment + i, n), hn::Mul(rest1, g));
    const V v = hn::MulAdd(beta2, LoadN(args.second_moment + i, n), hn::Mul(hn::Mul(rest2, g), g));
    StoreN(m, args.first_moment + i, n);
    StoreN(v, args.second_moment + i, n);
    const V root = hn::Add(hn::Sqrt(hn::Mul(v, correction2)), epsilon);
    const V update = hn::Div(hn::Mul(rate, hn::Mul(m, correction1)), root);
    StoreN(hn::Sub(hn::Mul(keep, LoadN(args.parameter + i, n)), update), args.parameter + i, n);
  }
}

void SgdImpl(const SgdArgs& args, const Worker& worker) {
  const V scale = Set(args.gradient_scale), decay = Set(args.weight_decay);
  const V factor = Set(args.momentum_factor), rate = Set(args.learning_rate);
  const WorkRange range = worker.Range(args.n, kGrain);
  for (std::int64_t i = range.begin; i < range.end; i += kLanes) {
    const std::int64_t n = std::min(kLanes, range.end - i);
    const V p = LoadN(args.parameter + i, n);
    V step = hn::MulAdd(decay, p, hn::Mul(scale, LoadN(args.gradient + i, n)));
    if (args.momentum != nullptr) {
      step = hn::MulAdd(factor, LoadN(args.momentum + i, n), step);
      StoreN(step, args.momentum + i, n);
    }
    StoreN(hn::NegMulAdd(rate, step, p), args.parameter + i, n);
  }
}

// Eight double sums in turn: the compiler makes vectors of them, and every
// target adds in the same order.
double Squares(const float* x, std::int64_t n) {
  double sums[8] = {};
  std::int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    for (int k = 0; k < 8; ++k) sums[k] += static_cast<double>(x[i + k]) * x[i + k];
  }
  for (; i < n; ++i) sums[0] += static_cast<double>(x[i]) * x[i];
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

void SumOfSquaresImpl(const SumOfSquaresArgs& args, const Worker& worker) {
  const WorkRange range = worker.Range(args.n, kGrain);
  args.partials[worker.index] = Squares(args.x + range.begin, range.end - range.begin);
  worker.Barrier();
  if (worker.index != 0) return;
  double sum = args.accumulate ? *args.sum : 0.0;
  for (int w = 0; w < worker.count; ++w) sum += args.partials[w];
  *args.sum = sum;
}

// Infinities and NaNs have all exponent bits set; the maximum over exponent
// fields tells whether one does.
bool HasNonFinite(const float* x, std::int64_t n) {
  const DU du;
  const auto exponent = hn::Set(du, 0x7f800000u);
  auto found = hn::Zero(du);
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const auto field = hn::And(hn::BitCast(du, Load(x + i)), exponent);
    found = hn::Max(found, field);
  }
  bool tail = false;
  for (; i < n; ++i) {
    std::uint32_t one;
    std::memcpy(&one, x + i, sizeof one);
    tail |= (one & 0x7f800000u) == 0x7f800000u;
  }
  return tail || !hn::AllFalse(du, hn::Eq(found, exponent));
}

void FindNonFiniteImpl(const FindNonFiniteArgs& args, const Worker& worker) {
  const WorkRange range = worker.Range(args.n, kGrain);
  args.partials[worker.index] = HasNonFinite(args.x + range.begin, range.end - range.begin);
  worker.Barrier();
  if (worker.index != 0) return;
  bool found = args.accumulate && *args.found;
  for (int w = 0; w < worker.count; ++w) found |= args.partials[w];
  *args.found = found;
}

}  // namespace
}  // namespace attune::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::cpu {

ATTUNE_DISPATCH_KERNEL(AdamW, AdamWArgs);
ATTUNE_DISPATCH_KERNEL(Sgd, SgdArgs);
ATTUNE_DISPATCH_KERNEL(SumOfSquares, SumOfSquaresArgs);
ATTUNE_DISPATCH_KERNEL(FindNonFinite, FindNonFiniteArgs);

}  // namespace attune::cpu
#endif  // HWY_ONCE
