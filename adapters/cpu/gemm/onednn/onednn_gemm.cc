// Gemm by oneDNN's matmul primitive. Each worker owns its primitives and runs
// them without OpenMP threads; scratch memory is ours, so that the memory plan
// knows all of it.

#include <dnnl.h>
#include <omp.h>

#include <cstring>
#include <map>
#include <mutex>
#include <string>

#include "base/check.h"
#include "base/strings.h"
#include "cpu/gemm/gemm.h"

namespace attune::cpu {
namespace {

// The process's CPU engine and stream, for all workers: running a primitive on
// a CPU stream leaves no state in it.
dnnl_engine_t Engine() {
  static dnnl_engine_t engine = [] {
    dnnl_engine_t made = nullptr;
    ATTUNE_CHECK(dnnl_engine_create(&made, dnnl_cpu, 0) == dnnl_success);
    return made;
  }();
  return engine;
}

dnnl_stream_t Stream() {
  static dnnl_stream_t stream = [] {
    dnnl_stream_t made = nullptr;
    ATTUNE_CHECK(dnnl_stream_create(&made, Engine(), dnnl_stream_default_flags) == dnnl_success);
    return made;
  }();
  return stream;
}

dnnl_data_type_t DataType(DType dtype) { return dtype == DType::kBf16 ? dnnl_bf16 : dnnl_f32; }

dnnl_memory_desc_t Matrix(std::int64_t rows, std::int64_t columns, std::int64_t stride,
                          bool transposed, DType dtype) {
  const dnnl_dims_t dims = {rows, columns};
  dnnl_dims_t strides = {stride, 1};
  if (transposed) {
    strides[0] = 1;
    strides[1] = stride;
  }
  dnnl_memory_desc_t desc;
  ATTUNE_CHECK(dnnl_memory_desc_init_by_strides(&desc, 2, dims, DataType(dtype), strides) ==
               dnnl_success);
  return desc;
}

struct Deleter {
  void operator()(dnnl_memory_t memory) const { dnnl_memory_destroy(memory); }
  void operator()(dnnl_primitive_t primitive) const { dnnl_primitive_destroy(primitive); }
  void operator()(dnnl_primitive_desc_t desc) const { dnnl_primitive_desc_destroy(desc); }
  void operator()(dnnl_primitive_attr_t attr) const { dnnl_primitive_attr_destroy(attr); }
};
template <typename T>
using Owned = std::unique_ptr<std::remove_pointer_t<T>, Deleter>;

Owned<dnnl_memory_t> MakeMemory(const dnnl_memory_desc_t& desc) {
  dnnl_memory_t memory = nullptr;
  ATTUNE_CHECK(dnnl_memory_create(&memory, &desc, Engine(), DNNL_MEMORY_NONE) == dnnl_success);
  return Owned<dnnl_memory_t>(memory);
}

Owned<dnnl_primitive_attr_t> MakeAttributes(const GemmSpec& spec) {
  dnnl_primitive_attr_t attr = nullptr;
  ATTUNE_CHECK(dnnl_primitive_attr_create(&attr) == dnnl_success);
  Owned<dnnl_primitive_attr_t> owned(attr);
  dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
  if (spec.scale != 1.0f) dnnl_primitive_attr_set_output_scales(attr, 1, 0, &spec.scale);
  if (spec.accumulate) {
    dnnl_post_ops_t post_ops = nullptr;
    dnnl_post_ops_create(&post_ops);
    dnnl_post_ops_append_sum(post_ops, 1.0f);
    dnnl_primitive_attr_set_post_ops(attr, post_ops);
    dnnl_post_ops_destroy(post_ops);
  }
  return owned;
}

// A number per distinct layout, so that packed weights can be shared.
std::uint64_t LayoutId(const dnnl_memory_desc_t& desc) {
  static std::mutex mutex;
  static std::map<std::string, std::uint64_t> ids;
  const std::string key(reinterpret_cast<const char*>(&desc), sizeof desc);
  const std::lock_guard lock(mutex);
  return ids.emplace(key, ids.size() + 1).first->second;
}

class OneDnnGemm final : public Gemm {
 public:
  explicit OneDnnGemm(const GemmSpec& spec)
      : spec_(spec), plain_b_(Matrix(spec.k, spec.n, spec.ldb, spec.transpose_b, spec.dtype)) {}

