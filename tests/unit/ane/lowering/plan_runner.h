// Runs what Lower() makes, in double: regions by the interpreter, host steps by the
// graph's own reference kernels, transfers and rules by the plan's words. A plan that
// agrees with the reference on the whole graph is right in its algebra.

#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "ane/compiler/compile.h"
#include "base/check.h"
#include "base/half.h"
#include "base/philox.h"
#include "base/strings.h"
#include "graph/reference.h"
#include "support/ane/region_interpreter.h"

namespace attune::ane::testing {

class PlanRunner {
 public:
  PlanRunner(const Lowered& lowered, const ReferenceFeeds& feeds)
      : lowered_(lowered), plan_(lowered.plan), feeds_(feeds) {
    for (std::size_t i = 0; i < plan_.graph.values().size(); ++i) {
      const Value& value = plan_.graph.values()[i];
      const auto id = static_cast<ValueId>(i);
      if (value.leaf == Leaf::kConstant) {
        for (std::int64_t e = 0; e < value.type.shape.elements(); ++e) {
          host_[id].push_back(value.type.dtype == DType::kI32
                                  ? reinterpret_cast<const std::int32_t*>(value.literal->data())[e]
                                  : ElementAsF32(value.literal->view(), e));
        }
      } else if (value.leaf != Leaf::kNone) {
        if (const auto fed = feeds.find(value.name); fed != feeds.end()) host_[id] = fed->second;
      }
    }
    // What nothing has written must not be read as if it were zero.
    for (std::size_t s = 0; s < plan_.surfaces.size(); ++s) {
      const SurfaceSpec& spec = plan_.surfaces[s];
      const auto elements = static_cast<std::size_t>(spec.channels * spec.width);
      surfaces_[static_cast<SurfaceId>(s)].assign(elements, std::nan(""));
    }
  }

  // The graph's outputs by name.
  std::map<std::string, Numbers> Run() {
    for (const Step& step : plan_.steps) {
      std::visit([&](const auto& s) { Do(s); }, step);
    }
    std::map<std::string, Numbers> outputs;
    for (const NamedValue& output : plan_.graph.outputs()) {
      outputs[output.name] = host_.at(output.value);
    }
    return outputs;
  }

 private:
  const SurfaceSpec& Spec(SurfaceId id) const {
    return plan_.surfaces[static_cast<std::size_t>(id)];
  }
  double& At(SurfaceId id, std::int64_t channel, std::int64_t column) {
    ATTUNE_CHECK(channel < Spec(id).channels && column < Spec(id).width);
    return surfaces_.at(id)[static_cast<std::size_t>(channel * Spec(id).width + column)];
  }
  void Clear(SurfaceId id, double value = 0) {
    std::fill(surfaces_.at(id).begin(), surfaces_.at(id).end(), value);
  }
  double Host(ValueId id, std::int64_t i) const {
    return host_.at(id)[static_cast<std::size_t>(i)];
  }
  // A vector is one row, or one column where the surface has a single channel.
  std::int64_t Columns(ValueId id, SurfaceId surface) const {
    const Shape& shape = plan_.graph.shape(id);
    return shape.rank() <= 1 && Spec(surface).channels == 1 ? 1 : shape.back();
  }

  void Do(const Upload& step) {
    Clear(step.surface);
    const Numbers& numbers = host_.at(step.value);
    const std::int64_t columns = Columns(step.value, step.surface);
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      const auto at = static_cast<std::int64_t>(i);
      At(step.surface, at % columns, at / columns) = numbers[i];
    }
  }

