// The writing half of an ExampleStore: it follows the segment that is open, appends
// to it, and begins a new one when the day, the room or the trust in it ends.
//
// Threads: as Vault.

#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "attune/example.h"
#include "attune/status.h"
#include "vault/duplicates.h"
#include "vault/example_segment.h"
#include "vault/vault.h"

namespace attune {

class ExampleWriter {
 public:
  // `vault` is not owned.
  explicit ExampleWriter(Vault& vault) : vault_(vault) {}

  // Reads what other processes have begun and appended since. Needs no lock.
  Status Follow(const Manifest& manifest);
  // As of the last Follow(); null if no segment is open.
  const ExampleSegment* open() const { return open_.get(); }

  // Stores an example that was admitted. 0 duplicates: any number.
  Result<Recorded> Record(const Example& example, std::int64_t max_duplicates);
  // Whether the last Record() stored the first example of a day.
  bool began_day() const { return began_day_; }

  // Closes the segment that is open, if any, as far as it is good. Takes place when
  // the transaction commits; Reset() if it does not.
  Status Close(Vault::Transaction& transaction);
  void Reset() { open_.reset(); }

 private:
  // A record that waits to be written.
  struct Candidate {
    StoredExample stored;
    std::int64_t day = 0;
    std::uint64_t slice = 0;  // Of the day; 0: none yet.
    Fingerprint fingerprint = 0;
  };
  Result<bool> IsDuplicate(const Manifest& manifest, std::int64_t max_duplicates,
                           Candidate* candidate);
  Status Append(Vault::Transaction& transaction, std::string_view plaintext,
                const Candidate& candidate);
  Status Begin(Vault::Transaction& transaction, std::string_view plaintext, Candidate candidate);

  Vault& vault_;
  std::unique_ptr<ExampleSegment> open_;
  DuplicateIndex duplicates_;
  bool began_day_ = false;
};

}  // namespace attune
