// A vault in memory for tests of examples, and shortcuts over it.

#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "support/status_matchers.h"
#include "support/test_ports.h"
#include "vault/example_store.h"

namespace attune::testing {

inline constexpr std::int64_t kSecondsOfDay = 24 * 60 * 60;

inline Example TextExample(std::string text) {
  Example example;
  example.text = std::move(text);
  return example;
}

// What there is, by id.
inline std::map<std::uint64_t, std::string> TextsOf(ExampleStore& store,
                                                    ExampleStore::Visited* visited = nullptr) {
  std::map<std::uint64_t, std::string> texts;
  std::uint64_t last = 0;
  const auto result = store.ForEach([&](const StoredExample& stored) {
    EXPECT_GT(stored.id, last) << "not in order";
    last = stored.id;
    texts[stored.id] = stored.example.text;
    return true;
  });
  EXPECT_OK(result);
  if (!result.ok()) return {};
  EXPECT_EQ(result->examples, texts.size());
  if (visited != nullptr) *visited = *result;
  return texts;
}

class ExampleWorld {
 public:
  ExampleWorld() { Reopen(); }

  // As another start of the program would.
  void Reopen(const ExamplePolicy& policy = {}) {
    store_.reset();
    vault_.reset();
    auto vault = Vault::Open(ports.ports(), TestVault());
    ASSERT_OK(vault);
    vault_ = *std::move(vault);
    auto store = ExampleStore::Open(*vault_, policy);
    ASSERT_OK(store);
    store_ = *std::move(store);
  }
  Vault& vault() { return *vault_; }
  ExampleStore& store() { return *store_; }

  // The id, or 0 if it was not stored.
  std::uint64_t Record(const std::string& text) {
    const auto recorded = store_->Record(TextExample(text));
    EXPECT_OK(recorded);
    return recorded.ok() ? recorded->id : 0;
  }
  std::map<std::uint64_t, std::string> Texts(ExampleStore::Visited* visited = nullptr) {
    return TextsOf(*store_, visited);
  }

  const std::vector<SegmentEntry>& segments() { return vault_->manifest().segments; }
  std::string PathOf(const SegmentEntry& segment) {
    return vault_->PathOf(Role::kExamples, segment.file);
  }
  std::string BytesOf(const SegmentEntry& segment) { return ports.files.files()[PathOf(segment)]; }

  TestPorts ports;

 private:
  std::unique_ptr<Vault> vault_;
  std::unique_ptr<ExampleStore> store_;
};

}  // namespace attune::testing
