#include "ane/mil/blob.h"

#include <cstring>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "support/status_matchers.h"
#include "unit/ane/mil/weight_file.h"

namespace attune::ane::mil {
namespace {

using ::testing::HasSubstr;

TEST(WeightFile, YieldsItsRecordsInOrder) {
  WeightFile file;
  const std::uint64_t first = file.Append(1, 100);
  const std::uint64_t second = file.Append(4, 64);
  EXPECT_EQ(first, 64u);
  EXPECT_EQ(second, 64u + 64 + 128);  // 100 bytes fill two units of 64.
  ASSERT_OK_AND_ASSIGN(const auto records, ReadRecords(file.bytes()));
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].data_offset, 128u);
  EXPECT_EQ(records[0].data_bytes, 100u);
  EXPECT_EQ(records[1].offset, second);
  EXPECT_EQ(records[1].dtype, 4u);
  EXPECT_EQ(records[1].data_offset, second + 64);
  ASSERT_OK_AND_ASSIGN(const BlobRecord alone, ReadRecord(file.bytes(), second));
  EXPECT_EQ(alone.data_bytes, 64u);
}

TEST(WeightFile, IsReadThoughItsCountWasLeftAtOne) {
  WeightFile file;
  file.Append(1, 64);
  file.Append(1, 64);
  file.Set<std::uint32_t>(0, 1);
  ASSERT_OK_AND_ASSIGN(const auto records, ReadRecords(file.bytes()));
  EXPECT_EQ(records.size(), 2u);
}

TEST(WeightFile, MayEndInZeros) {
  WeightFile file;
  file.Append(1, 64);
  std::vector<std::byte> bytes(file.bytes().begin(), file.bytes().end());
  bytes.resize(bytes.size() + 4096);
  ASSERT_OK_AND_ASSIGN(const auto records, ReadRecords(bytes));
  EXPECT_EQ(records.size(), 1u);
}

TEST(WeightFile, KeepsAWrongDataOffsetAsItIs) {
  WeightFile file;
  file.Append(1, 64);
  const std::uint64_t second = file.Append(1, 64);
  file.Set<std::uint64_t>(second + 16, 128);
  ASSERT_OK_AND_ASSIGN(const BlobRecord record, ReadRecord(file.bytes(), second));
  EXPECT_EQ(record.data_offset, 128u);
}

TEST(WeightFile, SaysWhatIsDamaged) {
  WeightFile file;
  const std::uint64_t record = file.Append(1, 256);
  EXPECT_THAT(ReadRecord(file.bytes(), record + 64).status().message(), HasSubstr("no sentinel"));
  EXPECT_THAT(ReadRecord(file.bytes(), 1 << 20).status().message(),
              HasSubstr("the file has 384 bytes"));
  EXPECT_THAT(ReadRecord(file.bytes(), ~std::uint64_t{0}).status().message(),
              HasSubstr("a record needs 64"));
  for (const std::uint64_t bytes : {std::uint64_t{257}, ~std::uint64_t{0}}) {
    file.Set<std::uint64_t>(record + 8, bytes);
    EXPECT_EQ(ReadRecord(file.bytes(), record).status().code(), StatusCode::kDataLoss);
    EXPECT_FALSE(ReadRecords(file.bytes()).ok());
    EXPECT_OK(ReadRecordHeader(file.bytes(), record));
  }
  file.Set<std::uint32_t>(4, 1);
  EXPECT_THAT(ReadRecords(file.bytes()).status().message(), HasSubstr("version 1"));
  EXPECT_FALSE(ReadRecords(file.bytes().first(63)).ok());
}

TEST(WeightFile, FailsCleanlyWhereverItIsCutOff) {
  WeightFile file;
  file.Append(1, 100);
  file.Append(1, 100);
  for (std::size_t length = 0; length < 64 + 64 + 128 + 64 + 100; ++length) {
    EXPECT_FALSE(ReadRecords(file.bytes().first(length)).ok()) << length;
  }
}

TEST(BitsOf, CountsPackedTypes) {
  EXPECT_EQ(BitsOf(DataType::kUint3), 3);
  EXPECT_EQ(BitsOf(DataType::kInt4), 4);
  EXPECT_EQ(BitsOf(DataType::kInt8), 8);
  EXPECT_EQ(BitsOf(DataType::kFp16), 16);
  EXPECT_EQ(BitsOf(DataType::kUint64), 64);
  EXPECT_EQ(BitsOf(DataType::kString), 0);
}

}  // namespace
}  // namespace attune::ane::mil
