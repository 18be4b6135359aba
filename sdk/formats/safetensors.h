// The safetensors format: a JSON header, then packed little-endian tensors.
//
// Reading is as strict as the reference: the tensors must cover the data exactly,
// without holes, overlap or trailing bytes. Two departures of MLX's writer are
// tolerated: tensors at odd addresses and a null "__metadata__".
// Writing is deterministic: equal tensors and metadata give equal bytes.
//
// Errors: kDataLoss (the bytes break the format), kNotFound, kUnsupported (a
// dtype or rank the SDK does not have, only when that tensor is asked for).
// Threads: a SafetensorsFile is immutable; copies share the mapped file.

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "attune/status.h"
#include "formats/named_tensors.h"
#include "ports/file_system.h"
#include "tensor/tensor.h"

namespace attune {

// One tensor as the header describes it.
struct SafetensorsEntry {
  std::string name;
  std::string dtype;  // As in the file: "F32", "BF16", "I64", ...
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0;  // Byte range in the data section.
  std::uint64_t end = 0;
};

using SafetensorsMetadata = std::map<std::string, std::string>;

class SafetensorsFile {
 public:
  // Maps the file and checks the whole header; tensor bytes are not touched.
  static Result<SafetensorsFile> Open(FileSystem& fs, const std::string& path);
  // The same for a file mapped already; `name` is for messages.
  static Result<SafetensorsFile> Parse(std::shared_ptr<const MappedFile> file,
                                       const std::string& name);

  // In the order of their data.
  std::span<const SafetensorsEntry> entries() const { return entries_; }
  // Null if absent.
  const SafetensorsEntry* Find(std::string_view name) const;

  // A view into the mapped file, valid while this object or a copy lives.
  Result<TensorView> Tensor(std::string_view name) const;

  // Whether every tensor is aligned for its element type (see IsAligned()).
  bool aligned() const;

  // Empty if the file has none.
  const SafetensorsMetadata& metadata() const { return metadata_; }

  // Adds all tensors to `tensors`, which then keeps the mapped file alive.
  // kDataLoss if a name is taken.
  Status AddTo(NamedTensors* tensors) const;

 private:
  Result<TensorView> View(const SafetensorsEntry& entry) const;

  std::string file_name_;
  std::shared_ptr<const MappedFile> file_;
  std::uint64_t data_begin_ = 0;
  std::vector<SafetensorsEntry> entries_;
  std::map<std::string, std::size_t, std::less<>> by_name_;
  SafetensorsMetadata metadata_;
};

// The weights of a model directory: "model.safetensors", or the shards named by
// "model.safetensors.index.json". Every tensor of the index must be in its shard
// and the other way round.
//
//   kNotFound  the directory has neither file
Result<NamedTensors> ReadSafetensorsDirectory(FileSystem& fs, const std::string& directory);

// Writes a file atomically; the tensors' bytes go from where they are to the
// file. Larger element types first, then by name, so that every tensor is
// aligned. "format" = "pt" is added to the metadata unless it has a "format".
//
//   kInvalidArgument  a name twice, or not UTF-8, or "__metadata__"
Status WriteSafetensors(FileSystem& fs, const std::string& path,
                        std::span<const NamedTensor> tensors,
                        const SafetensorsMetadata& metadata = {});

// The same bytes in memory.
Result<std::string> FormatSafetensors(std::span<const NamedTensor> tensors,
                                      const SafetensorsMetadata& metadata = {});

}  // namespace attune
