#include "contract/key_store/key_store_contract.h"

#include <algorithm>
#include <thread>
#include <vector>

#include "support/sealed_message.h"
#include "support/status_matchers.h"

namespace attune::testing {

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(KeyStoreContract);

namespace {

std::string Loaded(KeyStore& keys, const std::string& name) {
  const auto secret = keys.Load(name);
  if (!secret.ok()) return secret.status().ToString();
  return {reinterpret_cast<const char*>(secret->bytes().data()), secret->size()};
}

}  // namespace

TEST_P(KeyStoreContract, LoadsWhatWasStored) {
  for (const std::size_t size : {std::size_t{1}, std::size_t{32}, kMaxKeyStoreItemBytes}) {
    const std::string secret = TestPlaintext(size, size);
    ASSERT_OK(keys_->Store("key", AsBytes(secret)));
    EXPECT_EQ(Loaded(*keys_, "key"), secret);
    EXPECT_EQ(Loaded(*home_->Open(), "key"), secret);
  }
}

TEST_P(KeyStoreContract, AnAbsentItemIsNotFound) {
  EXPECT_EQ(keys_->Load("key").status().code(), StatusCode::kNotFound);
  ASSERT_OK(keys_->Store("other", AsBytes("secret")));
  EXPECT_EQ(keys_->Load("key").status().code(), StatusCode::kNotFound);
}

TEST_P(KeyStoreContract, StoringReplacesAndLeavesOthersAlone) {
  ASSERT_OK(keys_->Store("a", AsBytes("first")));
  ASSERT_OK(keys_->Store("b", AsBytes("second")));
  ASSERT_OK(keys_->Store("a", AsBytes("third, which is longer")));
  ASSERT_OK(keys_->Store("b", AsBytes("2")));
  EXPECT_EQ(Loaded(*keys_, "a"), "third, which is longer");
  EXPECT_EQ(Loaded(*keys_, "b"), "2");
}

TEST_P(KeyStoreContract, RemovedItemsAreGoneAndAbsentOnesFine) {
  ASSERT_OK(keys_->Remove("key"));
  ASSERT_OK(keys_->Store("key", AsBytes("secret")));
  ASSERT_OK(keys_->Store("other", AsBytes("secret")));
  ASSERT_OK(keys_->Remove("key"));
  ASSERT_OK(keys_->Remove("key"));
  EXPECT_EQ(keys_->Load("key").status().code(), StatusCode::kNotFound);
  EXPECT_EQ(home_->Open()->Load("key").status().code(), StatusCode::kNotFound);
  EXPECT_EQ(Loaded(*keys_, "other"), "secret");
}

TEST_P(KeyStoreContract, OneStoreSeesWhatAnotherStored) {
  const auto other = home_->Open();
  ASSERT_OK(keys_->Store("key", AsBytes("first")));
  EXPECT_EQ(Loaded(*other, "key"), "first");
  ASSERT_OK(other->Store("key", AsBytes("second")));
  EXPECT_EQ(Loaded(*keys_, "key"), "second");
}

TEST_P(KeyStoreContract, RefusesNamesAndItemsThatItMayNotTake) {
  for (const std::string& name :
       {std::string(), std::string("Key"), std::string("a/b"), std::string("../key"),
        std::string("k y"), std::string("k\0y", 3), std::string("\xc3\xa9"),
        std::string(kMaxKeyStoreNameBytes + 1, 'a')}) {
    EXPECT_EQ(keys_->Load(name).status().code(), StatusCode::kInvalidArgument) << name;
    EXPECT_EQ(keys_->Store(name, AsBytes("secret")).code(), StatusCode::kInvalidArgument) << name;
    EXPECT_EQ(keys_->Remove(name).code(), StatusCode::kInvalidArgument) << name;
  }
  EXPECT_EQ(keys_->Store("key", {}).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(keys_->Store("key", AsBytes(std::string(kMaxKeyStoreItemBytes + 1, 'x'))).code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(keys_->Load("key").status().code(), StatusCode::kNotFound);
}

TEST_P(KeyStoreContract, TakesEveryNameThatItMust) {
  for (const std::string& name :
       {std::string("."), std::string(".."), std::string("a.key"), std::string("lock"),
        std::string("0_-."), std::string(kMaxKeyStoreNameBytes, 'z')}) {
    ASSERT_OK(keys_->Store(name, AsBytes(name)));
  }
  for (const std::string& name : {std::string("."), std::string(".."), std::string("lock")}) {
    EXPECT_EQ(Loaded(*keys_, name), name);
  }
}

TEST_P(KeyStoreContract, SeveralThreadsMayUseItAtOnce) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      const std::string name = "key" + std::to_string(i);
      for (int round = 0; round < 5; ++round) {
        EXPECT_OK(keys_->Store(name, AsBytes(name)));
        EXPECT_EQ(Loaded(*keys_, name), name);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace attune::testing
