// How far one LoRA training step is from the bare matrix products in it.
//
//   step_bench [--batch 1] [--length 256] [--bf16] [--pack] [--rounds 7]
//              [--layers 12] [--workers 2] [--step-only]
//
// Model: Llama shape, width 768, 12 heads, hidden 2048, vocabulary 32000, tied,
// random f32 weights; r = 8 on every linear. The floor is the same products run
// bare by the same library with packed weights: linears and head forward and
// backward, attention as full score matrices, the rank-8 products. Step and
// floor alternate in one run; medians and their ratio are printed.

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "base/philox.h"
#include "base/strings.h"
#include "cpu/cpu_backend.h"
#include "cpu/product.h"
#include "graph/differentiate.h"
#include "graph/lora.h"
#include "graph/passes/passes.h"
#include "models/decoder.h"
#include "models/decoder_names.h"
#include "posix/thread_pool.h"

namespace attune {
namespace {

struct Options {
  std::int64_t batch = 1, length = 256, layers = 12;
  int rounds = 7, workers = ThreadPool::DefaultWorkers();
  bool bf16 = false, pack = false, step_only = false;
};

double Seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

[[noreturn]] void Die(const Status& status) {
  std::fprintf(stderr, "step_bench: %s\n", status.ToString().c_str());
  std::exit(1);
}
template <typename T>
T OrDie(Result<T> result) {
  if (!result.ok()) Die(result.status());
  return *std::move(result);
}
void OrDie(const Status& status) {
  if (!status.ok()) Die(status);
}

Tensor RandomTensor(DType dtype, Shape shape, float deviation, std::uint64_t seed) {
  Tensor tensor(DType::kF32, shape);
  Philox rng(seed);
  for (float& x : tensor.f32()) x = (rng.NextFloat() * 2 - 1) * deviation;
  if (dtype == DType::kF32) return tensor;
  Tensor narrow(dtype, shape);
  auto* out = reinterpret_cast<std::uint16_t*>(narrow.data());
  for (float x : tensor.f32()) {
    std::uint32_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    *out++ = static_cast<std::uint16_t>(bits >> 16);
  }
  return narrow;
}

DecoderConfig Shape110M(std::int64_t layers) {
  DecoderConfig config;
  config.vocabulary = 32000;
  config.hidden = 768;
  config.layers = layers;
  config.heads = config.kv_heads = 12;
  config.head_dim = 64;
  config.intermediate = 2048;
  config.max_positions = 1024;
  config.tied_embeddings = true;
  return config;
}

// --- The floor ---

class Floor {
 public:
  Floor(const Options& options, const DecoderConfig& config, Parallel& parallel)
      : options_(options), parallel_(parallel), dtype_(options.bf16 ? DType::kBf16 : DType::kF32) {
    const std::int64_t n = options.batch * options.length, c = config.hidden;
    for (std::int64_t layer = 0; layer < config.layers; ++layer) {
      for (auto [out, in] : {std::pair{c, c},
                             {c, c},
                             {c, c},
                             {c, c},
                             {config.intermediate, c},
                             {config.intermediate, c},
                             {c, config.intermediate}}) {
        AddWeight(n, out, in, &linears_);
        for (auto [m, nn, k] : {std::array{n, std::int64_t{8}, in},
                                {n, out, std::int64_t{8}},
                                {n, std::int64_t{8}, out},
                                {out, std::int64_t{8}, n},
                                {std::int64_t{8}, in, n},
                                {n, in, std::int64_t{8}}}) {
          Add(m, nn, k, &lora_);
        }
      }
      for (std::int64_t head = 0; head < config.heads * options.batch; ++head) {
        for (int i = 0; i < 3; ++i) Add(options.length, options.length, 64, &attention_);
        for (int i = 0; i < 3; ++i) Add(options.length, 64, options.length, &attention_);
      }
    }
    AddWeight(n, config.vocabulary, c, &linears_);
  }

  double linears() { return Time(linears_); }
  double attention() { return Time(attention_); }
  double lora() { return Time(lora_); }
  double gigaflops() const { return flops_ / 1e9; }

 private:
  using Products = std::vector<std::shared_ptr<cpu::Product>>;

