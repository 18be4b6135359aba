// The few classes of Foundation that the framework's interface is made of. What is
// read back is not trusted: a value of another class than expected reads as absent.
//
// Threads: as Runtime.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "ane/driver/objc_runtime.h"

namespace attune::ane::objc {

// One reference to an object, given back at the end.
class Owned {
 public:
  Owned() = default;
  // Takes over a reference, as alloc, new and copy return it.
  Owned(const Runtime& runtime, Id object) : runtime_(&runtime), object_(object) {}
  // Adds one, as what other methods return needs to outlive their pool.
  static Owned Retain(const Runtime& runtime, Id object) {
    return Owned(runtime, runtime.Send<Id>(object, "retain"));
  }
  ~Owned() { Reset(); }
  Owned(Owned&& other) noexcept
      : runtime_(other.runtime_), object_(std::exchange(other.object_, nullptr)) {}
  Owned& operator=(Owned&& other) noexcept {
    if (this == &other) return *this;
    Reset();
    runtime_ = other.runtime_;
    object_ = std::exchange(other.object_, nullptr);
    return *this;
  }

  void Reset() {
    if (Id object = std::exchange(object_, nullptr)) runtime_->Send<void>(object, "release");
  }
  Id get() const { return object_; }
  explicit operator bool() const { return object_ != nullptr; }

 private:
  const Runtime* runtime_ = nullptr;
  Id object_ = nullptr;
};

// Everything autoreleased in its lifetime is released at its end. Pools nest.
class Pool {
 public:
  explicit Pool(const Runtime& runtime)
      : runtime_(runtime), pool_(runtime.Send<Id>(runtime.Class("NSAutoreleasePool"), "new")) {}
  ~Pool() { runtime_.Send<void>(pool_, "drain"); }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

 private:
  const Runtime& runtime_;
  Id pool_;
};

Owned MakeString(const Runtime& runtime, std::string_view text);
Owned MakeData(const Runtime& runtime, std::span<const std::byte> bytes);  // Copies.
Owned MakeNumber(const Runtime& runtime, std::int64_t number);
Owned MakeArray(const Runtime& runtime);       // Mutable.
Owned MakeDictionary(const Runtime& runtime);  // Mutable.
void Add(const Runtime& runtime, Id array, Id object);
void Set(const Runtime& runtime, Id dictionary, std::string_view key, Id object);

std::optional<std::string> TextOf(const Runtime& runtime, Id string);
std::optional<std::int64_t> NumberOf(const Runtime& runtime, Id number);
// 0 for what is no array.
std::int64_t CountOf(const Runtime& runtime, Id array);
// nil for what is no array or not in it.
Id At(const Runtime& runtime, Id array, std::int64_t index);
// nil for what is no dictionary or not in it.
Id Get(const Runtime& runtime, Id dictionary, std::string_view key);

}  // namespace attune::ane::objc
