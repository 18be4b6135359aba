// The same graph on the host, run now and then on the same leaves, to see that the
// device still computes what it should.

#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ane/runtime/host_values.h"
#include "attune/status.h"
#include "compute/backend.h"

namespace attune::ane {

class ParityCheck {
 public:
  // Null when the graph keeps state between runs: run twice it would not be the same.
  static Result<std::unique_ptr<ParityCheck>> Compile(const Graph& graph, Backend& host,
                                                      const FrozenParameters& frozen,
                                                      const CompileOptions& options,
                                                      HostValues* values);

  Status Bind(std::string_view name, std::span<std::byte> storage) {
    return executable_->Bind(name, storage);
  }

  // Runs the host's and compares: |loss - host's| / |host's| of an output called "loss",
  // else the largest relative distance of any output.
  Result<double> Difference(const HostValues& values);

  const MemoryReport& memory() const { return executable_->memory(); }

 private:
  std::unique_ptr<Executable> executable_;
  std::vector<std::string> outputs_;
};

// |a - b| / |b|, Euclidean; the length of a - b where b is zero.
double RelativeDistance(std::span<const float> a, std::span<const float> b);

}  // namespace attune::ane
