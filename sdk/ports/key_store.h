// A KeyStore keeps a few small secrets outside of the directory whose contents
// they protect: the Keychain on Apple, a file of the user's alone on Linux.
//
// Durability: once Store() or Remove() returns OK the change survives a power
// failure. After an error, or a crash on the way, the old item is there or the new
// one, whole.
// Threads: every method may be called from any thread. Several processes may
// use one store; each item has one writer at a time, by its user's lock.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "attune/status.h"
#include "ports/crypto.h"

namespace attune {

inline constexpr std::size_t kMaxKeyStoreItemBytes = 4096;
inline constexpr std::size_t kMaxKeyStoreNameBytes = 64;

// kInvalidArgument for a name that is not 1 to 64 of [a-z0-9._-], or an item that
// is empty or longer than kMaxKeyStoreItemBytes.
Status CheckKeyStoreName(std::string_view name);
Status CheckKeyStoreItem(std::string_view name, std::size_t bytes);

class KeyStore {
 public:
  virtual ~KeyStore() = default;

  //   kNotFound      there is no such item
  //   kUnavailable   the device is locked, say: retry later. It is NOT "no such
  //                  item": a new key made now would orphan all that the old
  //                  one protects
  //   kFailedPrecondition  wrong passphrase, or the store is open to others
  //   kDataLoss      the item is damaged
  //   kIoError       the system refuses
  virtual Result<Secret> Load(const std::string& name) = 0;

  // Creates or replaces the item, atomically.
  //
  //   kInvalidArgument  as CheckKeyStoreItem()
  virtual Status Store(const std::string& name, ByteSpan secret) = 0;

  // An absent item is fine.
  virtual Status Remove(const std::string& name) = 0;
};

}  // namespace attune
