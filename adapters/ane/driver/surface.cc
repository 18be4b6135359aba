#include "ane/driver/surface.h"

#include <cstring>
#include <utility>

#include "base/strings.h"

namespace attune::ane {

namespace {

constexpr std::uint32_t kLockReadOnly = 1;  // kIOSurfaceLockReadOnly.
constexpr std::int64_t kMaxBytes = std::int64_t{4} << 30;

// Toll-free bridged: what Foundation makes serves as CFDictionary and CFNumber.
objc::Owned Properties(const objc::Runtime& runtime, const SurfaceLibrary& library,
                       std::int64_t bytes) {
  const std::pair<objc::Id, std::int64_t> values[] = {
      {library.width, bytes},     {library.height, 1},        {library.element_bytes, 1},
      {library.row_bytes, bytes}, {library.all_bytes, bytes}, {library.pixel_format, 0}};
  objc::Owned properties = objc::MakeDictionary(runtime);
  for (const auto& [key, value] : values) {
    const objc::Owned number = objc::MakeNumber(runtime, value);
    runtime.Send<void>(properties.get(), "setObject:forKey:", number.get(), key);
  }
  return properties;
}

}  // namespace

Result<SurfaceLibrary> SurfaceLibrary::Find(const Libraries& libraries) {
  SurfaceLibrary library;
  const char* missing = nullptr;
  const auto bind = [&](const char* name, auto* function) {
    void* found = libraries.Find(name);
    if (found == nullptr) missing = name;
    *function = reinterpret_cast<std::remove_reference_t<decltype(*function)>>(found);
  };
  const auto read = [&](const char* name, objc::Id* value) {
    void* found = libraries.Find(name);
    if (found != nullptr) std::memcpy(value, found, sizeof *value);
    if (*value == nullptr) missing = name;
  };
  bind("IOSurfaceCreate", &library.create);
  bind("IOSurfaceLock", &library.lock);
  bind("IOSurfaceUnlock", &library.unlock);
  bind("IOSurfaceGetBaseAddress", &library.base_address);
  bind("IOSurfaceGetAllocSize", &library.allocated);
  read("kIOSurfaceWidth", &library.width);
  read("kIOSurfaceHeight", &library.height);
  read("kIOSurfaceBytesPerElement", &library.element_bytes);
  read("kIOSurfaceBytesPerRow", &library.row_bytes);
  read("kIOSurfaceAllocSize", &library.all_bytes);
  read("kIOSurfacePixelFormat", &library.pixel_format);
  if (missing != nullptr) return Unavailable(StrCat("IOSurface has no ", missing));
  return library;
}

Result<std::unique_ptr<IoSurface>> IoSurface::Create(std::shared_ptr<Framework> framework,
                                                     const SurfaceLibrary& library,
                                                     std::int64_t bytes) {
  if (bytes < 1 || bytes > kMaxBytes) {
    return InvalidArgument(StrCat("a surface of ", bytes, " bytes; 1 to ", kMaxBytes, " can be"));
  }
  const objc::Runtime& runtime = framework->runtime;
  const objc::Pool pool(runtime);
  const objc::Owned properties = Properties(runtime, library, bytes);
  objc::Owned surface(runtime, library.create(properties.get()));
  if (!surface) return ResourceExhausted(StrCat("no memory for a surface of ", bytes, " bytes"));
  const std::size_t allocated = library.allocated(surface.get());
  if (allocated < static_cast<std::size_t>(bytes)) {
    return Internal(StrCat("a surface of ", bytes, " bytes came with ", allocated));
  }
  std::unique_ptr<IoSurface> made(
      new IoSurface(std::move(framework), library, std::move(surface), bytes));
  ATTUNE_ASSIGN_OR_RETURN(const std::span<std::byte> content, made->Lock(false));
  std::memset(content.data(), 0, content.size());
  made->Unlock();
  return made;
}

IoSurface::IoSurface(std::shared_ptr<Framework> framework, const SurfaceLibrary& library,
                     objc::Owned surface, std::int64_t bytes)
    : framework_(std::move(framework)),
      library_(library),
      surface_(std::move(surface)),
      bytes_(bytes) {
  ++framework_->counters.surfaces;
  framework_->counters.surface_bytes += bytes_;
}

IoSurface::~IoSurface() {
  const objc::Pool pool(framework_->runtime);
  surface_.Reset();
  --framework_->counters.surfaces;
  framework_->counters.surface_bytes -= bytes_;
}

Result<std::span<std::byte>> IoSurface::Lock(bool read_only) {
  lock_options_ = read_only ? kLockReadOnly : 0;
  if (const int refused = library_.lock(surface_.get(), lock_options_, nullptr); refused != 0) {
    return Unavailable(StrCat("a surface of ", bytes_, " bytes cannot be locked: ", refused));
  }
  auto* base = static_cast<std::byte*>(library_.base_address(surface_.get()));
  if (base == nullptr) {
    Unlock();
    return Internal(StrCat("a locked surface of ", bytes_, " bytes has no address"));
  }
  return std::span<std::byte>(base, static_cast<std::size_t>(bytes_));
}

void IoSurface::Unlock() { library_.unlock(surface_.get(), lock_options_, nullptr); }

}  // namespace attune::ane
