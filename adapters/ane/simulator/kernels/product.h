// Products of matrices as the multiply-accumulate units compute them:
//
//   C[i, j] = sum over k, in order, of A[i, k] * B[k, j]
//
// with every product flushed or rounded and every partial sum saturated as the
// rules say. Operands are packed into panels first; sums are kept in f32.

#pragma once

#include <cstdint>

namespace attune::ane {

struct MacRules {
  bool half = true;  // False: plain f32; nothing below applies.
  bool round_products = false;
  bool round_tiles = false;
  float smallest_product = 0;
  float saturation = 32768;
  float saturated = 0;  // Signed infinity or 0.
};

// Element (row, column) at data[row * row_stride + column * column_stride].
struct Strided {
  const float* data = nullptr;
  std::int64_t row_stride = 0;
  std::int64_t column_stride = 1;
};

// Rows of A and columns of B are packed by panels of so many, padded with zeros.
std::int64_t LeftPanels(std::int64_t m);
std::int64_t RightPanels(std::int64_t n);
// Elements that all panels take, the bounds of each among them.
std::int64_t PackedLeft(std::int64_t m, std::int64_t k);
std::int64_t PackedRight(std::int64_t n, std::int64_t k);

// Packs the panels [begin, end) of A[m, k], or of B[k, n].
void PackLeft(const Strided& a, std::int64_t m, std::int64_t k, std::int64_t begin,
              std::int64_t end, float* packed);
void PackRight(const Strided& b, std::int64_t n, std::int64_t k, std::int64_t begin,
               std::int64_t end, float* packed);

struct ProductArgs {
  const float* left = nullptr;   // Packed.
  const float* right = nullptr;  // Packed.
  float* c = nullptr;            // Rows of c_stride.
  std::int64_t c_stride = 0;
  std::int64_t m = 0, n = 0, k = 0;
  MacRules rules;
};

// The tiles [begin, end) of LeftPanels(m) * RightPanels(n), left panels innermost.
void MultiplyTiles(const ProductArgs& args, std::int64_t begin, std::int64_t end);

}  // namespace attune::ane
