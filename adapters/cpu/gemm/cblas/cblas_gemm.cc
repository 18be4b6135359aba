// Gemm by CBLAS: Accelerate on Apple, any other elsewhere. f32 only; nothing is
// packed, since the interface has no such notion.

#if defined(ATTUNE_GEMM_ACCELERATE)
#include <Accelerate/Accelerate.h>
#else
#include <cblas.h>
#endif

#include <cstring>

#include "cpu/gemm/gemm.h"

namespace attune::cpu {
namespace {

class CblasGemm final : public Gemm {
 public:
  explicit CblasGemm(const GemmSpec& spec) : spec_(spec) {}

  std::size_t scratch_bytes() const override { return 0; }
  // "Packed" is a dense copy in the stored order.
  std::size_t packed_b_bytes() const override {
    return static_cast<std::size_t>(spec_.n * spec_.k) * sizeof(float);
  }
  std::uint64_t packed_b_layout() const override {
    return static_cast<std::uint64_t>(spec_.transpose_b);
  }

  Status PackB(const void* b, void* packed) override {
    const std::int64_t rows = spec_.transpose_b ? spec_.n : spec_.k;
    const std::int64_t columns = spec_.transpose_b ? spec_.k : spec_.n;
    for (std::int64_t row = 0; row < rows; ++row) {
      std::memcpy(static_cast<float*>(packed) + row * columns,
                  static_cast<const float*>(b) + row * spec_.ldb,
                  static_cast<std::size_t>(columns) * sizeof(float));
    }
    return OkStatus();
  }

  void Run(const void* a, const void* b, float* c, std::byte*) override {
    const std::int64_t dense = spec_.transpose_b ? spec_.k : spec_.n;
    cblas_sgemm(CblasRowMajor, spec_.transpose_a ? CblasTrans : CblasNoTrans,
                spec_.transpose_b ? CblasTrans : CblasNoTrans, static_cast<int>(spec_.m),
                static_cast<int>(spec_.n), static_cast<int>(spec_.k), spec_.scale,
                static_cast<const float*>(a), static_cast<int>(spec_.lda),
                static_cast<const float*>(b), static_cast<int>(spec_.packed_b ? dense : spec_.ldb),
                spec_.accumulate ? 1.0f : 0.0f, c, static_cast<int>(spec_.ldc));
  }

 private:
  GemmSpec spec_;
};

}  // namespace

Result<std::unique_ptr<Gemm>> Gemm::Create(const GemmSpec& spec) {
  if (spec.dtype != DType::kF32) {
    return Unsupported("precision bf16: this build's GEMM library has f32 only; use precision f32");
  }
  return std::unique_ptr<Gemm>(std::make_unique<CblasGemm>(spec));
}

#if defined(ATTUNE_GEMM_ACCELERATE)
const char* GemmProvider() { return "accelerate"; }
#else
const char* GemmProvider() { return "cblas"; }
#endif
bool GemmHasBf16() { return false; }

// CBLAS has no portable switch for its threads; the products are small enough
// for one worker each.
SingleThreaded::SingleThreaded() = default;
SingleThreaded::~SingleThreaded() = default;

}  // namespace attune::cpu
