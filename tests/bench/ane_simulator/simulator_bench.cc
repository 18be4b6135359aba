// What the simulator's steps cost: products as each chip computes them, and the chain
// of ops about the scores of attention, at the shapes of the keyboard sample (six
// heads, 512 tokens, width 192).
//
//   simulator_bench [--workers N]
//
// Prints Markdown; a figure is the best of several runs.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "ane/mil/parse.h"
#include "ane/simulator/executor.h"
#include "base/strings.h"
#include "posix/thread_pool.h"

namespace attune::ane {
namespace {

constexpr int kRounds = 7;

template <typename T>
T OrDie(Result<T> result) {
  if (result.ok()) return *std::move(result);
  std::fprintf(stderr, "simulator_bench: %s\n", result.status().message().c_str());
  std::exit(2);
}

std::string Main(const std::string& parameters, const std::string& body,
                 const std::string& results) {
  return StrCat("program(1.3) { func main<ios18>(", parameters, ") {\n", body, "} -> (", results,
                "); }");
}

// Seconds of one run.
double Measure(const std::string& text, const Numerics& numerics, Parallel* parallel,
               Work* work = nullptr) {
  const mil::Program program = OrDie(mil::Parse(text));
  const auto executor = OrDie(Executor::Create(program, "main", {}, numerics, parallel));
  std::vector<std::vector<float>> inputs, outputs;
  std::uint32_t seed = 1;
  for (const mil::Output& parameter : executor->parameters()) {
    std::vector<float>& values = inputs.emplace_back();
    for (std::int64_t i = 0; i < parameter.type.elements(); ++i) {
      seed = seed * 1664525 + 1013904223;
      values.push_back(static_cast<float>(seed >> 20) / 4096.0f - 0.5f);
    }
  }
  for (const mil::Output& result : executor->results()) {
    outputs.emplace_back(static_cast<std::size_t>(result.type.elements()));
  }
  const std::vector<std::span<const float>> in(inputs.begin(), inputs.end());
  const std::vector<std::span<float>> out(outputs.begin(), outputs.end());
  double best = 1e9;
  for (int round = 0; round < kRounds; ++round) {
    const auto start = std::chrono::steady_clock::now();
    if (!executor->Run(in, out).ok()) std::exit(2);
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    best = std::min(best, taken.count());
  }
  if (work != nullptr) *work = executor->work();
  return best;
}

void PrintProducts(Parallel* parallel) {
  struct Shape {
    int m, n, k;
  };
  constexpr Shape kShapes[] = {{512, 512, 192}, {192, 512, 512}, {4096, 512, 192}, {512, 512, 32}};
  struct Profile {
    const char* name;
    Numerics numerics;
  };
  const Profile profiles[] = {{"exact f32", ExactNumerics()},
                              {"m1", NumericsOf(Chip::kM1)},
                              {"m3-ultra", NumericsOf(Chip::kM3Ultra)},
                              {"m4", NumericsOf(Chip::kM4)},
                              {"m5", NumericsOf(Chip::kM5)}};
  std::printf(
      "| product, GFLOP/s | exact f32 | m1 | m3-ultra | m4 | m5 |\n|---|---|---|---|---|---|\n");
  for (const Shape& s : kShapes) {
    std::printf("| %d x %d x %d |", s.m, s.n, s.k);
    for (const Profile& profile : profiles) {
      const std::string text = Main(
          StrCat("tensor<fp16, [", s.m, ",", s.k, "]> a, tensor<fp16, [", s.k, ",", s.n, "]> b"),
          StrCat("tensor<fp16, [", s.m, ",", s.n, "]> y = matmul(x = a, y = b);\n"), "y");
      Work work;
      const double seconds = Measure(text, profile.numerics, parallel, &work);
      std::printf(" %.1f |", work.matrix_flops / seconds * 1e-9);
    }
    std::printf("\n");
  }
}

// Nanoseconds an element of one op on the scores, by repeating it.
void PrintOps(Parallel* parallel) {
  const char* kOps[] = {"add(x = p, y = s)",
                        "mul(x = p, y = fp16(0.5))",
                        "sub(x = p, y = r)",
                        "exp(x = p)",
                        "real_div(x = p, y = s)",
                        "maximum(x = p, y = s)",
                        "softmax(axis = int32(-1), x = p)",
                        "sigmoid(x = p)",
                        "transpose(perm = tensor<int32, [4]>([0,1,3,2]), x = p)"};
  constexpr int kRepeats = 8;
  const std::string scores = "tensor<fp16, [1,6,512,512]>";
  std::printf("\n| op on [1, 6, 512, 512], m4 | ms |\n|---|---|\n");
  for (const char* op : kOps) {
    std::string body = scores + " v0 = identity(x = s);\n";
    for (int i = 0; i < kRepeats; ++i) {
      std::string step = op;
      step.replace(step.find("= p"), 3, StrCat("= v", i));
      body += StrCat(scores, " v", i + 1, " = ", step, ";\n");
    }
    const std::string text =
        Main(scores + " s, tensor<fp16, [1,6,512,1]> r", body, StrCat("v", kRepeats));
    const std::string nothing =
        Main(scores + " s, tensor<fp16, [1,6,512,1]> r", scores + " v0 = identity(x = s);\n", "v0");
    const Numerics numerics = NumericsOf(Chip::kM4);
    const double seconds = Measure(text, numerics, parallel) - Measure(nothing, numerics, parallel);
    std::printf("| %s | %.2f |\n", std::string(op).substr(0, std::string(op).find('(')).c_str(),
                seconds / kRepeats * 1e3);
  }
  std::printf("\n| reduction of [1, 6, 512, 512], m4 | ms |\n|---|---|\n");
  for (const char* op : {"reduce_sum", "reduce_max", "reduce_mean"}) {
    const auto text = [&](const std::string& axis) {
      const std::string out = axis == "-1" ? "[1,6,512,1]" : "[1,6,1,512]";
      return Main(scores + " s",
                  StrCat("tensor<fp16, ", out, "> y = ", op, "(axes = tensor<int32, [1]>([", axis,
                         "]), keep_dims = bool(true), x = s);\n"),
                  "y");
    };
    std::printf("| %s over the last axis, over the third | %.2f, %.2f |\n", op,
                Measure(text("-1"), NumericsOf(Chip::kM4), parallel) * 1e3,
                Measure(text("2"), NumericsOf(Chip::kM4), parallel) * 1e3);
  }
}

}  // namespace
}  // namespace attune::ane

int main(int argc, char** argv) {
  int workers = attune::ThreadPool::DefaultWorkers();
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::string(argv[i]) == "--workers") workers = std::atoi(argv[i + 1]);
  }
  attune::ThreadPool pool(workers);
  std::printf("%d workers\n\n", pool.workers());
  attune::ane::PrintProducts(&pool);
  attune::ane::PrintOps(&pool);
  return 0;
}
