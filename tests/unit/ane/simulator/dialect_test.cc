// Programs in the styles that published tools write, in our own words: what each
// computes is worked out here in double. All run with exact numbers and, more loosely,
// as an M4 and an M5 would.

#include <gtest/gtest.h>

#include <cmath>

#include "unit/ane/simulator/dialect.h"

namespace attune::ane::testing {
namespace {

TEST(Dialect, ElementwiseBetweenCastsOfFullPrecision) {
  Program p;
  p.text =
      std::string(kHeader) +
      "  func main<ios18>(tensor<fp32, [1, 64, 1, 32]> x) {\n"
      "    string d16 = const()[name = string(\"d16\"), val = string(\"fp16\")];\n"
      "    tensor<fp16, [1, 64, 1, 32]> xh = cast(dtype = d16, x = x)[name = string(\"xh\")];\n"
      "    fp16 two = const()[name = string(\"two\"), val = fp16(2.0)];\n"
      "    tensor<fp16, [1, 64, 1, 32]> yh = mul(x = xh, y = two)[name = string(\"yh\")];\n"
      "    string d32 = const()[name = string(\"d32\"), val = string(\"fp32\")];\n"
      "    tensor<fp32, [1, 64, 1, 32]> y = cast(dtype = d32, x = yh)[name = string(\"y\")];\n"
      "  } -> (y);\n}\n";
  const Floats x = Numbers(64 * 32, 1);
  Expect(p, {x}, {Map(Matrix(64, 32, x), [](double v) { return 2 * v; })});
}

TEST(Dialect, TwoLinearsFromOneWeightFile) {
  Program p;
  const Floats w1 = Kept(48 * 40, 2, 0.3f), w2 = Kept(16 * 48, 3, 0.3f);
  const std::uint64_t at1 = p.weights.AddHalves(w1), at2 = p.weights.AddHalves(w2);
  p.text = std::string(kHeader) + "  func main<ios18>(tensor<fp16, [1, 40, 1, 32]> x) {\n" +
           kConvConsts + Weight("48, 40, 1, 1", "W1", at1) + Weight("16, 48, 1, 1", "W2", at2) +
           Conv("tensor<fp16, [1, 48, 1, 32]>", "h", "W1", "x") +
           Conv("tensor<fp16, [1, 16, 1, 32]>", "y", "W2", "h") + "  } -> (y);\n}\n";
  const Floats x = Numbers(40 * 32, 1);
  Expect(p, {x}, {Times(Matrix(16, 48, w2), Times(Matrix(48, 40, w1), Matrix(40, 32, x)))});
}

// Activations and weights side by side in one input.
TEST(Dialect, LinearPackedIntoOneInput) {
  Program p;
  p.text =
      std::string(kHeader) +
      "  func main<ios18>(tensor<fp16, [1, 32, 1, 112]> x) {\n"
      "    tensor<int32, [4]> b0 = const()[name = string(\"b0\"), val = tensor<int32, [4]>([0, 0, "
      "0, 0])];\n"
      "    tensor<int32, [4]> s0 = const()[name = string(\"s0\"), val = tensor<int32, [4]>([1, 32, "
      "1, 64])];\n"
      "    tensor<fp16, [1, 32, 1, 64]> a = slice_by_size(x = x, begin = b0, size = s0)[name = "
      "string(\"a\")];\n"
      "    tensor<int32, [4]> b1 = const()[name = string(\"b1\"), val = tensor<int32, [4]>([0, 0, "
      "0, 64])];\n"
      "    tensor<int32, [4]> s1 = const()[name = string(\"s1\"), val = tensor<int32, [4]>([1, 32, "
      "1, 48])];\n"
      "    tensor<fp16, [1, 32, 1, 48]> w = slice_by_size(x = x, begin = b1, size = s1)[name = "
      "string(\"w\")];\n"
      "    tensor<int32, [4]> ra = const()[name = string(\"ra\"), val = tensor<int32, [4]>([1, 1, "
      "32, 64])];\n"
      "    tensor<fp16, [1, 1, 32, 64]> ar = reshape(shape = ra, x = a)[name = string(\"ar\")];\n"
      "    tensor<int32, [4]> pm = const()[name = string(\"pm\"), val = tensor<int32, [4]>([0, 1, "
      "3, 2])];\n"
      "    tensor<fp16, [1, 1, 64, 32]> at = transpose(perm = pm, x = ar)[name = string(\"at\")];\n"
      "    tensor<int32, [4]> rw = const()[name = string(\"rw\"), val = tensor<int32, [4]>([1, 1, "
      "32, 48])];\n"
      "    tensor<fp16, [1, 1, 32, 48]> wr = reshape(shape = rw, x = w)[name = string(\"wr\")];\n"
      "    bool bF = const()[name = string(\"bF\"), val = bool(false)];\n"
      "    tensor<fp16, [1, 1, 64, 48]> m = matmul(transpose_x = bF, transpose_y = bF, x = at, y = "
      "wr)[name = string(\"m\")];\n"
      "    tensor<fp16, [1, 1, 48, 64]> mt = transpose(perm = pm, x = m)[name = string(\"mt\")];\n"
      "    tensor<int32, [4]> ro = const()[name = string(\"ro\"), val = tensor<int32, [4]>([1, 48, "
      "1, 64])];\n"
      "    tensor<fp16, [1, 48, 1, 64]> y = reshape(shape = ro, x = mt)[name = string(\"y\")];\n"
      "  } -> (y);\n}\n";
  const Floats x = Numbers(32 * 112, 4);
  const Matrix packed(32, 112, x);
  Matrix a(32, 64), w(32, 48);
  for (std::size_t i = 0; i < 32; ++i) {
    for (std::size_t j = 0; j < 112; ++j) (j < 64 ? a(i, j) : w(i, j - 64)) = packed(i, j);
  }
  Expect(p, {x}, {Times(Transposed(w), a)});
}

// y = W x + (alpha / r) B A x with both factors as inputs, channels last in between.
TEST(Dialect, LowRankBranchWithItsFactorsAsInputs) {
  Program p;
  const Floats w = Kept(48 * 64, 5, 0.2f);
  const std::uint64_t at = p.weights.AddHalves(w);
  p.text =
      std::string(kHeader) +
      "  func main<ios18>(tensor<fp16, [1, 64, 1, 8]> A, tensor<fp16, [1, 48, 1, 8]> B, "
      "tensor<fp16, [1, 64, 1, 32]> x) {\n" +
      kConvConsts + Weight("48, 64, 1, 1", "W0", at) +
      Conv("tensor<fp16, [1, 48, 1, 32]>", "base", "W0", "x") +
      "    tensor<int32, [4]> last = const()[name = string(\"last\"), val = tensor<int32, [4]>([0, "
      "2, 3, 1])];\n"
      "    tensor<fp16, [1, 1, 32, 64]> xt = transpose(perm = last, x = x)[name = "
      "string(\"xt\")];\n"
      "    tensor<int32, [4]> sa = const()[name = string(\"sa\"), val = tensor<int32, [4]>([1, 1, "
      "64, 8])];\n"
      "    tensor<fp16, [1, 1, 64, 8]> At = reshape(shape = sa, x = A)[name = string(\"At\")];\n"
      "    tensor<int32, [4]> sb = const()[name = string(\"sb\"), val = tensor<int32, [4]>([1, 1, "
      "48, 8])];\n"
      "    tensor<fp16, [1, 1, 48, 8]> Bt = reshape(shape = sb, x = B)[name = string(\"Bt\")];\n"
      "    bool no = const()[name = string(\"no\"), val = bool(false)];\n"
      "    bool yes = const()[name = string(\"yes\"), val = bool(true)];\n"
      "    tensor<fp16, [1, 1, 32, 8]> u = matmul(transpose_x = no, transpose_y = no, x = xt, y = "
      "At)[name = string(\"u\")];\n"
      "    tensor<fp16, [1, 1, 32, 48]> v = matmul(transpose_x = no, transpose_y = yes, x = u, y = "
      "Bt)[name = string(\"v\")];\n"
      "    fp16 scale = const()[name = string(\"scale\"), val = fp16(2.0)];\n"
      "    tensor<fp16, [1, 1, 32, 48]> vs = mul(x = v, y = scale)[name = string(\"vs\")];\n"
      "    tensor<int32, [4]> first = const()[name = string(\"first\"), val = tensor<int32, "
      "[4]>([0, 3, 1, 2])];\n"
      "    tensor<fp16, [1, 48, 1, 32]> branch = transpose(perm = first, x = vs)[name = "
      "string(\"branch\")];\n"
      "    tensor<fp16, [1, 48, 1, 32]> y = add(x = base, y = branch)[name = string(\"y\")];\n"
      "  } -> (y);\n}\n";
  const Floats a = Kept(64 * 8, 6, 0.5f), b = Kept(48 * 8, 7, 0.5f), x = Numbers(64 * 32, 8);
  const Matrix xm(64, 32, x);
  const Matrix low = Times(Matrix(48, 8, b), Times(Transposed(Matrix(64, 8, a)), xm));
  Expect(p, {a, b, x},
         {Zip(Times(Matrix(48, 64, w), xm), low, [](double u, double v) { return u + 2 * v; })});
}

TEST(Dialect, BankOfProceduresWithoutOptionalNames) {
  Program p;
  const Floats w0 = Kept(32 * 32, 9, 0.3f), w1 = Kept(32 * 32, 10, 0.3f);
  const std::uint64_t at[] = {p.weights.AddHalves(w0), p.weights.AddHalves(w1)};
  p.text = kHeader;
  for (int i = 0; i < 2; ++i) {
    p.text += StrCat(
        "func procedure00", i, "<ios18>(tensor<fp16,[1,32,1,32]> x){\n",
        "tensor<fp16,[32,32,1,1]> W=const()[val=tensor<fp16,[32,32,1,1]>(", BlobAt(at[i]), ")];\n",
        "tensor<fp16,[1,32,1,32]> "
        "y=conv(dilations=tensor<int32,[2]>([1,1]),groups=int32(1),pad=tensor<int32,[4]>([0,0,0,0])"
        ",pad_type=string(\"valid\"),strides=tensor<int32,[2]>([1,1]),weight=W,x=x);\n",
        "}->(y);\n");
  }
  p.text += "}";
  const Floats x = Numbers(32 * 32, 11);
  p.function = "procedure000";
  Expect(p, {x}, {Times(Matrix(32, 32, w0), Matrix(32, 32, x))});
  p.function = "procedure001";
  Expect(p, {x}, {Times(Matrix(32, 32, w1), Matrix(32, 32, x))});
}

// Explicit buffers at the entry and exit, hex floats.
TEST(Dialect, BuffersWithStrides) {
  Program p;
  p.text =
      "program(1.3)\n{\n"
      "  func main_ane<ios18>(tensor_buffer<fp16, shape=[1, 4, 1, 40], strides=[256, 64, 64, 1], "
      "interleave_factors=[1, 1, 1, 1]> xb) {\n"
      "    tensor<fp16, [1, 4, 1, 40]> x = tensor_buffer_to_tensor<ios17>(input = xb)[name = "
      "string(\"x\")];\n"
      "    tensor<fp16, [1, 4, 1, 40]> h = mul(x = x, y = fp16(0x1.8p+1))[name = string(\"h\")];\n"
      "    tensor<fp16, [1, 4, 1, 40]> s = add(x = h, y = fp16(-0x1p-3))[name = string(\"s\")];\n"
      "    tensor_buffer<fp16, shape=[1, 4, 1, 40], strides=[256, 64, 64, 1], "
      "interleave_factors=[1, 1, 1, 1]> y = tensor_to_tensor_buffer<ios17>(input = s, "
      "interleave_factors = tensor<uint8, [4]>([1, 1, 1, 1]), strides = tensor<int64, [4]>([256, "
      "64, 64, 1]))[name = string(\"y\")];\n"
      "  } -> (y);\n}\n";
  p.function = "main_ane";
  const Floats x = Numbers(160, 12);
  Expect(p, {x}, {Map(Matrix(4, 40, x), [](double v) { return 3 * v - 0.125; })});
}

// The older program version, whose strings are tensors.
TEST(Dialect, OldVersionWithTensorsOfStrings) {
  Program p;
  p.text =
      "program(1.0)\n"
      "[buildInfo = dict<tensor<string, []>, tensor<string, []>>({{\"coremlc-component-MIL\", "
      "\"5.33.5\"}, {\"coremlc-version\", \"1877.40.3\"}})]\n"
      "{\n    func main<ios16>(tensor<fp16, [1, 16, 1, 32]> x) {\n"
      "            tensor<fp16, []> half = const()[name = tensor<string, []>(\"half\"), val = "
      "tensor<fp16, []>(0x1p-1)];\n"
      "            tensor<fp16, [1, 16, 1, 32]> hx = mul(x = x, y = half)[name = tensor<string, "
      "[]>(\"hx\")];\n"
      "            tensor<fp16, [1, 16, 1, 32]> e = exp(x = hx)[name = tensor<string, "
      "[]>(\"e\")];\n"
      "            tensor<int32, [1]> axes = const()[name = tensor<string, []>(\"axes\"), val = "
      "tensor<int32, [1]>([1])];\n"
      "            tensor<bool, []> keep = const()[name = tensor<string, []>(\"keep\"), val = "
      "tensor<bool, []>(true)];\n"
      "            tensor<fp16, [1, 1, 1, 32]> m = reduce_mean(axes = axes, keep_dims = keep, x = "
      "e)[name = tensor<string, []>(\"m\")];\n"
      "            tensor<fp16, [1, 16, 1, 32]> y = real_div(x = e, y = m)[name = tensor<string, "
      "[]>(\"y\")];\n"
      "        } -> (y);\n}";
  const Floats x = Numbers(16 * 32, 13);
  Matrix e = Map(Matrix(16, 32, x), [](double v) { return std::exp(v / 2); });
  for (std::size_t j = 0; j < 32; ++j) {
    double mean = 0;
    for (std::size_t i = 0; i < 16; ++i) mean += e(i, j) / 16;
    for (std::size_t i = 0; i < 16; ++i) e(i, j) /= mean;
  }
  Expect(p, {x}, {e}, 8e-3);
}

// Norm, gate, product, and the taps that a backward pass wants in one output.
TEST(Dialect, GatedFeedForwardWithTaps) {
  Program p;
  const Floats gamma = Kept(32, 14, 1), w1 = Kept(64 * 32, 15, 0.3f), w3 = Kept(64 * 32, 16, 0.3f),
               w2 = Kept(32 * 64, 17, 0.2f);
  const std::uint64_t ag = p.weights.AddHalves(gamma), a1 = p.weights.AddHalves(w1),
                      a3 = p.weights.AddHalves(w3), a2 = p.weights.AddHalves(w2);
  const std::string in = "tensor<fp16, [1, 32, 1, 32]>", row = "tensor<fp16, [1, 1, 1, 32]>",
                    hidden = "tensor<fp16, [1, 64, 1, 32]>";
  p.text =
      std::string(kHeader) + "  func main<ios18>(" + in + " x) {\n" + kConvConsts +
      Weight("1, 32, 1, 1", "g", ag) + Weight("64, 32, 1, 1", "W1", a1) +
      Weight("64, 32, 1, 1", "W3", a3) + Weight("32, 64, 1, 1", "W2", a2) + "    " + in +
      " sq = mul(x = x, y = x)[name = string(\"sq\")];\n"
      "    tensor<int32, [1]> ax = const()[name = string(\"ax\"), val = tensor<int32, [1]>([1])];\n"
      "    bool kd = const()[name = string(\"kd\"), val = bool(true)];\n"
      "    " +
      row +
      " ss = reduce_sum(x = sq, axes = ax, keep_dims = kd)[name = string(\"ss\")];\n"
      "    fp16 inv = const()[name = string(\"inv\"), val = fp16(0.03125)];\n"
      "    " +
      row +
      " ms = mul(x = ss, y = inv)[name = string(\"ms\")];\n"
      "    fp16 eps = const()[name = string(\"eps\"), val = fp16(0.00001)];\n"
      "    " +
      row +
      " me = add(x = ms, y = eps)[name = string(\"me\")];\n"
      "    fp16 nh = const()[name = string(\"nh\"), val = fp16(-0.5)];\n"
      "    " +
      row +
      " rr = pow(x = me, y = nh)[name = string(\"rr\")];\n"
      "    " +
      in +
      " xr = mul(x = x, y = rr)[name = string(\"xr\")];\n"
      "    " +
      in + " xn = mul(x = xr, y = g)[name = string(\"xn\")];\n" + Conv(hidden, "h1", "W1", "xn") +
      Conv(hidden, "h3", "W3", "xn") +
      "    fp16 mo = const()[name = string(\"mo\"), val = fp16(-1.0)];\n"
      "    " +
      hidden +
      " nx = mul(x = h1, y = mo)[name = string(\"nx\")];\n"
      "    " +
      hidden +
      " ex = exp(x = nx)[name = string(\"ex\")];\n"
      "    fp16 one = const()[name = string(\"one\"), val = fp16(1.0)];\n"
      "    " +
      hidden +
      " de = add(x = ex, y = one)[name = string(\"de\")];\n"
      "    " +
      hidden +
      " sl = real_div(x = h1, y = de)[name = string(\"sl\")];\n"
      "    " +
      hidden + " gate = mul(x = sl, y = h3)[name = string(\"gate\")];\n" +
      Conv(in, "y", "W2", "gate") +
      "    int32 cax = const()[name = string(\"cax\"), val = int32(1)];\n"
      "    bool cid = const()[name = string(\"cid\"), val = bool(false)];\n"
      "    tensor<fp16, [1, 256, 1, 32]> out = concat(axis = cax, interleave = cid, values = (y, "
      "h1, h3, gate, xn))[name = string(\"out\")];\n"
      "  } -> (out);\n}\n";
  const Floats x = Numbers(32 * 32, 18);
  const Matrix xn = RmsNorm(Matrix(32, 32, x), gamma, 1e-5);
  const Matrix h1 = Times(Matrix(64, 32, w1), xn), h3 = Times(Matrix(64, 32, w3), xn);
  const Matrix gate = Zip(h1, h3, [](double u, double v) { return Silu(u) * v; });
  Matrix out(256, 32);
  std::size_t at = 0;
  for (const Matrix& part : {Times(Matrix(32, 64, w2), gate), h1, h3, gate, xn}) {
    for (const double v : part.values) out.values[at++] = v;
  }
  // Epsilon of 1e-5 is a denormal of fp16.
  Expect(p, {x}, {out}, 5e-3);
}

// Causal attention of two heads with a mask from the weight file.
TEST(Dialect, MaskedAttentionWithFusedProjection) {
  Program p;
  constexpr std::size_t kTokens = 32, kWidth = 32, kHead = 16;
  const Floats wqkv = Kept(96 * 32, 19, 0.3f), wo = Kept(32 * 32, 20, 0.3f);
  Floats mask(kTokens * kTokens);
  for (std::size_t i = 0; i < kTokens; ++i) {
    for (std::size_t j = i + 1; j < kTokens; ++j) mask[i * kTokens + j] = -10000;
  }
  const std::uint64_t aq = p.weights.AddHalves(wqkv), ao = p.weights.AddHalves(wo),
                      am = p.weights.AddHalves(mask);
  const auto part = [](const std::string& name, int begin) {
    return StrCat("    tensor<fp16, [1, 32, 1, 32]> ", name,
                  "c = slice_by_size(begin = tensor<int32, [4]>([0, ", begin,
                  ", 0, 0]), size = tensor<int32, [4]>([1, 32, 1, 32]), x = qkv)[name = string(\"",
                  name, "c\")];\n", "    tensor<fp16, [1, 2, 16, 32]> ", name,
                  "r = reshape(shape = rs, x = ", name, "c)[name = string(\"", name, "r\")];\n",
                  "    tensor<fp16, [1, 2, 32, 16]> ", name, " = transpose(perm = pm, x = ", name,
                  "r)[name = string(\"", name, "\")];\n");
  };
  p.text =
      std::string(kHeader) + "  func main<ios18>(tensor<fp16, [1, 32, 1, 32]> x) {\n" +
      kConvConsts + Weight("96, 32, 1, 1", "Wqkv", aq) + Weight("32, 32, 1, 1", "Wo", ao) +
      Weight("1, 1, 32, 32", "cm", am) + Conv("tensor<fp16, [1, 96, 1, 32]>", "qkv", "Wqkv", "x") +
      "    tensor<int32, [4]> rs = const()[name = string(\"rs\"), val = tensor<int32, [4]>([1, 2, "
      "16, 32])];\n"
      "    tensor<int32, [4]> pm = const()[name = string(\"pm\"), val = tensor<int32, [4]>([0, 1, "
      "3, 2])];\n" +
      part("q", 0) + part("k", 32) + part("v", 64) +
      "    bool tx = const()[name = string(\"tx\"), val = bool(false)];\n"
      "    bool ty = const()[name = string(\"ty\"), val = bool(true)];\n"
      "    tensor<fp16, [1, 2, 32, 32]> sc = matmul(transpose_x = tx, transpose_y = ty, x = q, y = "
      "k)[name = string(\"sc\")];\n"
      "    fp16 scl = const()[name = string(\"scl\"), val = fp16(0.25)];\n"
      "    tensor<fp16, [1, 2, 32, 32]> ss = mul(x = sc, y = scl)[name = string(\"ss\")];\n"
      "    tensor<fp16, [1, 2, 32, 32]> sm = add(x = ss, y = cm)[name = string(\"sm\")];\n"
      "    int32 sax = const()[name = string(\"sax\"), val = int32(-1)];\n"
      "    tensor<fp16, [1, 2, 32, 32]> pr = softmax(axis = sax, x = sm)[name = string(\"pr\")];\n"
      "    tensor<fp16, [1, 2, 32, 16]> av = matmul(transpose_x = tx, transpose_y = tx, x = pr, y "
      "= v)[name = string(\"av\")];\n"
      "    tensor<fp16, [1, 2, 16, 32]> at = transpose(perm = pm, x = av)[name = string(\"at\")];\n"
      "    tensor<int32, [4]> os = const()[name = string(\"os\"), val = tensor<int32, [4]>([1, 32, "
      "1, 32])];\n"
      "    tensor<fp16, [1, 32, 1, 32]> af = reshape(shape = os, x = at)[name = "
      "string(\"af\")];\n" +
      Conv("tensor<fp16, [1, 32, 1, 32]>", "y", "Wo", "af") + "  } -> (y);\n}\n";
  const Floats x = Numbers(kWidth * kTokens, 21);
  const Matrix qkv = Times(Matrix(96, 32, wqkv), Matrix(32, 32, x));
  Matrix context(kWidth, kTokens);
  for (std::size_t head = 0; head < 2; ++head) {
    const Matrix c =
        CausalAttention(RowsOf(qkv, head * kHead, kHead), RowsOf(qkv, 32 + head * kHead, kHead),
                        RowsOf(qkv, 64 + head * kHead, kHead));
    std::copy(c.values.begin(), c.values.end(),
              context.values.begin() + static_cast<std::ptrdiff_t>(head * kHead * kTokens));
  }
  Expect(p, {x}, {Times(Matrix(32, 32, wo), context)});
}

// Half of the channels turned: a signed permutation as a matrix, so that no slice of
// the width is needed.
TEST(Dialect, RotationByAPermutationMatrix) {
  Program p;
  Floats turn(16 * 16);
  for (std::size_t i = 0; i < 8; ++i) {
    turn[i * 16 + i + 8] = -1;
    turn[(i + 8) * 16 + i] = 1;
  }
  const std::uint64_t at = p.weights.AddHalves(turn);
  const std::string t = "tensor<fp16, [1, 2, 16, 32]>";
  p.text =
      std::string(kHeader) + "  func main<ios18>(" + t +
      " x, tensor<fp16, [1, 1, 16, 32]> c, tensor<fp16, [1, 1, 16, 32]> s) {\n" +
      Weight("1, 1, 16, 16", "P", at) +
      "    bool f = const()[name = string(\"f\"), val = bool(false)];\n    " + t +
      " r = matmul(transpose_x = f, transpose_y = f, x = P, y = x)[name = string(\"r\")];\n    " +
      t + " a = mul(x = x, y = c)[name = string(\"a\")];\n    " + t +
      " b = mul(x = r, y = s)[name = string(\"b\")];\n    " + t +
      " y = add(x = a, y = b)[name = string(\"y\")];\n  } -> (y);\n}\n";
  const Floats x = Numbers(2 * 16 * 32, 22), c = Numbers(16 * 32, 23), s = Numbers(16 * 32, 24);
  Matrix y(32, 32);
  for (std::size_t h = 0; h < 2; ++h) {
    for (std::size_t i = 0; i < 16; ++i) {
      for (std::size_t j = 0; j < 32; ++j) {
        const double turned = i < 8 ? -x[(h * 16 + i + 8) * 32 + j] : x[(h * 16 + i - 8) * 32 + j];
        y(h * 16 + i, j) =
            double{x[(h * 16 + i) * 32 + j]} * c[i * 32 + j] + turned * s[i * 32 + j];
      }
    }
  }
  Expect(p, {x, c, s}, {y});
}

// dP = dO V^T; dS = P (dP - sum(dP P)); dQ and dK from it.
TEST(Dialect, BackwardOfASoftmax) {
  Program p;
  const std::string map = "tensor<fp16, [1, 1, 32, 32]>", m = "tensor<fp16, [1, 1, 32, 16]>";
  p.text = std::string(kHeader) + "  func main<ios18>(" + m + " q, " + m + " k, " + m + " v, " + m +
           " d) {\n"
           "    bool f = const()[name = string(\"f\"), val = bool(false)];\n"
           "    bool t = const()[name = string(\"t\"), val = bool(true)];\n"
           "    " +
           map +
           " s = matmul(transpose_x = f, transpose_y = t, x = q, y = k)[name = string(\"s\")];\n"
           "    int32 ax = const()[name = string(\"ax\"), val = int32(-1)];\n"
           "    " +
           map +
           " pr = softmax(axis = ax, x = s)[name = string(\"pr\")];\n"
           "    " +
           map +
           " dp = matmul(transpose_x = f, transpose_y = t, x = d, y = v)[name = string(\"dp\")];\n"
           "    " +
           map +
           " pd = mul(x = pr, y = dp)[name = string(\"pd\")];\n"
           "    tensor<int32, [1]> rax = const()[name = string(\"rax\"), val = tensor<int32, "
           "[1]>([-1])];\n"
           "    tensor<fp16, [1, 1, 32, 1]> rs = reduce_sum(axes = rax, keep_dims = t, x = "
           "pd)[name = string(\"rs\")];\n"
           "    " +
           map +
           " df = sub(x = dp, y = rs)[name = string(\"df\")];\n"
           "    " +
           map +
           " ds = mul(x = pr, y = df)[name = string(\"ds\")];\n"
           "    " +
           m +
           " dq = matmul(transpose_x = f, transpose_y = f, x = ds, y = k)[name = string(\"dq\")];\n"
           "    " +
           m +
           " dk = matmul(transpose_x = t, transpose_y = f, x = ds, y = q)[name = string(\"dk\")];\n"
           "    " +
           m +
           " dv = matmul(transpose_x = t, transpose_y = f, x = pr, y = d)[name = string(\"dv\")];\n"
           "  } -> (dq, dk, dv);\n}\n";
  const Floats q = Numbers(512, 25), k = Numbers(512, 26), v = Numbers(512, 27),
               d = Numbers(512, 28);
  const Matrix qm(32, 16, q), km(32, 16, k), vm(32, 16, v), dm(32, 16, d);
  const Matrix pr = SoftmaxOfRows(Times(qm, Transposed(km)));
  Matrix ds = Times(dm, Transposed(vm));
  for (std::size_t i = 0; i < 32; ++i) {
    double sum = 0;
    for (std::size_t j = 0; j < 32; ++j) sum += pr(i, j) * ds(i, j);
    for (std::size_t j = 0; j < 32; ++j) ds(i, j) = pr(i, j) * (ds(i, j) - sum);
  }
  Expect(p, {q, k, v, d}, {Times(ds, km), Times(Transposed(ds), qm), Times(Transposed(pr), dm)},
         6e-3);
}

}  // namespace
}  // namespace attune::ane::testing
