#include "vault/context.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace attune {
namespace {

SealContext Sample() {
  SealContext context{.role = Role::kCheckpoint, .adapter = "default", .generation = 7, .index = 3};
  context.vault.fill(std::byte{0x11});
  context.base.fill(std::byte{0x22});
  return context;
}

// docs/formats/vault.md section 3.
TEST(EncodeContext, HasTheDocumentedBytes) {
  const std::string expected = std::string("attune/vault") + std::string("\x01\x00", 2) + "\x02" +
                               std::string(16, '\x11') + std::string(32, '\x22') +
                               std::string("\x07\0\0\0\0\0\0\0", 8) +
                               std::string("\x03\0\0\0\0\0\0\0", 8) + "\x07" + "default";
  EXPECT_EQ(EncodeContext(Sample()), expected);
}

TEST(EncodeContext, DiffersWhereverAFieldDiffers) {
  std::vector<SealContext> contexts(12, Sample());
  contexts[1].role = Role::kAdapter;
  contexts[2].vault[0] = std::byte{1};
  contexts[3].vault[15] = std::byte{1};
  contexts[4].base[0] = std::byte{1};
  contexts[5].base[31] = std::byte{1};
  contexts[6].adapter = "defaulu";
  contexts[7].adapter = "";
  contexts[8].generation = 3;
  contexts[9].generation = std::uint64_t{7} << 56;
  contexts[10].index = 7;
  // The two numbers change places.
  contexts[11].generation = 3;
  contexts[11].index = 7;
  std::set<std::string> encoded;
  for (const SealContext& context : contexts) encoded.insert(EncodeContext(context));
  EXPECT_EQ(encoded.size(), contexts.size());
}

TEST(EncodeContext, RefusesAnAdapterThatDoesNotFitItsLength) {
  SealContext context = Sample();
  context.adapter.assign(kMaxContextAdapterBytes, 'a');
  EXPECT_EQ(EncodeContext(context).size(), 80 + kMaxContextAdapterBytes);
  context.adapter.push_back('a');
  EXPECT_DEATH(EncodeContext(context), "broken invariant");
}

TEST(RoleName, NamesEveryRole) {
  std::set<std::string> names;
  for (int role = 1; role <= 5; ++role) names.insert(RoleName(static_cast<Role>(role)));
  EXPECT_EQ(names.size(), 5u);
  EXPECT_EQ(names.count("unknown role"), 0u);
}

}  // namespace
}  // namespace attune
