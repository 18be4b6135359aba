// Any bytes as a record of the ledger: an error of one line, or something that encodes
// to the same bytes and that can be told.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "schedule/ledger.h"
#include "schedule/why.h"

namespace attune {
namespace {

void CheckRecord(std::string_view bytes) {
  const auto record = DecodeLedgerRecord(bytes);
  if (!record.ok()) {
    ATTUNE_CHECK(record.status().message().find('\n') == std::string::npos);
    return;
  }
  ATTUNE_CHECK(EncodeLedgerRecord(*record) == bytes);
  const std::vector<std::string> jobs = {record->job};
  const std::int64_t night = NightOf(record->when, record->utc_offset_seconds);
  const auto nights = Why({&*record, 1}, jobs, night, night);
  ATTUNE_CHECK(nights.size() == 1 && !nights[0].sentence.empty());
  ATTUNE_CHECK(nights[0].sentence.size() < 1000);
}

}  // namespace
}  // namespace attune

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  attune::CheckRecord({reinterpret_cast<const char*>(data), size});
  return 0;
}
