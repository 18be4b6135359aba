// More programs in the styles of published tools: compressed weights, caches, other
// activations and norms.

#include <gtest/gtest.h>

#include <cmath>

#include "unit/ane/simulator/dialect.h"

namespace attune::ane::testing {
namespace {

// int8 weights with one scale a channel; the writer leaves the record's type at fp16.
TEST(DialectWeights, Int8WithScalesOfChannels) {
  Program p;
  std::vector<int> data;
  Floats scale = Kept(24, 1, 0.01f);
  for (float& s : scale) s = F32FromF16(F16FromF32(std::abs(s) + 0.002f));
  Matrix w(24, 32);
  for (std::size_t i = 0; i < 24 * 32; ++i) {
    data.push_back(static_cast<int>(i * 37 % 255) - 127);
    w.values[i] = double{scale[i / 32]} * data.back();
  }
  const std::uint64_t ad = p.weights.AddBytes(1, data), as = p.weights.AddHalves(scale);
  p.text = std::string(kHeader) + "  func main<ios18>(tensor<fp16, [1, 32, 1, 32]> x) {\n" +
           kConvConsts +
           "    tensor<fp16, [24, 32, 1, 1]> W = constexpr_blockwise_shift_scale(data = "
           "tensor<int8, [24, 32, 1, 1]>(" +
           BlobAt(ad) + "), scale = tensor<fp16, [24, 1, 1, 1]>(" + BlobAt(as) +
           "))[name = string(\"W\")];\n" + Conv("tensor<fp16, [1, 24, 1, 32]>", "y", "W", "x") +
           "  } -> (y);\n}\n";
  const Floats x = Numbers(32 * 32, 2);
  Expect(p, {x}, {Times(w, Matrix(32, 32, x))}, 4e-3);
}

TEST(DialectWeights, Int4InBlocksWithOffsets) {
  const std::string text = Main("tensor<fp16, [2, 4]> x",
                                "tensor<int4, [2, 4]> d = const()[name = string(\"d\"), val = "
                                "tensor<int4, [2, 4]>([-8, 7, 1, 2, 0, -1, 3, 4])];\n"
                                "tensor<fp16, [2, 2]> s = const()[name = string(\"s\"), val = "
                                "tensor<fp16, [2, 2]>([0.5, 2, 1, 0.25])];\n"
                                "tensor<int4, [2, 2]> o = const()[name = string(\"o\"), val = "
                                "tensor<int4, [2, 2]>([1, 0, -1, 4])];\n"
                                "tensor<fp16, [2, 4]> w = constexpr_blockwise_shift_scale(data = "
                                "d, offset = o, scale = s)[name = string(\"w\")];\n"
                                "tensor<fp16, [2, 4]> y = add(x = x, y = w)[name = string(\"y\")];",
                                "y");
  ASSERT_OK_AND_ASSIGN(const auto y, RunMil(text, {Floats(8)}));
  EXPECT_EQ(y[0], Floats({-4.5f, 3, 2, 4, 1, 0, -0.25f, 0}));
}

TEST(DialectWeights, PackedNumbersComeFromTheLowestBits) {
  WeightFile file;
  // 0x21 holds 1 and 2; 0xf8 holds 8 and 15, as int4 -8 and -1.
  const std::uint64_t at = file.AddBytes(8, {0x21, 0xf8});
  const std::uint64_t at3 = file.AddBytes(12, {0x88, 0xc6, 0xfa});  // 0 to 7 in three bits each.
  const std::string text = Main(
      "tensor<fp32, [4]> x",
      "tensor<int4, [4]> d = const()[name = string(\"d\"), val = tensor<int4, [4]>(" + BlobAt(at) +
          ")];\n"
          "tensor<fp32, [4]> w = constexpr_blockwise_shift_scale(data = d, scale = tensor<fp32, "
          "[1]>([1]))[name = string(\"w\")];\n"
          "tensor<fp32, [4]> y = add(x = x, y = w)[name = string(\"y\")];\n"
          "tensor<uint3, [8]> i = const()[name = string(\"i\"), val = tensor<uint3, [8]>(" +
          BlobAt(at3) +
          ")];\n"
          "tensor<fp32, [8]> z = constexpr_blockwise_shift_scale(data = i, scale = tensor<fp32, "
          "[1]>([1]))[name = string(\"z\")];",
      "y, z");
  ASSERT_OK_AND_ASSIGN(const auto y,
                       RunMil(text, {Floats(4)}, {.weights = {{kWeightPath, file.span()}}}));
  EXPECT_EQ(y[0], Floats({1, 2, -8, -1}));
  EXPECT_EQ(y[1], Floats({0, 1, 2, 3, 4, 5, 6, 7}));
}

// Four bits an index, a palette for each group of output channels.
TEST(DialectWeights, PaletteOfGroups) {
  Program p;
  std::vector<int> bytes;
  const Floats lut = Kept(2 * 16, 3, 0.5f);
  Matrix w(8, 32);
  for (std::size_t i = 0; i < 8 * 32; i += 2) {
    const std::size_t low = i * 7 % 16, high = i * 5 % 16;
    bytes.push_back(static_cast<int>(low | high << 4));
    w.values[i] = lut[i / 128 * 16 + low];
    w.values[i + 1] = lut[i / 128 * 16 + high];
  }
  const std::uint64_t ai = p.weights.AddBytes(11, bytes), al = p.weights.AddHalves(lut);
  p.text = std::string(kHeader) + "  func main<ios18>(tensor<fp16, [1, 32, 1, 32]> x) {\n" +
           kConvConsts +
           "    tensor<fp16, [8, 32, 1, 1]> W = constexpr_lut_to_dense(indices = tensor<uint4, [8, "
           "32, 1, 1]>(" +
           BlobAt(ai) + "), lut = tensor<fp16, [2, 1, 1, 1, 16, 1]>(" + BlobAt(al) +
           "))[name = string(\"W\")];\n" + Conv("tensor<fp16, [1, 8, 1, 32]>", "y", "W", "x") +
           "  } -> (y);\n}\n";
  const Floats x = Numbers(32 * 32, 4);
  Expect(p, {x}, {Times(w, Matrix(32, 32, x))});
}

TEST(DialectWeights, OldPaletteAndOldDequantization) {
  WeightFile file;
  const std::uint64_t packed = file.AddBytes(3, {0b11100100});  // 0, 1, 2, 3.
  const std::uint64_t data = file.AddBytes(4, {0, 10, 246, 127, 128, 1});
  const std::string text =
      Main("tensor<fp16, [2, 2]> x",
           "tensor<fp16, [2, 2]> w = constexpr_lut_to_dense()[indices = tensor<uint8, [1]>(" +
               BlobAt(packed) +
               "), lut = tensor<fp16, [4]>([-1, 0.5, 2, 8]), name = string(\"w\"), shape = "
               "tensor<uint32, [2]>([2, 2])];\n"
               "tensor<fp16, [2, 2]> y = add(x = x, y = w)[name = string(\"y\")];\n"
               "tensor<fp16, [2, 3]> q = constexpr_affine_dequantize()[axis = int32(0), name = "
               "string(\"q\"), quantized_data = tensor<int8, [2, 3]>(" +
               BlobAt(data) + "), scale = tensor<fp16, [2]>([0.5, 2]), zero_point = int8(0)];\n",
           "y, q");
  ASSERT_OK_AND_ASSIGN(const auto y,
                       RunMil(text, {Floats(4)}, {.weights = {{kWeightPath, file.span()}}}));
  EXPECT_EQ(y[0], Floats({-1, 0.5f, 2, 8}));
  EXPECT_EQ(y[1], Floats({0, 5, -5, 254, -256, 2}));
}

// Activations to int8 and back around a product.
TEST(DialectWeights, QuantizedActivations) {
  const std::string text =
      Main("tensor<fp16, [1, 4, 1, 3]> x",
           "string i8 = const()[name = string(\"i8\"), val = string(\"int8\")];\n"
           "tensor<int8, [1, 4, 1, 3]> q = quantize(input = x, output_dtype = i8, scale = "
           "fp16(0.5))[name = string(\"q\")];\n"
           "tensor<fp16, [1, 4, 1, 3]> y = dequantize(input = q, scale = fp16(0.5))[name = "
           "string(\"y\")];\n"
           "tensor<uint8, [1, 4, 1, 3]> u = quantize(axis = int32(1), input = x, output_dtype = "
           "string(\"uint8\"), scale = tensor<fp16, [4]>([1, 2, 0.5, 1]), zero_point = "
           "tensor<uint8, [4]>([128, 0, 4, 255]))[name = string(\"u\")];\n"
           "tensor<fp16, [1, 4, 1, 3]> z = dequantize(axis = int32(1), input = u, scale = "
           "tensor<fp16, [4]>([1, 2, 0.5, 1]), zero_point = tensor<uint8, [4]>([128, 0, 4, "
           "255]))[name = string(\"z\")];",
           "y, z");
  const Floats x = {0.2f, 0.3f, -0.8f, 100, -3, 2.5f, -1.25f, 1, 0, 1, 2, -300};
  ASSERT_OK_AND_ASSIGN(const auto y, RunMil(text, {x}));
  EXPECT_EQ(y[0], Floats({0, 0.5f, -1, 63.5f, -3, 2.5f, -1, 1, 0, 1, 2, -64}));
  EXPECT_EQ(y[1], Floats({0, 0, -1, 100, 0, 2, -1, 1, 0, 0, 0, -255}));
}

// One token joins the newest of a cache; masks leave ends open.
TEST(DialectWeights, CacheShiftedByOneToken) {
  Program p;
  const std::string cache = "tensor<fp16, [1, 2, 16, 32]>";
  p.text = std::string(kHeader) + "  func main<ios18>(" + cache +
           " cache, tensor<fp16, [1, 2, 16, 1]> token, tensor<fp16, [1, 2, 1, 16]> q) {\n"
           "    tensor<fp16, [1, 2, 16, 31]> kept = slice_by_index(begin = tensor<int32, [4]>([0, "
           "0, 0, 1]), begin_mask = tensor<bool, [4]>([true, true, true, false]), end = "
           "tensor<int32, [4]>([0, 0, 0, 0]), end_mask = tensor<bool, [4]>([true, true, true, "
           "true]), x = cache)[name = string(\"kept\")];\n"
           "    " +
           cache +
           " next = concat(axis = int32(-1), interleave = bool(false), values = (kept, "
           "token))[name = string(\"next\")];\n"
           "    tensor<fp16, [1, 2, 1, 32]> scores = matmul(transpose_x = bool(false), transpose_y "
           "= bool(false), x = q, y = next)[name = string(\"scores\")];\n"
           "  } -> (next, scores);\n}\n";
  const Floats cache_values = Numbers(2 * 16 * 32, 5), token = Numbers(32, 6), q = Numbers(32, 7);
  Matrix next(32, 32), scores(2, 32);
  for (std::size_t r = 0; r < 32; ++r) {
    for (std::size_t t = 0; t < 32; ++t) {
      next(r, t) = t < 31 ? cache_values[r * 32 + t + 1] : token[r];
      scores(r / 16, t) += double{q[r]} * next(r, t);
    }
  }
  Expect(p, {cache_values, token, q}, {next, scores});
}

// GPT-2: layer norm as an op, a bias as an addition, gelu with its mode.
TEST(DialectWeights, LayerNormAndGelu) {
  Program p;
  const Floats gamma = Kept(32, 8, 1), beta = Kept(32, 9, 1), w = Kept(64 * 32, 10, 0.2f),
               b = Kept(64, 11, 0.5f);
  const std::uint64_t ag = p.weights.AddHalves(gamma), ab = p.weights.AddHalves(beta),
                      aw = p.weights.AddHalves(w), ac = p.weights.AddHalves(b);
  p.text =
      std::string(kHeader) + "  func main<ios18>(tensor<fp16, [1, 32, 32]> x) {\n" +
      Weight("32", "gamma", ag) + Weight("32", "beta", ab) + Weight("64, 32", "W", aw) +
      Weight("64", "b", ac) +
      "    tensor<int32, [1]> ax = const()[name = string(\"ax\"), val = tensor<int32, "
      "[1]>([-1])];\n"
      "    fp16 eps = const()[name = string(\"eps\"), val = fp16(0x1p-10)];\n"
      "    tensor<fp16, [1, 32, 32]> n = layer_norm(axes = ax, beta = beta, epsilon = eps, gamma = "
      "gamma, x = x)[name = string(\"n\")];\n"
      "    bool f = const()[name = string(\"f\"), val = bool(false)];\n"
      "    bool t = const()[name = string(\"t\"), val = bool(true)];\n"
      "    tensor<fp16, [1, 32, 64]> h = matmul(transpose_x = f, transpose_y = t, x = n, y = "
      "W)[name = string(\"h\")];\n"
      "    tensor<fp16, [1, 32, 64]> hb = add(x = h, y = b)[name = string(\"hb\")];\n"
      "    string mode = const()[name = string(\"mode\"), val = string(\"TANH_APPROXIMATION\")];\n"
      "    tensor<fp16, [1, 32, 64]> y = gelu(mode = mode, x = hb)[name = string(\"y\")];\n"
      "  } -> (y);\n}\n";
  const Floats x = Numbers(32 * 32, 12);
  Matrix n(32, 32, x);
  for (std::size_t i = 0; i < 32; ++i) {
    double mean = 0, variance = 0;
    for (std::size_t j = 0; j < 32; ++j) mean += n(i, j) / 32;
    for (std::size_t j = 0; j < 32; ++j) variance += (n(i, j) - mean) * (n(i, j) - mean) / 32;
    for (std::size_t j = 0; j < 32; ++j)
      n(i, j) = (n(i, j) - mean) / std::sqrt(variance + 0x1p-10) * gamma[j] + beta[j];
  }
  Matrix h = Times(n, Transposed(Matrix(64, 32, w)));
  for (std::size_t i = 0; i < h.values.size(); ++i) {
    const double v = h.values[i] + b[i % 64];
    h.values[i] =
        0.5 * v * (1 + std::tanh(std::sqrt(2 / std::acos(-1.0)) * (v + 0.044715 * v * v * v)));
  }
  // The table of gelu errs by 0.006, whatever the size of its result.
  Expect(p, {x}, {h}, 8e-3);
}

// A causal filter of four taps a channel, as gated delta nets have.
TEST(DialectWeights, DepthwiseCausalFilter) {
  Program p;
  const Floats w = Kept(32 * 4, 13, 0.5f);
  const std::uint64_t at = p.weights.AddHalves(w);
  p.text =
      std::string(kHeader) + "  func main<ios18>(tensor<fp16, [1, 32, 1, 64]> x) {\n" +
      Weight("32, 1, 1, 4", "W", at) +
      "    tensor<fp16, [1, 32, 1, 64]> f = conv(dilations = tensor<int32, [2]>([1, 1]), groups = "
      "int32(32), pad = tensor<int32, [4]>([0, 0, 3, 0]), pad_type = string(\"custom\"), strides = "
      "tensor<int32, [2]>([1, 1]), weight = W, x = x)[name = string(\"f\")];\n"
      "    tensor<fp16, [1, 32, 1, 64]> th = tanh(x = f)[name = string(\"th\")];\n"
      "    tensor<fp16, [1, 32, 1, 64]> y = add(x = f, y = th)[name = string(\"y\")];\n"
      "  } -> (y);\n}\n";
  const Floats x = Numbers(32 * 64, 14);
  Matrix y(32, 64);
  for (std::size_t c = 0; c < 32; ++c) {
    for (std::size_t t = 0; t < 64; ++t) {
      double sum = 0;
      for (std::size_t k = 0; k < 4; ++k) {
        if (t + k >= 3) sum += double{w[c * 4 + k]} * x[c * 64 + t + k - 3];
      }
      y(c, t) = sum + std::tanh(sum);
    }
  }
  Expect(p, {x}, {y});
}

// The op for attention as a whole, with grouped heads repeated before it.
TEST(DialectWeights, AttentionAsOneOp) {
  Program p;
  const std::string heads = "tensor<fp16, [1, 4, 32, 16]>", groups = "tensor<fp16, [1, 2, 32, 16]>",
                    one = "tensor<fp16, [1, 1, 32, 16]>";
  const auto repeat = [&](const std::string& name) {
    return "    " + one + " " + name + "0, " + one + " " + name +
           "1 = split(axis = int32(1), num_splits = int32(2), x = " + name + ");\n    " + heads +
           " " + name + "r = concat(axis = int32(1), interleave = bool(false), values = (" + name +
           "0, " + name + "0, " + name + "1, " + name + "1));\n";
  };
  p.text = std::string(kHeader) + "  func main<ios18>(" + heads + " q, " + groups + " k, " +
           groups + " v) {\n" + repeat("k") + repeat("v") + "    " + heads +
           " y = scaled_dot_product_attention(key = kr, query = q, value = vr)[name = "
           "string(\"y\")];\n  } -> (y);\n}\n";
  const Floats q = Numbers(4 * 512, 15), k = Numbers(2 * 512, 16), v = Numbers(2 * 512, 17);
  Matrix y(128, 16);
  for (std::size_t h = 0; h < 4; ++h) {
    const Matrix qm = RowsOf(Matrix(128, 16, q), h * 32, 32),
                 km = RowsOf(Matrix(64, 16, k), h / 2 * 32, 32),
                 vm = RowsOf(Matrix(64, 16, v), h / 2 * 32, 32);
    const Matrix c =
        Times(SoftmaxOfRows(Map(Times(qm, Transposed(km)), [](double s) { return s / 4; })), vm);
    std::copy(c.values.begin(), c.values.end(),
              y.values.begin() + static_cast<std::ptrdiff_t>(h * 512));
  }
  Expect(p, {q, k, v}, {y});
}

// Scores in f32 between casts, selection by a comparison, a sum of squares.
TEST(DialectWeights, SelectionByComparison) {
  Program p;
  const std::string t = "tensor<fp16, [1, 8, 1, 32]>";
  p.text = std::string(kHeader) + "  func main<ios18>(" + t +
           " x) {\n"
           "    fp16 limit = const()[name = string(\"limit\"), val = fp16(0.25)];\n"
           "    tensor<bool, [1, 8, 1, 32]> above = greater(x = x, y = limit)[name = "
           "string(\"above\")];\n    " +
           t + " sq = square(x = x)[name = string(\"sq\")];\n    " + t +
           " ab = abs(x = x)[name = string(\"ab\")];\n    " + t +
           " picked = select(a = sq, b = ab, cond = above)[name = string(\"picked\")];\n"
           "    tensor<fp16, [1, 1, 1, 32]> most = reduce_max(axes = tensor<int32, [1]>([1]), "
           "keep_dims = bool(true), x = picked)[name = string(\"most\")];\n    " +
           t + " y = sub(x = picked, y = most)[name = string(\"y\")];\n  } -> (y);\n}\n";
  const Floats x = Numbers(8 * 32, 18);
  Matrix y = Map(Matrix(8, 32, x), [](double v) { return v > 0.25 ? v * v : std::abs(v); });
  for (std::size_t j = 0; j < 32; ++j) {
    double most = -1e9;
    for (std::size_t i = 0; i < 8; ++i) most = std::max(most, y(i, j));
    for (std::size_t i = 0; i < 8; ++i) y(i, j) -= most;
  }
  Expect(p, {x}, {y});
}

}  // namespace
}  // namespace attune::ane::testing
