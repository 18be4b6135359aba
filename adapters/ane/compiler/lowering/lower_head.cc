// The vocabulary's part of the loss: for each row x the log of the sum of exponentials
// of its logits W x, and with a gradient the expected row of W, p W with p = softmax.
// The label's own row is the host's to gather (LossTail).
//
// The vocabulary goes in chunks of channels. With l the logits and m their maximum:
//   e = exp(l - m),  s = sum e,  lse = m + log s,  p W = W^T (e 2^13 / s) / 2^13
// In the last product the factors are scaled up because products below 2^-14 are lost,
// and most probabilities are that small; the sum stays below 2^15 for |W| < 4.

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "ane/compiler/lowering/rules.h"
#include "base/strings.h"

namespace attune::ane {
namespace {

constexpr std::int64_t kChunk = 16384;
constexpr double kProbabilityScale = 0x1p13;

struct Chunk {
  std::int64_t begin = 0, size = 0;
  TensorId exponentials = kNone;  // First the logits.
};

// As even as multiples of 32 allow.
std::vector<Chunk> ChunksOf(std::int64_t vocabulary) {
  const std::int64_t count = (vocabulary + kChunk - 1) / kChunk;
  const std::int64_t size = PadWidth((vocabulary + count - 1) / count);
  std::vector<Chunk> chunks;
  for (std::int64_t begin = 0; begin < vocabulary; begin += size) {
    chunks.push_back({begin, std::min(size, vocabulary - begin)});
  }
  return chunks;
}

WeightPiece RowsOfPiece(WeightPiece piece, std::int64_t begin, std::int64_t rows) {
  const std::int64_t columns = piece.source.shape[1];
  piece.source.data += begin * columns * SizeOf(piece.source.dtype);
  piece.source.shape = {rows, columns};
  piece.rows = rows;
  return piece;
}

// The sum over channels of exponentials, times `down`. Each is at most 1, most are tiny
// and together matter: 32 partial sums, whose weight lifts terms down to 2^-19 above
// what products lose and still keeps every sum below 2^15.
TensorId SumOfExponentials(RegionBuilder& b, TensorId e, double down) {
  const std::int64_t channels = b.dim(e, 1);
  constexpr std::int64_t kParts = 32;
  const std::int64_t part = (channels + kParts - 1) / kParts;
  const double weight = std::ldexp(1.0, 14 - static_cast<int>(std::ceil(std::log2(part))));
  const TensorId blocks = b.Literal(
      StrCat("parts of ", channels, " channels"), {kParts, channels, 1, 1}, {kParts, channels},
      [&](std::span<float> data) {
        for (std::int64_t c = 0; c < channels; ++c) {
          data[static_cast<std::size_t>(c / part * channels + c)] = static_cast<float>(weight);
        }
      });
  return b.ReduceSum(b.Mul(b.Conv(e, blocks), down / weight), 1);
}

struct HeadOnDevice {
  Lowering& in;
  ValueId weight;
  TensorId x;  // [1, C, 1, W]
  std::vector<Chunk> chunks;
  // Keeps the sum over a vocabulary beyond 2^15 in range.
  double down = 1.0;

  // Fills the chunks, and gives m.
  TensorId Logits() {
    RegionBuilder& b = in.builder();
    TensorId top = kNone;
    for (Chunk& chunk : chunks) {
      chunk.exponentials =
          BakedProduct(in, in.graph().value(weight).name,
                       RowsOfPiece(in.Piece(weight, false, 1.0f), chunk.begin, chunk.size), x);
      const TensorId largest = b.ReduceMax(chunk.exponentials, 1);
      top = top == kNone ? largest : b.Binary(Prim::kMaximum, top, largest);
    }
    return top;
  }

  // Logits become exponentials; gives s * down.
  TensorId Sum(TensorId top) {
    RegionBuilder& b = in.builder();
    TensorId sum = kNone;
    for (Chunk& chunk : chunks) {
      chunk.exponentials = b.Exp(b.Sub(chunk.exponentials, top));
      const TensorId part = SumOfExponentials(b, chunk.exponentials, down);
      sum = sum == kNone ? part : b.Add(sum, part);
    }
    return sum;
  }

  TensorId Expected(TensorId sum) {
    RegionBuilder& b = in.builder();
    const TensorId factor = b.Div(kProbabilityScale * down, sum);
    TensorId expected = kNone;
    for (const Chunk& chunk : chunks) {
      WeightPiece rows = RowsOfPiece(in.Piece(weight, false, 1.0f), chunk.begin, chunk.size);
      rows.transposed = true;
      std::swap(rows.rows, rows.columns);
      const TensorId p = b.Mul(chunk.exponentials, factor);
      const TensorId part = BakedProduct(in, in.graph().value(weight).name, std::move(rows), p);
      expected = expected == kNone ? part : b.Add(expected, part);
    }
    return b.Mul(expected, 1.0 / kProbabilityScale);
  }
};

}  // namespace

LossTail LowerHead(Lowering& in, const Node& node) {
  RegionBuilder& b = in.builder();
  const bool gradient = node.op == OpKind::kLinearCrossEntropyJoint;
  const ValueId x = node.inputs[0];
  const std::int64_t vocabulary = in.graph().shape(node.inputs[1])[0];
  HeadOnDevice head{in, node.inputs[1], in.ReadExact(x), ChunksOf(vocabulary)};
  while (head.down * static_cast<double>(vocabulary) > 0x1p15) head.down /= 2;
  const TensorId top = head.Logits();
  const TensorId sum = head.Sum(top);
  const TensorId lse = b.Add(b.Add(top, b.Log(sum)), -std::log(head.down));

  LossTail tail;
  tail.weight = node.inputs[1];
  tail.labels = node.inputs[2];
  tail.weights = node.inputs[3];
  tail.loss = node.outputs[0];
  tail.x = in.WantSurface(x);
  const std::int64_t width = in.matrix(x).width();
  tail.lse = in.NewSurface(StrCat("lse ", tail.loss), 1, width);
  b.Output(lse, tail.lse, in.spec(tail.lse));
  if (!gradient) return tail;
  tail.dloss = node.inputs[4];
  tail.expected = in.NewSurface(StrCat("expected ", tail.loss), in.matrix(x).columns, width);
  b.Output(head.Expected(sum), tail.expected, in.spec(tail.expected));
  tail.dx = in.WantSurface(node.outputs[2]);
  return tail;
}

}  // namespace attune::ane
