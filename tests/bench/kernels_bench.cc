// Speed of the CPU kernels beside the limits of the machine, measured in the
// same run: kernels_bench [workers] [rounds]. Prints medians.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "base/philox.h"
#include "cpu/kernels/attention.h"
#include "cpu/kernels/cross_entropy.h"
#include "cpu/kernels/gemv.h"
#include "cpu/kernels/lora.h"
#include "cpu/kernels/norm.h"
#include "posix/thread_pool.h"
#include "tensor/tensor.h"

namespace attune::cpu {
namespace {

double Seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// 64-byte aligned floats, small normals.
Tensor Floats(std::int64_t n, std::uint64_t stream) {
  Tensor tensor(DType::kF32, Shape({n}));
  Philox random(1, stream);
  for (float& x : tensor.f32()) x = random.NextFloat() - 0.5f;
  return tensor;
}

class Bench {
 public:
  Bench(int workers, int rounds) : pool_(workers), rounds_(rounds) {}

  ThreadPool& pool() { return pool_; }

  // Median seconds of one call by all workers.
  template <typename Args>
  double Time(void (*kernel)(const Args&, const Worker&), const Args& args,
              std::size_t scratch_bytes) {
    Reserve(scratch_bytes);
    return TimeBody([&](int index) {
      Worker worker;
      worker.index = index;
      worker.count = pool_.workers();
      worker.scratch = {scratch_[static_cast<std::size_t>(index)].data(), scratch_bytes};
      worker.parallel = &pool_;
      kernel(args, worker);
    });
  }

  template <typename Body>
  double TimeBody(const Body& body) {
    std::vector<double> times;
    // Long enough for the clock, short enough for many rounds.
    int calls = 1;
    for (int round = -2; round < rounds_; ++round) {
      const double start = Seconds();
      for (int call = 0; call < calls; ++call) pool_.Run(body);
      const double each = (Seconds() - start) / calls;
      if (round == -1) calls = std::max(1, static_cast<int>(2e-3 / each));
      if (round >= 0) times.push_back(each);
    }
    std::sort(times.begin(), times.end());
    return times[times.size() / 2];
  }

 private:
  void Reserve(std::size_t bytes) {
    if (bytes <= reserved_) return;
    scratch_.clear();
    for (int w = 0; w < pool_.workers(); ++w) {
      scratch_.emplace_back(DType::kF32, Shape({static_cast<std::int64_t>(bytes / 4 + 16)}));
    }
    reserved_ = bytes;
  }

