// NamedTensors is what every reader of weights yields: tensors by name, as views
// into mapped files that it keeps alive.
//
// Threads: immutable once built; copies share the mapped files.

#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "attune/status.h"
#include "ports/file_system.h"
#include "tensor/tensor.h"

namespace attune {

struct NamedTensor {
  std::string name;
  TensorView view;
};

class NamedTensors {
 public:
  // False, changing nothing, if the name is taken.
  bool Add(std::string name, const TensorView& view);
  // A tensor that the file has but the SDK cannot hold; `why` for the message,
  // e.g. "dtype I64". Listed by names(), refused by Get().
  bool AddUnsupported(std::string name, std::string why);
  void KeepAlive(std::shared_ptr<const MappedFile> file) { files_.push_back(std::move(file)); }

  std::size_t size() const { return entries_.size(); }
  bool Has(std::string_view name) const { return entries_.find(name) != entries_.end(); }
  // In byte order.
  std::vector<std::string> names() const;

  // A view that is valid as long as this object or a copy of it lives. Its data
  // may be unaligned: see IsAligned().
  //
  //   kNotFound     no tensor of that name
  //   kUnsupported  a dtype or rank that the SDK does not have
  Result<TensorView> Get(std::string_view name) const;

 private:
  struct Entry {
    TensorView view;
    std::string unsupported;  // Why, or empty.
  };
  std::map<std::string, Entry, std::less<>> entries_;
  std::vector<std::shared_ptr<const MappedFile>> files_;
};

// Whether `view` may be read through a pointer to its element type. Files written
// by others may put tensors at any byte: copy those first.
bool IsAligned(const TensorView& view);

}  // namespace attune
