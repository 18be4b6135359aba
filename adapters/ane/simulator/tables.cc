#include "ane/simulator/tables.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace attune::ane {
namespace {

constexpr int kKnots = 33;
constexpr std::size_t kTables = 6;

// What the function is outside the knots.
enum class Outside : std::uint8_t { kClamped, kRectified };

struct Table {
  std::array<float, kKnots> x, y;
  Outside outside = Outside::kClamped;
  bool odd = false;  // Of |x|, with the sign of x.
};

double Sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double Gelu(double x) { return 0.5 * x * std::erfc(-x / std::sqrt(2.0)); }
double GeluTanh(double x) {
  constexpr double kSqrt2OverPi = 0.7978845608028654;
  return 0.5 * x * (1 + std::tanh(kSqrt2OverPi * (x + 0.044715 * x * x * x)));
}
double GeluSigmoid(double x) { return x * Sigmoid(1.702 * x); }
double Silu(double x) { return x * Sigmoid(x); }

// Knots from `low` over 0 to `high`, closer together about 0 the larger `power`
// is, and every value moved by `shift`.
template <typename F>
Table Build(F f, double low, double high, double power, double shift) {
  Table table;
  for (int i = 0; i < kKnots; ++i) {
    const double u = 2.0 * i / (kKnots - 1) - 1;
    const double x = (u < 0 ? low : high) * std::pow(std::abs(u), power);
    table.x[static_cast<std::size_t>(i)] = static_cast<float>(x);
    table.y[static_cast<std::size_t>(i)] = static_cast<float>(f(x) + shift);
  }
  return table;
}

Table BuildTanh() {
  Table table;
  constexpr double kLargest = 4.36;
  for (int i = 0; i < kKnots; ++i) {
    const double x = kLargest * i / (kKnots - 1);
    table.x[static_cast<std::size_t>(i)] = static_cast<float>(x);
    table.y[static_cast<std::size_t>(i)] = static_cast<float>(std::tanh(x));
  }
  table.odd = true;
  return table;
}

// gelu(0) is -0.000543 and silu(0) -0.001259 on the hardware.
std::array<Table, kTables> BuildAll() {
  std::array<Table, kTables> tables = {
      Build(Sigmoid, -9.938, 8.320, 1.22, 0),   BuildTanh(),
      Build(Gelu, -4.1, 4.1, 1, -0.000543),     Build(Silu, -8, 8, 1.2, -0.001259),
      Build(GeluTanh, -4.1, 4.1, 1, -0.000543), Build(GeluSigmoid, -4.1, 4.1, 1, -0.000543)};
  for (std::size_t i = 2; i < kTables; ++i) tables[i].outside = Outside::kRectified;
  return tables;
}

float Interpolate(const Table& table, float x) {
  const auto after = std::upper_bound(table.x.begin(), table.x.end(), x);
  if (after == table.x.begin()) {
    return table.outside == Outside::kClamped ? table.y.front() : 0.0f;
  }
  if (after == table.x.end()) {
    return table.outside == Outside::kClamped ? table.y.back() : x;
  }
  const auto i = static_cast<std::size_t>(after - table.x.begin());
  const float t = (x - table.x[i - 1]) / (table.x[i] - table.x[i - 1]);
  return table.y[i - 1] + t * (table.y[i] - table.y[i - 1]);
}

}  // namespace

float FromTable(Tabulated function, float x) {
  static const std::array<Table, kTables> kAll = BuildAll();
  const Table& table = kAll[static_cast<std::size_t>(function)];
  if (!table.odd) return Interpolate(table, x);
  return std::copysign(Interpolate(table, std::abs(x)), x);
}

}  // namespace attune::ane
