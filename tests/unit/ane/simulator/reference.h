// The few functions that the programs of the dialect tests are checked with, in double
// and with plain loops.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <vector>

#include "unit/ane/simulator/mil_program.h"

namespace attune::ane::testing {

// Rows by columns.
struct Matrix {
  std::size_t rows = 0, columns = 0;
  std::vector<double> values;

  Matrix(std::size_t r, std::size_t c) : rows(r), columns(c), values(r * c) {}
  Matrix(std::size_t r, std::size_t c, const Floats& from)
      : rows(r), columns(c), values(from.begin(), from.end()) {}
  double& operator()(std::size_t i, std::size_t j) { return values[i * columns + j]; }
  double operator()(std::size_t i, std::size_t j) const { return values[i * columns + j]; }
};

inline Matrix Transposed(const Matrix& a) {
  Matrix t(a.columns, a.rows);
  for (std::size_t i = 0; i < a.rows; ++i) {
    for (std::size_t j = 0; j < a.columns; ++j) t(j, i) = a(i, j);
  }
  return t;
}

inline Matrix Times(const Matrix& a, const Matrix& b) {
  Matrix c(a.rows, b.columns);
  for (std::size_t i = 0; i < a.rows; ++i) {
    for (std::size_t j = 0; j < b.columns; ++j) {
      for (std::size_t k = 0; k < a.columns; ++k) c(i, j) += a(i, k) * b(k, j);
    }
  }
  return c;
}

inline Matrix Map(Matrix a, const std::function<double(double)>& f) {
  for (double& x : a.values) x = f(x);
  return a;
}

inline Matrix Zip(Matrix a, const Matrix& b, const std::function<double(double, double)>& f) {
  for (std::size_t i = 0; i < a.values.size(); ++i) a.values[i] = f(a.values[i], b.values[i]);
  return a;
}

inline Matrix Plus(const Matrix& a, const Matrix& b) {
  return Zip(a, b, [](double x, double y) { return x + y; });
}

// Rows [begin, begin + count).
inline Matrix RowsOf(const Matrix& a, std::size_t begin, std::size_t count) {
  Matrix out(count, a.columns);
  std::copy_n(a.values.begin() + static_cast<std::ptrdiff_t>(begin * a.columns), count * a.columns,
              out.values.begin());
  return out;
}

inline Matrix SoftmaxOfRows(Matrix a) {
  for (std::size_t i = 0; i < a.rows; ++i) {
    double sum = 0;
    for (std::size_t j = 0; j < a.columns; ++j) sum += std::exp(a(i, j));
    for (std::size_t j = 0; j < a.columns; ++j) a(i, j) = std::exp(a(i, j)) / sum;
  }
  return a;
}

// Attention of one head, all [width, tokens]; later keys count nothing.
inline Matrix CausalAttention(const Matrix& q, const Matrix& k, const Matrix& v) {
  Matrix scores = Times(Transposed(q), k);
  const double scale = 1 / std::sqrt(static_cast<double>(q.rows));
  for (std::size_t i = 0; i < scores.rows; ++i) {
    for (std::size_t j = 0; j < scores.columns; ++j) {
      scores(i, j) = j > i ? -1e9 : scores(i, j) * scale;
    }
  }
  return Times(v, Transposed(SoftmaxOfRows(scores)));
}

// Columns divided by their root mean square, times gamma.
inline Matrix RmsNorm(Matrix x, const Floats& gamma, double epsilon) {
  for (std::size_t j = 0; j < x.columns; ++j) {
    double squares = 0;
    for (std::size_t i = 0; i < x.rows; ++i) squares += x(i, j) * x(i, j);
    const double scale = 1 / std::sqrt(squares / static_cast<double>(x.rows) + epsilon);
    for (std::size_t i = 0; i < x.rows; ++i) x(i, j) *= scale * gamma[i];
  }
  return x;
}

// How far `got` is from `expected`, against the largest of those.
inline double ErrorOf(const Floats& got, const Matrix& expected) {
  if (got.size() != expected.values.size()) return 1e9;
  double largest = 1e-9, error = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    largest = std::max(largest, std::abs(expected.values[i]));
    error = std::max(error, std::abs(got[i] - expected.values[i]));
    if (!(std::abs(got[i]) < 1e30)) return 1e9;
  }
  return error / largest;
}

}  // namespace attune::ane::testing