  void AddWeight(std::int64_t n, std::int64_t out, std::int64_t in, Products* to) {
    for (bool backward : {false, true}) {
      cpu::ProductSpec spec{.m = n,
                            .n = backward ? in : out,
                            .k = backward ? out : in,
                            .transpose_b = !backward,
                            .compute = dtype_,
                            .b_stored = dtype_,
                            .packed_b = true};
      auto product = OrDie(cpu::Product::Create(spec, parallel_.workers()));
      const Tensor weight = RandomTensor(dtype_, {out, in}, 0.05f, 1);
      Tensor packed(DType::kF32, {static_cast<std::int64_t>(product->packed_bytes()) / 4});
      OrDie(product->Pack(weight.data(), packed.data()));
      Bind(product, spec, Keep(std::move(packed)));
      to->push_back(std::move(product));
    }
  }

  void Add(std::int64_t m, std::int64_t n, std::int64_t k, Products* to) {
    const DType dtype = to == &lora_ ? DType::kF32 : dtype_;
    cpu::ProductSpec spec{.m = m, .n = n, .k = k, .compute = dtype, .b_stored = dtype};
    auto product = OrDie(cpu::Product::Create(spec, parallel_.workers()));
    Bind(product, spec, Shared(dtype, 2, k * n));
    to->push_back(std::move(product));
  }

  void Bind(const std::shared_ptr<cpu::Product>& product, const cpu::ProductSpec& spec,
            const std::byte* b) {
    product->set_a(Shared(spec.compute, 0, spec.m * spec.k));
    product->set_b(b);
    product->set_c(reinterpret_cast<float*>(Shared(DType::kF32, 1, spec.m * spec.n)));
    scratch_bytes_ = std::max(scratch_bytes_, product->scratch_bytes());
    flops_ += 2.0 * static_cast<double>(spec.m * spec.n * spec.k);
  }

  // Activations of one kind share memory, as they would stay in the cache.
  std::byte* Shared(DType dtype, int kind, std::int64_t elements) {
    Tensor& tensor = shared_[{kind, dtype, elements}];
    if (tensor.data() == nullptr) tensor = RandomTensor(dtype, {elements}, 1.0f, 3);
    return tensor.data();
  }
  std::byte* Keep(Tensor tensor) {
    kept_.push_back(std::move(tensor));
    return kept_.back().data();
  }

  double Time(const Products& products) {
    Tensor scratch(DType::kF32,
                   {parallel_.workers() * (static_cast<std::int64_t>(scratch_bytes_) / 4 + 64)});
    const auto stride = (scratch_bytes_ / 64 + 1) * 64;
    const double begin = Seconds();
    parallel_.Run([&](int index) {
      const cpu::SingleThreaded scope;
      const cpu::Worker worker{index,
                               parallel_.workers(),
                               {scratch.data() + static_cast<std::size_t>(index) * stride, stride},
                               &parallel_};
      for (const auto& product : products) product->Run(worker);
    });
    return Seconds() - begin;
  }

