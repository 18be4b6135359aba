// Surfaces of IOSurface, as bytes in one row: the layout of what is in them comes from
// the compiled program, not from the surface.
//
// Threads: as Device.

#pragma once

#include <cstdint>
#include <memory>

#include "ane/device/device.h"
#include "ane/driver/framework.h"
#include "attune/status.h"

namespace attune::ane {

// The functions of the library, found by name.
struct SurfaceLibrary {
  //   kUnavailable  one is missing; named
  static Result<SurfaceLibrary> Find(const Libraries& libraries);

  objc::Id (*create)(objc::Id properties) = nullptr;
  int (*lock)(objc::Id surface, std::uint32_t options, std::uint32_t* seed) = nullptr;
  int (*unlock)(objc::Id surface, std::uint32_t options, std::uint32_t* seed) = nullptr;
  void* (*base_address)(objc::Id surface) = nullptr;
  std::size_t (*allocated)(objc::Id surface) = nullptr;
  // Names of the properties; not to be released.
  objc::Id width = nullptr, height = nullptr, element_bytes = nullptr, row_bytes = nullptr,
           all_bytes = nullptr, pixel_format = nullptr;
};

class IoSurface final : public Surface {
 public:
  //   kInvalidArgument    not between 1 byte and 4 GiB
  //   kResourceExhausted  the system has no memory for it
  static Result<std::unique_ptr<IoSurface>> Create(std::shared_ptr<Framework> framework,
                                                   const SurfaceLibrary& library,
                                                   std::int64_t bytes);
  ~IoSurface() override;

  std::int64_t bytes() const override { return bytes_; }
  Result<std::span<std::byte>> Lock(bool read_only) override;
  void Unlock() override;

  objc::Id object() const { return surface_.get(); }

 private:
  IoSurface(std::shared_ptr<Framework> framework, const SurfaceLibrary& library,
            objc::Owned surface, std::int64_t bytes);

  std::shared_ptr<Framework> framework_;
  const SurfaceLibrary library_;
  objc::Owned surface_;
  std::int64_t bytes_;
  std::uint32_t lock_options_ = 0;
};

}  // namespace attune::ane
