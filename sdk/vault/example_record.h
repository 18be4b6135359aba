// An example as the bytes that are sealed: fields, compressed if that pays, padded
// so that the length tells little. docs/formats/vault.md section 6.2.
//
// Threads: pure functions.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "attune/example.h"
#include "attune/status.h"

namespace attune {

// REQUIRES: source.size() <= 255, and no field beyond kMaxExampleBytes.
std::string EncodeExampleRecord(const StoredExample& stored);

// The inverse, for bytes of any origin.
//
//   kDataLoss  not a record, with both numbers
Result<StoredExample> DecodeExampleRecord(std::string_view record);

// The fields alone: what of a record is compressed. One example has one encoding,
// and no other bytes are accepted.
std::string EncodeExampleFields(const StoredExample& stored);
Result<StoredExample> DecodeExampleFields(std::string_view fields);

}  // namespace attune