  ThreadPool pool_;
  int rounds_;
  std::size_t reserved_ = 0;
  std::vector<Tensor> scratch_ = std::vector<Tensor>(static_cast<std::size_t>(pool_.workers()));
};

// Reads `words` 64-bit words at full speed; the result keeps the loop alive.
std::uint64_t ReadAll(const std::uint64_t* x, std::int64_t words) {
  std::uint64_t sums[16] = {};
  for (std::int64_t i = 0; i + 16 <= words; i += 16) {
    for (int k = 0; k < 16; ++k) sums[k] += x[i + k];
  }
  std::uint64_t sum = 0;
  for (std::uint64_t part : sums) sum += part;
  return sum;
}

double ReadBandwidth(Bench& bench, const Tensor& data) {
  const auto* words = reinterpret_cast<const std::uint64_t*>(data.data());
  static std::atomic<std::uint64_t> sink;
  const double seconds = bench.TimeBody([&](int index) {
    const WorkRange r = RangeOf(index, bench.pool().workers(), data.bytes() / 8, 16);
    sink.store(ReadAll(words + r.begin, r.end - r.begin), std::memory_order_relaxed);
  });
  return static_cast<double>(data.bytes()) / seconds / 1e9;
}

void Report(const std::string& name, double seconds, double gflop, double gbyte) {
  std::printf("%-34s %10.1f us", name.c_str(), seconds * 1e6);
  if (gflop > 0) std::printf(" %8.1f GFLOP/s", gflop / seconds);
  if (gbyte > 0) std::printf(" %8.1f GB/s", gbyte / seconds);
  std::printf("\n");
}

void BenchAttention(Bench& bench, std::int64_t tokens, std::int64_t heads, std::int64_t key_heads,
                    std::int64_t dim) {
  const std::int64_t wide = heads * dim, narrow = key_heads * dim;
  AttentionShape shape{1,
                       tokens,
                       tokens,
                       heads,
                       key_heads,
                       dim,
                       AttentionMask::kCausal,
                       1.0f / std::sqrt(static_cast<float>(dim))};
  Tensor q = Floats(tokens * wide, 1), k = Floats(tokens * narrow, 2),
         v = Floats(tokens * narrow, 3);
  Tensor out = Floats(tokens * wide, 4), dout = Floats(tokens * wide, 5),
         lse = Floats(tokens * heads, 6);
  Tensor dq = Floats(tokens * wide, 7), dk = Floats(tokens * narrow, 8),
         dv = Floats(tokens * narrow, 9);
  AttentionArgs forward;
  forward.shape = shape;
  forward.q = {q.f32().data(), wide};
  forward.k = {k.f32().data(), narrow};
  forward.v = {v.f32().data(), narrow};
  forward.out = {out.f32().data(), wide};
  forward.lse = lse.f32().data();
  AttentionBackwardArgs backward;
  backward.shape = shape;
  backward.q = forward.q;
  backward.k = forward.k;
  backward.v = forward.v;
  backward.out = {out.f32().data(), wide};
  backward.dout = {dout.f32().data(), wide};
  backward.lse = lse.f32().data();
  backward.dq = {dq.f32().data(), wide};
  backward.dk = {dk.f32().data(), narrow};
  backward.dv = {dv.f32().data(), narrow};
  // Two products of 2 dim FLOP for each visible pair forward, five backward.
  const double pairs = 0.5 * static_cast<double>(tokens * (tokens + 1) * heads * dim) * 2e-9;
  const std::string name = "T=" + std::to_string(tokens) + " H=" + std::to_string(heads) + "/" +
                           std::to_string(key_heads) + " D=" + std::to_string(dim);
  const std::size_t fs = AttentionForwardScratchBytes(shape);
  const std::size_t bs = AttentionBackwardScratchBytes(shape);
  Report("attention forward  " + name, bench.Time(AttentionForward, forward, fs), 2 * pairs, 0);
  Report("attention backward " + name, bench.Time(AttentionBackward, backward, bs), 5 * pairs, 0);
  std::printf("    scratch %zu and %zu bytes a worker\n", fs, bs);
}

void BenchDecodeAttention(Bench& bench, std::int64_t keys) {
  AttentionShape shape{1, 1, keys, 12, 12, 64, AttentionMask::kCausal, 0.125f};
  Tensor q = Floats(768, 1), k = Floats(keys * 768, 2), v = Floats(keys * 768, 3),
         out = Floats(768, 4);
  AttentionArgs args;
  args.shape = shape;
  args.q = {q.f32().data(), 768};
  args.k = {k.f32().data(), 768};
  args.v = {v.f32().data(), 768};
  args.out = {out.f32().data(), 768};
  const double seconds = bench.Time(AttentionForward, args, AttentionForwardScratchBytes(shape));
  Report("attention decode, keys " + std::to_string(keys), seconds, 0, double(keys) * 768 * 8e-9);
}

// One big matrix, so that every call streams it from memory.
void BenchGemv(Bench& bench, DType dtype, std::int64_t m, bool transposed, const Tensor& data) {
  const std::int64_t in = 2048, out = data.bytes() / SizeOf(dtype) / in;
  Tensor x = Floats(m * in, 1), y = Floats(m * std::max(in, out), 2);
  Tensor xt = Floats(m * out, 3);
  GemvMatrix matrix;
  matrix.weights = data.data();
  matrix.dtype = dtype;
  matrix.transposed = transposed;
  // Transposed storage keeps the same rows: out and in change places.
  matrix.out = transposed ? in : out;
  matrix.weight_stride = in;
  matrix.y = y.f32().data();
  matrix.y_stride = matrix.out;
  GemvArgs args{transposed ? xt.f32().data() : x.f32().data(),
                transposed ? out : in,
                m,
                transposed ? out : in,
                {&matrix, 1}};
  const double gbyte = static_cast<double>(data.bytes()) * 1e-9;
  const double before = ReadBandwidth(bench, data);
  const double seconds = bench.Time(Gemv, args, 0);
  const double limit = std::max(before, ReadBandwidth(bench, data));
  Report("gemv m=" + std::to_string(m) + " " + std::string(DTypeName(dtype)) +
             (transposed ? " transposed" : ""),
         seconds, 0, gbyte);
  std::printf("    %.0f %% of the %.1f GB/s read beside it\n", 100 * gbyte / seconds / limit,
              limit);
}

void BenchLora(Bench& bench, std::int64_t tokens, std::int64_t wide, std::int64_t rank) {
  Tensor x = Floats(tokens * wide, 1), a = Floats(rank * wide, 2), h = Floats(tokens * rank, 3);
  Tensor y = Floats(tokens * wide, 4), da = Floats(rank * wide, 5), dh = Floats(tokens * rank, 6);
  const int workers = bench.pool().workers();
  Tensor shared = Floats(
      static_cast<std::int64_t>(LoraUpBackwardWorkspaceBytes(tokens, rank, workers) / 4 + 1), 7);
  const double flop = 2e-9 * static_cast<double>(tokens * wide * rank);
  const double pass = 4e-9 * static_cast<double>(tokens * wide);
  const std::string name =
      " n=" + std::to_string(tokens) + " w=" + std::to_string(wide) + " r=" + std::to_string(rank);
  const LoraDownArgs down{x.f32().data(), wide, a.f32().data(), h.f32().data(), tokens, wide, rank};
  Report("lora down" + name, bench.Time(LoraDown, down, LoraDownScratchBytes(down)), flop, pass);
  // Scale 0 keeps y from growing over the rounds.
  const LoraUpArgs up{h.f32().data(), a.f32().data(), y.f32().data(), wide,
                      0.0f,           tokens,         wide,           rank};
  Report("lora up" + name, bench.Time(LoraUp, up, LoraUpScratchBytes(up)), flop, 2 * pass);
  LoraUpBackwardArgs ub;
  ub.dy = y.f32().data();
  ub.dy_stride = wide;
  ub.h = h.f32().data();
  ub.b = a.f32().data();
  ub.db = da.f32().data();
  ub.dh = dh.f32().data();
  ub.tokens = tokens;
  ub.out = wide;
  ub.rank = rank;
  ub.workspace = shared.f32().data();
  Report("lora up backward" + name, bench.Time(LoraUpBackward, ub, LoraUpBackwardScratchBytes(ub)),
         2 * flop, pass);
  Tensor zero(DType::kF32, Shape({tokens * rank}));
  LoraDownBackwardArgs db;
  db.x = x.f32().data();
  db.x_stride = wide;
  db.dh = zero.f32().data();
  db.a = a.f32().data();
  db.da = da.f32().data();
  db.dx = y.f32().data();
  db.dx_stride = wide;
  db.tokens = tokens;
  db.in = wide;
  db.rank = rank;
  Report("lora down backward" + name,
         bench.Time(LoraDownBackward, db, LoraDownBackwardScratchBytes(db)), 2 * flop, 3 * pass);
}

void BenchRows(Bench& bench) {
  const std::int64_t rows = 256, columns = 768, vocab = 32000;
  Tensor x = Floats(rows * columns, 1), w = Floats(columns, 2), y = Floats(rows * columns, 3);
  RmsNormArgs norm{x.f32().data(), w.f32().data(), y.f32().data(), nullptr, rows, columns, 1e-5f};
  Report("rms norm forward 256 x 768", bench.Time(RmsNormForward, norm, 0), 0,
         8e-9 * rows * columns);
  RmsNormBackwardArgs back;
  back.x = x.f32().data();
  back.weight = w.f32().data();
  back.dy = x.f32().data();
  back.dx = y.f32().data();
  back.rows = rows;
  back.columns = columns;
  Report("rms norm backward 256 x 768", bench.Time(RmsNormBackward, back, 0), 0,
         12e-9 * rows * columns);
  Tensor logits = Floats(rows * vocab, 4), loss = Floats(rows, 5), lse = Floats(rows, 6);
  Tensor labels(DType::kI32, Shape({rows}));
  CrossEntropyArgs ce{
      logits.f32().data(), vocab,           rows, vocab, labels.i32().data(), nullptr,
      loss.f32().data(),   lse.f32().data()};
  Report("cross entropy 256 x 32000", bench.Time(CrossEntropyForward, ce, 0), 0,
         4e-9 * rows * vocab);
  CrossEntropyGradientArgs gradient;
  gradient.logits = logits.f32().data();
  gradient.stride = gradient.columns = vocab;
  gradient.rows = rows;
  gradient.labels = labels.i32().data();
  gradient.lse = lse.f32().data();
  Report("its gradient", bench.Time(CrossEntropyGradient, gradient, 0), 0, 8e-9 * rows * vocab);
}

void Main(int workers, int rounds) {
#ifndef NDEBUG
  std::printf("WARNING: a debug build, figures mean nothing\n");
#endif
  std::printf("compiler %s, %d workers, %d rounds\n", __VERSION__, workers, rounds);
  Bench bench(workers, rounds);
  // Larger than any cache here.
  const Tensor data(DType::kF32, Shape({64 * 1024 * 1024}));
  for (std::int64_t tokens : {128, 256, 512, 1024}) BenchAttention(bench, tokens, 12, 12, 64);
  BenchAttention(bench, 256, 9, 3, 64);
  BenchAttention(bench, 256, 6, 6, 48);
  BenchAttention(bench, 512, 8, 2, 128);
  BenchDecodeAttention(bench, 256);
  BenchDecodeAttention(bench, 4096);
  for (DType dtype : {DType::kF32, DType::kBf16, DType::kF16}) {
    for (std::int64_t m : {1, 4}) BenchGemv(bench, dtype, m, false, data);
    BenchGemv(bench, dtype, 1, true, data);
  }
  BenchLora(bench, 256, 768, 8);
  BenchLora(bench, 256, 2048, 8);
  BenchLora(bench, 1024, 2048, 16);
  BenchLora(bench, 256, 768, 64);
  BenchRows(bench);
}

}  // namespace
}  // namespace attune::cpu

int main(int argc, char** argv) {
  const int workers = argc > 1 ? std::atoi(argv[1]) : attune::ThreadPool::DefaultWorkers();
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 7;
  if (workers < 1 || rounds < 1) {
    std::fprintf(stderr, "usage: kernels_bench [workers] [rounds]\n");
    return 2;
  }
  attune::cpu::Main(workers, rounds);
  return 0;
}
