// Adapters of all kinds for the promotion gate: trained, random, broken.

#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "attune/personalize.h"
#include "base/philox.h"
#include "base/strings.h"
#include "formats/peft.h"
#include "session/dataset.h"
#include "session/platform.h"
#include "support/status_matchers.h"
#include "tensor/tensor.h"

namespace attune::testing {

// An adapter with the tensors that it reads, to be changed.
struct OwnAdapter {
  PeftAdapter adapter;
  std::map<std::string, Tensor> tensors;  // By module and matrix.
};

inline OwnAdapter CopyOf(const PeftAdapter& adapter) {
  OwnAdapter copy;
  copy.adapter.config = adapter.config;
  for (const auto& [module, pair] : adapter.modules) {
    Tensor& a = copy.tensors[module + ".A"] = ToF32(pair.a);
    Tensor& b = copy.tensors[module + ".B"] = ToF32(pair.b);
    copy.adapter.modules[module] = {a.view(), b.view(), pair.scale};
  }
  return copy;
}

// Of the same shape and size, and of no meaning.
inline OwnAdapter RandomLike(const PeftAdapter& adapter, std::uint64_t seed) {
  OwnAdapter copy = CopyOf(adapter);
  Philox random(seed);
  for (auto& [name, tensor] : copy.tensors) {
    double square = 0;
    for (const float x : tensor.f32()) square += static_cast<double>(x) * static_cast<double>(x);
    const double size = std::sqrt(square / static_cast<double>(tensor.f32().size()));
    for (float& x : tensor.f32()) x = static_cast<float>(size) * random.NextNormal();
  }
  return copy;
}

// With a number that is none, in the last module.
inline OwnAdapter WithNan(const PeftAdapter& adapter) {
  OwnAdapter copy = CopyOf(adapter);
  Tensor& tensor = copy.tensors.rbegin()->second;
  tensor.f32()[tensor.f32().size() / 2] = std::numeric_limits<float>::quiet_NaN();
  return copy;
}

// Learns the messages' texts; the files lie in `directory`, which exists.
inline Result<PeftAdapter> TrainOn(const Platform& platform, const std::string& base,
                                   const std::vector<Message>& messages,
                                   const std::string& directory, const TrainingOptions& training) {
  std::string lines;
  for (const Message& message : messages) lines += message.text + "\n";
  const auto bytes = std::as_bytes(std::span(lines));
  const std::span<const std::byte> part = bytes;
  const std::string data = JoinPath(directory, "messages.txt");
  ATTUNE_RETURN_IF_ERROR(platform.files->WriteAtomically(data, std::span(&part, 1)));
  PersonalizeOptions options;
  options.model = base;
  options.data = data;
  options.output = JoinPath(directory, "adapter");
  options.held_out_fraction = 0;
  options.training = training;
  ATTUNE_RETURN_IF_ERROR(Personalize(platform, options).status());
  return ReadPeftAdapter(*platform.files, options.output);
}

}  // namespace attune::testing