  void Do(const Download& step) {
    Numbers& numbers = host_[step.value];
    numbers.resize(static_cast<std::size_t>(plan_.graph.shape(step.value).elements()));
    const std::int64_t columns = Columns(step.value, step.surface);
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      const auto at = static_cast<std::int64_t>(i);
      numbers[i] = At(step.surface, at % columns, at / columns);
    }
  }

  void Do(const RunPrograms& step) {
    for (std::int32_t i = step.first; i < step.first + step.count; ++i) {
      const Region& region = lowered_.regions[static_cast<std::size_t>(i)];
      ATTUNE_CHECK(Verify(region, plan_.surfaces).ok());
      Interpret(region, &surfaces_);
    }
  }

  void Do(const RunHost& step) {
    ReferenceFeeds feeds;
    for (const ValueId id : step.inputs) feeds[StrCat("v", id)] = host_.at(id);
    for (const Value& value : step.graph.values()) {
      if (value.leaf == Leaf::kParameter) feeds[value.name] = feeds_.at(value.name);
    }
    auto results = EvaluateReference(step.graph, feeds);
    ATTUNE_CHECK(results.ok());
    for (const ValueId id : step.outputs) host_[id] = results->at(StrCat("v", id)).data;
  }

  void Do(const MakeMask& step) {
    Clear(step.surface, kMasked);
    const std::int64_t length = step.rows / step.batch;
    for (std::int64_t query = 0; query < step.rows; ++query) {
      const std::int64_t first = query / length * length;
      std::int64_t lo = 0, hi = length;
      if (step.mask == AttentionMask::kCausal) hi = query - first + 1;
      if (step.mask == AttentionMask::kBounded) {
        lo = static_cast<std::int64_t>(Host(step.lo, query));
        hi = static_cast<std::int64_t>(Host(step.hi, query));
      }
      for (std::int64_t key = lo; key < hi; ++key) At(step.surface, query, first + key) = 0;
    }
  }

  void Do(const MakeRotation& step) {
    Clear(step.cosine);
    Clear(step.sine);
    const std::int64_t half = step.head_dim / 2;
    for (std::size_t row = 0; row < host_.at(step.positions).size(); ++row) {
      const auto column = static_cast<std::int64_t>(row);
      const auto at = static_cast<std::int64_t>(Host(step.positions, column)) * step.head_dim;
      for (std::int64_t d = 0; d < step.head_dim; ++d) {
        const std::int64_t pair = step.layout == RopeLayout::kRotateHalf ? d % half : d / 2;
        At(step.cosine, d, column) = Host(step.table, at + pair);
        At(step.sine, d, column) = Host(step.table, at + half + pair);
      }
    }
  }

  void Do(const MakeDropoutMask& step) {
    Clear(step.surface);
    const double p = static_cast<double>(step.attrs.probability);
    const auto threshold = static_cast<std::uint32_t>(p * 0x1p32);
    const auto word = [&](std::int64_t i) {
      return static_cast<std::uint32_t>(static_cast<std::int32_t>(Host(step.seed, i)));
    };
    for (std::int64_t i = 0; i < step.rows * step.columns; ++i) {
      const auto draw = Philox4x32({static_cast<std::uint32_t>(i / 4), step.attrs.salt, 0, 0},
                                   {word(0), word(1)})[static_cast<std::size_t>(i % 4)];
      At(step.surface, i % step.columns, i / step.columns) = draw < threshold ? 0 : 1 / (1.0 - p);
    }
  }

  void Do(const LossTail& step) {
    const std::int64_t columns = plan_.graph.shape(step.weight)[1];
    const bool gradient = step.expected != kNone;
    if (gradient) Clear(step.dx);
    double loss = 0;
    for (std::size_t i = 0; i < host_.at(step.labels).size(); ++i) {
      const auto row = static_cast<std::int64_t>(i);
      const auto label = static_cast<std::int64_t>(Host(step.labels, row));
      const double weight = Host(step.weights, row);
      if (weight == 0) continue;
      double logit = 0;
      for (std::int64_t c = 0; c < columns; ++c) {
        const double w = Host(step.weight, label * columns + c);
        logit += At(step.x, c, row) * w;
        if (gradient) {
          At(step.dx, c, row) = Host(step.dloss, 0) * weight * (At(step.expected, c, row) - w);
        }
      }
      loss += weight * (At(step.lse, 0, row) - logit);
    }
    host_[step.loss] = {loss};
  }

  const Lowered& lowered_;
  const Plan& plan_;
  const ReferenceFeeds& feeds_;
  std::map<ValueId, Numbers> host_;
  SurfaceData surfaces_;
};

// Bytes of the frozen parameters of a graph, from what feeds the reference.
struct FrozenBytes {
  FrozenParameters views;
  std::vector<Tensor> tensors;

  FrozenBytes(const Graph& graph, const ReferenceFeeds& feeds) {
    for (const Value& value : graph.values()) {
      if (value.leaf != Leaf::kParameter || value.trainable) continue;
      Tensor tensor(value.type.dtype, value.type.shape);
      const Numbers& numbers = feeds.at(value.name);
      for (std::size_t i = 0; i < numbers.size(); ++i) Store(&tensor, i, numbers[i]);
      views[value.name] = tensor.view();
      tensors.push_back(std::move(tensor));
    }
  }

  static void Store(Tensor* tensor, std::size_t i, double number) {
    const auto narrow = static_cast<float>(number);
    auto* const halves = reinterpret_cast<std::uint16_t*>(tensor->data());
    if (tensor->dtype() == DType::kF32) tensor->f32()[i] = narrow;
    if (tensor->dtype() == DType::kF16) halves[i] = F16FromF32(narrow);
    if (tensor->dtype() == DType::kBf16) halves[i] = Bf16FromF32(narrow);
  }
};

// The largest difference of any output from the reference, relative to the output's
// largest element; infinite where a number is missing.
inline double LargestError(const std::map<std::string, Numbers>& got,
                           const std::map<std::string, ReferenceTensor>& want) {
  double worst = got.size() == want.size() ? 0 : HUGE_VAL;
  for (const auto& [name, tensor] : want) {
    const auto found = got.find(name);
    if (found == got.end() || found->second.size() != tensor.data.size()) return HUGE_VAL;
    double top = 1e-6, difference = 0;  // Some gradients are 0.
    for (std::size_t i = 0; i < tensor.data.size(); ++i) {
      top = std::max(top, std::abs(tensor.data[i]));
      const double d = std::abs(found->second[i] - tensor.data[i]);
      difference = d >= difference ? d : std::isnan(d) ? HUGE_VAL : difference;
    }
    worst = std::max(worst, difference / top);
  }
  return worst;
}

}  // namespace attune::ane::testing
