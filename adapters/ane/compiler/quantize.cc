// Weights in fewer bits, row by row.

#include <algorithm>
#include <array>
#include <cmath>

#include "ane/compiler/weight_data.h"
#include "base/half.h"
#include "base/strings.h"

namespace attune::ane {
namespace {

constexpr std::size_t kColours = static_cast<std::size_t>(kPaletteColours);
using Palette = std::array<float, kColours>;

Result<std::vector<float>> NumbersOf(const Weight& weight) {
  std::vector<float> numbers(static_cast<std::size_t>(Elements(weight.dims)));
  const std::span<std::byte> bytes = std::as_writable_bytes(std::span(numbers));
  ATTUNE_RETURN_IF_ERROR(FillElements(weight, ElementType::kF32, bytes));
  return numbers;
}

float InElement(float number, ElementType element) {
  return element == ElementType::kF32 ? number : F32FromF16(F16FromF32(number));
}

Status Beyond(const Weight& weight, float number) {
  return InvalidArgument(
      StrCat("weight ", weight.name, ": ", number, " is beyond fp16, which ends at 65504"));
}

// The first number that is nearer to the next colour than to this one.
std::size_t EndOf(const std::vector<float>& sorted, const Palette& palette, std::size_t colour) {
  if (colour + 1 == kColours) return sorted.size();
  const float middle = (palette[colour] + palette[colour + 1]) / 2;
  return static_cast<std::size_t>(std::ranges::lower_bound(sorted, middle) - sorted.begin());
}

// One-dimensional least squares; colours stay in ascending order.
Palette PaletteOf(const std::vector<float>& sorted) {
  constexpr int kRounds = 60;  // Within 2 % of the least error for normal numbers.
  Palette palette;
  for (std::size_t c = 0; c < kColours; ++c) {
    palette[c] = sorted[(2 * c + 1) * sorted.size() / (2 * kColours)];
  }
  std::vector<double> sums(sorted.size() + 1, 0);
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    sums[i + 1] = sums[i] + static_cast<double>(sorted[i]);
  }
  for (int round = 0; round < kRounds; ++round) {
    const Palette before = palette;
    std::size_t begin = 0;
    for (std::size_t c = 0; c < kColours; ++c) {
      const std::size_t end = std::max(begin, EndOf(sorted, before, c));
      if (end > begin) {
        palette[c] =
            static_cast<float>((sums[end] - sums[begin]) / static_cast<double>(end - begin));
      }
      begin = end;
    }
    if (palette == before) break;
  }
  return palette;
}

std::size_t NearestColour(const Palette& palette, float number) {
  std::size_t best = 0;
  for (std::size_t c = 1; c < kColours; ++c) {
    if (std::abs(palette[c] - number) < std::abs(palette[best] - number)) best = c;
  }
  return best;
}

}  // namespace

Result<Int8Weight> QuantizeRows(const Weight& weight, ElementType element) {
  ATTUNE_ASSIGN_OR_RETURN(const std::vector<float> numbers, NumbersOf(weight));
  const auto rows = static_cast<std::size_t>(RowsOf(weight));
  const std::size_t columns = numbers.size() / rows;
  Int8Weight out{std::vector<std::int8_t>(numbers.size()), std::vector<float>(rows, 1.0f)};
  for (std::size_t row = 0; row < rows; ++row) {
    const float* from = numbers.data() + row * columns;
    float largest = 0;
    for (std::size_t i = 0; i < columns; ++i) largest = std::max(largest, std::abs(from[i]));
    const float scale = InElement(largest / 127.0f, element);
    if (!std::isfinite(scale)) return Beyond(weight, largest);
    if (scale == 0) continue;  // Also rows whose scale fp16 cannot hold: they are zeros to it.
    out.scales[row] = scale;
    for (std::size_t i = 0; i < columns; ++i) {
      const float integer = std::nearbyint(std::clamp(from[i] / scale, -127.0f, 127.0f));
      out.data[row * columns + i] = static_cast<std::int8_t>(integer);
    }
  }
  return out;
}

Result<PaletteWeight> PaletteRows(const Weight& weight, ElementType element) {
  ATTUNE_ASSIGN_OR_RETURN(const std::vector<float> numbers, NumbersOf(weight));
  const auto rows = static_cast<std::size_t>(RowsOf(weight));
  const std::size_t columns = numbers.size() / rows;
  PaletteWeight out;
  out.indices.resize((numbers.size() + 1) / 2);
  for (std::size_t row = 0; row < rows; ++row) {
    const std::span<const float> of_row = std::span(numbers).subspan(row * columns, columns);
    std::vector<float> sorted(of_row.begin(), of_row.end());
    std::ranges::sort(sorted);
    Palette palette = PaletteOf(sorted);
    for (float& colour : palette) {
      colour = InElement(colour, element);
      if (!std::isfinite(colour)) return Beyond(weight, sorted.back());
    }
    out.palettes.insert(out.palettes.end(), palette.begin(), palette.end());
    for (std::size_t i = 0; i < columns; ++i) {
      const std::size_t at = row * columns + i;
      const auto index = static_cast<unsigned>(NearestColour(palette, of_row[i]));
      out.indices[at / 2] |= static_cast<std::byte>(index << (at % 2 * 4));
    }
  }
  return out;
}

}  // namespace attune::ane
