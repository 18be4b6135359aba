#include "train/canary.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/check.h"
#include "base/philox.h"

namespace attune {
namespace {

constexpr int kDigits = 9;

std::string MakeCanary(Philox* random) {
  std::string text = "the number is";
  for (int i = 0; i < kDigits; ++i) {
    if (i % 3 == 0) text += ' ';
    text += static_cast<char>('0' + random->NextBelow(10));
  }
  return text;
}

}  // namespace

Canaries MakeCanaries(std::uint64_t seed, int planted, int others) {
  Philox random(seed, /*stream=*/0xCA9A);
  std::set<std::string> seen;
  const auto next = [&] {
    std::string text = MakeCanary(&random);
    while (!seen.insert(text).second) text = MakeCanary(&random);
    return text;
  };
  Canaries canaries;
  for (int i = 0; i < planted; ++i) canaries.planted.push_back(next());
  for (int i = 0; i < others; ++i) canaries.others.push_back(next());
  return canaries;
}

double ExposureOf(double gain, std::span<const double> others) {
  ATTUNE_CHECK(!others.empty());
  const auto ahead =
      std::count_if(others.begin(), others.end(), [gain](double other) { return other >= gain; });
  return std::log2(static_cast<double>(others.size() + 1)) -
         std::log2(static_cast<double>(ahead + 1));
}

}  // namespace attune
