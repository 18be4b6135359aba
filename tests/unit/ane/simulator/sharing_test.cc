// Buffers that several values share: views of each other, and results in the place of
// operands.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "support/status_matchers.h"
#include "unit/ane/simulator/mil_program.h"

namespace attune::ane::testing {
namespace {

using Extents = std::vector<std::int64_t>;

std::string Type(const Extents& dims) { return StrCat("tensor<fp32, [", StrJoin(dims, ","), "]>"); }
std::string Ints(const Extents& numbers) {
  return StrCat("tensor<int32, [", numbers.size(), "]>([", StrJoin(numbers, ","), "])");
}

// t[1,2,1,4] = x + x, a = its first channel.
std::string WithAView(const std::string& last) {
  return Main(Type({1, 2, 1, 4}) + " x, " + Type({1, 2, 1, 1}) + " w",
              Type({1, 2, 1, 4}) + " t = add(x = x, y = x);\n" + Type({1, 1, 1, 4}) +
                  " a = slice_by_size(x = t, begin = " + Ints({0, 0, 0, 0}) + ", size = " +
                  Ints({1, 1, 1, 4}) + ");\n" + Type({1, 2, 1, 4}) + " y = " + last + ";",
              "y");
}

TEST(Sharing, AResultDoesNotOverwriteTheViewThatItSpreads) {
  const std::vector<Floats> in = {{1, 2, 3, 4, 5, 6, 7, 8}, {3, 5}};
  ASSERT_OK_AND_ASSIGN(const auto scaled, RunMil(WithAView("mul(x = a, y = w)"), in));
  EXPECT_EQ(scaled[0], Floats({6, 12, 18, 24, 10, 20, 30, 40}));
  ASSERT_OK_AND_ASSIGN(const auto sum, RunMil(WithAView("add(x = t, y = a)"), in));
  EXPECT_EQ(sum[0], Floats({4, 8, 12, 16, 12, 16, 20, 24}));
}

// Values of a random program and their numbers by plain loops.
class Chain {
 public:
  explicit Chain(std::uint32_t seed) : random_(seed) {
    for (int i = 0; i < 2; ++i) {
      const Extents dims = {1, Pick(1, 4), Pick(1, 3), Pick(1, 9)};
      const std::int64_t n = dims[1] * dims[2] * dims[3];
      inputs_.push_back(Numbers(n, random_()));
      values_.push_back({StrCat("p", i), dims, inputs_.back()});
      parameters_ += StrCat(i == 0 ? "" : ", ", Type(dims), " p", i);
    }
    for (int i = 0; i < 24; ++i) AddOne();
  }

  const std::vector<Floats>& inputs() const { return inputs_; }
  const Floats& expected() const { return values_.back().numbers; }
  std::string text() const { return Main(parameters_, body_, values_.back().name); }

 private:
  struct Known {
    std::string name;
    Extents dims;
    Floats numbers;
  };

  std::int64_t Pick(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(random_() % static_cast<std::uint32_t>(high - low + 1));
  }
  // Of the last few, so that lives end while the program goes on.
  const Known& Recent() {
    const auto n = static_cast<std::int64_t>(values_.size());
    return values_[static_cast<std::size_t>(Pick(std::max<std::int64_t>(0, n - 5), n - 1))];
  }

  void Add(const Extents& dims, const std::string& expression, Floats numbers) {
    const std::string name = StrCat("v", values_.size());
    body_ += StrCat(Type(dims), " ", name, " = ", expression, ";\n");
    values_.push_back({name, dims, std::move(numbers)});
  }

  void AddOne() {
    switch (Pick(0, 3)) {
      case 0:
        return AddSlice();
      case 1:
        return AddReshape();
      default:
        return AddBinary();
    }
  }

  void AddSlice() {
    const Known x = Recent();
    Extents begin, size;
    for (const std::int64_t extent : x.dims) {
      begin.push_back(Pick(0, 1) == 0 ? 0 : Pick(0, extent - 1));
      size.push_back(Pick(1, extent - begin.back()));
    }
    Floats out;
    for (std::int64_t c = 0; c < size[1]; ++c) {
      for (std::int64_t h = 0; h < size[2]; ++h) {
        for (std::int64_t w = 0; w < size[3]; ++w) {
          out.push_back(At(x, begin[1] + c, begin[2] + h, begin[3] + w));
        }
      }
    }
    Add(size,
        StrCat("slice_by_size(x = ", x.name, ", begin = ", Ints(begin), ", size = ", Ints(size),
               ")"),
        std::move(out));
  }

  void AddReshape() {
    const Known x = Recent();
    const auto n = static_cast<std::int64_t>(x.numbers.size());
    std::int64_t width = Pick(1, n);
    while (n % width != 0) --width;
    std::int64_t height = Pick(1, n / width);
    while (n / width % height != 0) --height;
    const Extents dims = {1, n / width / height, height, width};
    Add(dims, StrCat("reshape(x = ", x.name, ", shape = ", Ints(dims), ")"), x.numbers);
  }

  void AddBinary() {
    const Known a = Recent();
    Known b = Recent();
    Extents dims = {1, 1, 1, 1};
    for (std::size_t i = 1; i < 4; ++i) {
      if (a.dims[i] != b.dims[i] && a.dims[i] != 1 && b.dims[i] != 1) return AddSlice();
      dims[i] = std::max(a.dims[i], b.dims[i]);
    }
    const int op = static_cast<int>(Pick(0, 2));
    Floats out;
    for (std::int64_t c = 0; c < dims[1]; ++c) {
      for (std::int64_t h = 0; h < dims[2]; ++h) {
        for (std::int64_t w = 0; w < dims[3]; ++w) {
          const float x = At(a, c, h, w), y = At(b, c, h, w);
          out.push_back(op == 0 ? x + y : op == 1 ? x - y : std::max(x, y));
        }
      }
    }
    constexpr const char* kNames[] = {"add", "sub", "maximum"};
    Add(dims, StrCat(kNames[op], "(x = ", a.name, ", y = ", b.name, ")"), std::move(out));
  }

  // Axes of extent 1 are spread.
  static float At(const Known& x, std::int64_t c, std::int64_t h, std::int64_t w) {
    const auto in = [&](std::size_t axis, std::int64_t i) { return x.dims[axis] == 1 ? 0 : i; };
    return x.numbers[static_cast<std::size_t>((in(1, c) * x.dims[2] + in(2, h)) * x.dims[3] +
                                              in(3, w))];
  }

  std::mt19937 random_;
  std::vector<Floats> inputs_;
  std::vector<Known> values_;
  std::string parameters_, body_;
};

TEST(Sharing, ChainsOfViewsAndSumsAreThoseOfPlainLoops) {
  for (std::uint32_t seed = 0; seed < 2000; ++seed) {
    const Chain chain(seed);
    ASSERT_OK_AND_ASSIGN(const auto out, RunMil(chain.text(), chain.inputs()));
    ASSERT_EQ(out[0], chain.expected()) << "seed " << seed << "\n" << chain.text();
  }
}

}  // namespace
}  // namespace attune::ane::testing