  const Options& options_;
  Parallel& parallel_;
  DType dtype_;
  Products linears_, attention_, lora_;
  std::map<std::tuple<int, DType, std::int64_t>, Tensor> shared_;
  std::vector<Tensor> kept_;
  std::size_t scratch_bytes_ = 0;
  double flops_ = 0;
};

// --- The step ---

struct Step {
  std::map<std::string, Tensor> weights, trainables;
  FrozenParameters frozen;
  std::unique_ptr<Executable> executable;
};

Step MakeStep(const Options& options, const DecoderConfig& config, Backend& backend) {
  Step step;
  for (const ParameterSpec& spec : DecoderParameters(config)) {
    const DType dtype = options.bf16 && !spec.is_vector() ? DType::kBf16 : DType::kF32;
    step.weights[spec.name] = RandomTensor(dtype, spec.shape, 0.05f, 7);
    step.frozen[spec.name] = step.weights[spec.name].view();
  }
  Graph graph = OrDie(
      BuildLossGraph(config, step.frozen, {.batch = options.batch, .length = options.length}));
  LoraSpec lora;
  for (const std::string& module : LinearModules(graph)) lora.modules.push_back({module, 8, 2.0f});
  const auto branches = OrDie(InjectLora(&graph, lora));
  const ValueId seed = graph.AddInput("loss_scale", {DType::kF32, {1}});
  std::vector<ValueId> wrt;
  for (const LoraBranch& branch : branches) wrt.insert(wrt.end(), {branch.a, branch.b});
  const auto gradients = OrDie(Differentiate(&graph, *graph.FindOutput("loss"), seed, wrt));
  for (std::size_t i = 0; i < wrt.size(); ++i) {
    const std::string name = graph.value(wrt[i]).name;
    graph.AddOutput("grad." + name, gradients[i]);
    step.trainables[name] = RandomTensor(DType::kF32, graph.shape(wrt[i]), 0.02f, 11 + i);
  }
  Optimize(&graph);
  step.executable =
      OrDie(backend.Compile(graph, step.frozen,
                            {.precision = options.bf16 ? Precision::kBf16 : Precision::kF32,
                             .pack_weights = options.pack}));
  for (auto& [name, tensor] : step.trainables) {
    OrDie(step.executable->Bind(name, {tensor.data(), static_cast<std::size_t>(tensor.bytes())}));
  }
  const std::int64_t n = options.batch * options.length;
  Philox rng(5);
  auto ids = AsI32(OrDie(step.executable->Input("ids")));
  auto labels = AsI32(OrDie(step.executable->Input("labels")));
  auto positions = AsI32(OrDie(step.executable->Input("positions")));
  auto weights = AsF32(OrDie(step.executable->Input("weights")));
  for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
    ids[i] = static_cast<std::int32_t>(rng.NextBelow(32000));
    labels[i] = static_cast<std::int32_t>(rng.NextBelow(32000));
    positions[i] = static_cast<std::int32_t>(i % static_cast<std::size_t>(options.length));
    weights[i] = 1.0f / static_cast<float>(n);
  }
  AsF32(OrDie(step.executable->Input("loss_scale")))[0] = 1.0f;
  return step;
}

Options Parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    const auto number = [&] { return i + 1 < argc ? std::atoll(argv[++i]) : 0; };
    if (flag == "--batch")
      options.batch = number();
    else if (flag == "--length")
      options.length = number();
    else if (flag == "--layers")
      options.layers = number();
    else if (flag == "--workers")
      options.workers = static_cast<int>(number());
    else if (flag == "--rounds")
      options.rounds = static_cast<int>(number());
    else if (flag == "--bf16")
      options.bf16 = true;
    else if (flag == "--pack")
      options.pack = true;
    else if (flag == "--step-only")
      options.step_only = true;
    else
      Die(InvalidArgument(StrCat("unknown option ", flag)));
  }
  return options;
}

int Main(int argc, char** argv) {
  const Options options = Parse(argc, argv);
  const DecoderConfig config = Shape110M(options.layers);
  ThreadPool pool(options.workers);
  const auto backend = MakeCpuBackend(pool);
  Step step = MakeStep(options, config, *backend);
  Floor floor(options, config, pool);
  std::vector<double> steps, linears, attentions, loras;
  for (int round = -1; round < options.rounds; ++round) {
    const double begin = Seconds();
    OrDie(step.executable->Run());
    const double took = Seconds() - begin;
    if (round >= 0) steps.push_back(took);  // Round -1 warms up.
    if (options.step_only) continue;
    const double a = floor.linears(), b = floor.attention(), c = floor.lora();
    if (round < 0) continue;
    linears.push_back(a);
    attentions.push_back(b);
    loras.push_back(c);
  }
  const auto loss = OrDie(step.executable->Output("loss"));
  std::printf("%s, %d workers, batch %lld, length %lld, %s%s, %.1f GFLOP\n", CpuGemmProvider(),
              pool.workers(), static_cast<long long>(options.batch),
              static_cast<long long>(options.length), options.bf16 ? "bf16" : "f32",
              options.pack ? ", packed" : "", floor.gigaflops());
  std::printf("loss %.5f, arena %.1f MiB, private %.1f MiB\n", static_cast<double>(loss.f32()[0]),
              static_cast<double>(step.executable->memory().arena_bytes) / 1048576,
              static_cast<double>(step.executable->memory().private_bytes()) / 1048576);
  std::printf("step  %8.1f ms (min %.1f, max %.1f)\n", Median(steps) * 1e3,
              *std::min_element(steps.begin(), steps.end()) * 1e3,
              *std::max_element(steps.begin(), steps.end()) * 1e3);
  if (options.step_only) return 0;
  const double total = Median(linears) + Median(attentions) + Median(loras);
  std::printf("floor %8.1f ms = linears and head %.1f + attention %.1f + rank-8 %.1f\n",
              total * 1e3, Median(linears) * 1e3, Median(attentions) * 1e3, Median(loras) * 1e3);
  std::printf("ratio %8.3f\n", Median(steps) / total);
  return 0;
}

}  // namespace
}  // namespace attune

int main(int argc, char** argv) { return attune::Main(argc, argv); }
