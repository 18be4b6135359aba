#include "ane/driver/foundation.h"

#include <cstring>

namespace attune::ane::objc {

namespace {

constexpr Unsigned kUtf8 = 4;  // NSUTF8StringEncoding.
constexpr std::size_t kMaxText = std::size_t{1} << 16;

bool IsA(const Runtime& runtime, Id object, const char* class_name) {
  return runtime.Send<Bool>(object, "isKindOfClass:", runtime.Class(class_name)) != 0;
}

Id Allocate(const Runtime& runtime, const char* class_name) {
  return runtime.Send<Id>(runtime.Class(class_name), "alloc");
}

}  // namespace

Owned MakeString(const Runtime& runtime, std::string_view text) {
  const void* bytes = text.data();
  return Owned(runtime, runtime.Send<Id>(Allocate(runtime, "NSString"),
                                         "initWithBytes:length:encoding:", bytes,
                                         static_cast<Unsigned>(text.size()), kUtf8));
}

Owned MakeData(const Runtime& runtime, std::span<const std::byte> bytes) {
  const void* data = bytes.data();
  return Owned(runtime, runtime.Send<Id>(Allocate(runtime, "NSData"), "initWithBytes:length:", data,
                                         static_cast<Unsigned>(bytes.size())));
}

Owned MakeNumber(const Runtime& runtime, std::int64_t number) {
  return Owned(runtime, runtime.Send<Id>(Allocate(runtime, "NSNumber"),
                                         "initWithLongLong:", static_cast<long long>(number)));
}

Owned MakeArray(const Runtime& runtime) {
  return Owned(runtime, runtime.Send<Id>(runtime.Class("NSMutableArray"), "new"));
}

Owned MakeDictionary(const Runtime& runtime) {
  return Owned(runtime, runtime.Send<Id>(runtime.Class("NSMutableDictionary"), "new"));
}

void Add(const Runtime& runtime, Id array, Id object) {
  if (object != nullptr) runtime.Send<void>(array, "addObject:", object);
}

void Set(const Runtime& runtime, Id dictionary, std::string_view key, Id object) {
  if (object == nullptr) return;
  const Owned name = MakeString(runtime, key);
  runtime.Send<void>(dictionary, "setObject:forKey:", object, name.get());
}

std::optional<std::string> TextOf(const Runtime& runtime, Id string) {
  if (!IsA(runtime, string, "NSString")) return std::nullopt;
  const char* text = runtime.Send<const char*>(string, "UTF8String");
  if (text == nullptr) return std::nullopt;
  return std::string(text, strnlen(text, kMaxText));
}

std::optional<std::int64_t> NumberOf(const Runtime& runtime, Id number) {
  if (!IsA(runtime, number, "NSNumber")) return std::nullopt;
  return static_cast<std::int64_t>(runtime.Send<long long>(number, "longLongValue"));
}

std::int64_t CountOf(const Runtime& runtime, Id array) {
  if (!IsA(runtime, array, "NSArray")) return 0;
  return static_cast<std::int64_t>(runtime.Send<Unsigned>(array, "count"));
}

Id At(const Runtime& runtime, Id array, std::int64_t index) {
  if (index < 0 || index >= CountOf(runtime, array)) return nullptr;
  return runtime.Send<Id>(array, "objectAtIndex:", static_cast<Unsigned>(index));
}

Id Get(const Runtime& runtime, Id dictionary, std::string_view key) {
  if (!IsA(runtime, dictionary, "NSDictionary")) return nullptr;
  const Owned name = MakeString(runtime, key);
  return runtime.Send<Id>(dictionary, "objectForKey:", name.get());
}

}  // namespace attune::ane::objc