  Status Init() {
    const auto a = Matrix(spec_.m, spec_.k, spec_.lda, spec_.transpose_a, spec_.dtype);
    const auto c = Matrix(spec_.m, spec_.n, spec_.ldc, false, DType::kF32);
    dnnl_memory_desc_t b = plain_b_;
    if (spec_.packed_b) {
      const dnnl_dims_t dims = {spec_.k, spec_.n};
      dnnl_memory_desc_init_by_tag(&b, 2, dims, DataType(spec_.dtype), dnnl_format_tag_any);
    }
    dnnl_matmul_desc_t desc;
    if (dnnl_matmul_desc_init(&desc, &a, &b, nullptr, &c) != dnnl_success) return Refused();
    const auto attr = MakeAttributes(spec_);
    dnnl_primitive_desc_t made = nullptr;
    if (dnnl_primitive_desc_create(&made, &desc, attr.get(), Engine(), nullptr) != dnnl_success) {
      return Refused();
    }
    const Owned<dnnl_primitive_desc_t> primitive_desc(made);
    dnnl_primitive_t primitive = nullptr;
    if (dnnl_primitive_create(&primitive, primitive_desc.get()) != dnnl_success) return Refused();
    primitive_.reset(primitive);

    b_desc_ = *dnnl_primitive_desc_query_md(primitive_desc.get(), dnnl_query_weights_md, 0);
    const auto* scratchpad =
        dnnl_primitive_desc_query_md(primitive_desc.get(), dnnl_query_scratchpad_md, 0);
    scratch_bytes_ = scratchpad == nullptr ? 0 : dnnl_memory_desc_get_size(scratchpad);
    a_ = MakeMemory(a);
    b_ = MakeMemory(b_desc_);
    c_ = MakeMemory(c);
    if (scratch_bytes_ != 0) scratchpad_ = MakeMemory(*scratchpad);
    return OkStatus();
  }

  std::size_t scratch_bytes() const override { return scratch_bytes_; }
  std::size_t packed_b_bytes() const override { return dnnl_memory_desc_get_size(&b_desc_); }
  std::uint64_t packed_b_layout() const override { return LayoutId(b_desc_); }

  Status PackB(const void* b, void* packed) override {
    dnnl_primitive_desc_t made = nullptr;
    if (dnnl_reorder_primitive_desc_create(&made, &plain_b_, Engine(), &b_desc_, Engine(),
                                           nullptr) != dnnl_success) {
      return Refused();
    }
    const Owned<dnnl_primitive_desc_t> desc(made);
    dnnl_primitive_t primitive = nullptr;
    if (dnnl_primitive_create(&primitive, desc.get()) != dnnl_success) return Refused();
    const Owned<dnnl_primitive_t> reorder(primitive);
    const auto from = MakeMemory(plain_b_);
    const auto to = MakeMemory(b_desc_);
    dnnl_memory_set_data_handle_v2(from.get(), const_cast<void*>(b), nullptr);
    dnnl_memory_set_data_handle_v2(to.get(), packed, nullptr);
    const dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, from.get()}, {DNNL_ARG_TO, to.get()}};
    if (dnnl_primitive_execute(reorder.get(), Stream(), 2, args) != dnnl_success) return Refused();
    return OkStatus();
  }

  void Run(const void* a, const void* b, float* c, std::byte* scratch) override {
    SetHandle(a_.get(), a);
    SetHandle(b_.get(), b);
    SetHandle(c_.get(), c);
    dnnl_exec_arg_t args[4] = {
        {DNNL_ARG_SRC, a_.get()}, {DNNL_ARG_WEIGHTS, b_.get()}, {DNNL_ARG_DST, c_.get()}};
    int count = 3;
    if (scratchpad_ != nullptr) {
      SetHandle(scratchpad_.get(), scratch);
      args[count++] = {DNNL_ARG_SCRATCHPAD, scratchpad_.get()};
    }
    const auto status = dnnl_primitive_execute(primitive_.get(), Stream(), count, args);
    ATTUNE_CHECK(status == dnnl_success);
  }

 private:
  // Changing a handle makes oneDNN look at padding: only when it is another.
  static void SetHandle(dnnl_memory_t memory, const void* data) {
    void* current = nullptr;
    dnnl_memory_get_data_handle(memory, &current);
    if (current != data) dnnl_memory_set_data_handle_v2(memory, const_cast<void*>(data), nullptr);
  }

  Status Refused() const {
    return Unsupported(StrCat("oneDNN has no matmul for m=", spec_.m, " n=", spec_.n,
                              " k=", spec_.k, " in ", DTypeName(spec_.dtype)));
  }

  GemmSpec spec_;
  dnnl_memory_desc_t plain_b_;
  dnnl_memory_desc_t b_desc_ = {};
  Owned<dnnl_primitive_t> primitive_;
  Owned<dnnl_memory_t> a_, b_, c_, scratchpad_;
  std::size_t scratch_bytes_ = 0;
};

}  // namespace

Result<std::unique_ptr<Gemm>> Gemm::Create(const GemmSpec& spec) {
  auto gemm = std::make_unique<OneDnnGemm>(spec);
  ATTUNE_RETURN_IF_ERROR(gemm->Init());
  return std::unique_ptr<Gemm>(std::move(gemm));
}

const char* GemmProvider() {
  static const std::string name = [] {
    const dnnl_version_t* version = dnnl_version();
    return StrCat("onednn ", version->major, ".", version->minor, ".", version->patch);
  }();
  return name.c_str();
}

bool GemmHasBf16() { return true; }

SingleThreaded::SingleThreaded() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
SingleThreaded::~SingleThreaded() { omp_set_num_threads(before_); }

}  // namespace attune::cpu
