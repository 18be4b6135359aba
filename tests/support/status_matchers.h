// ASSERT_OK / EXPECT_OK for Status and Result, and ASSERT_OK_AND_ASSIGN.

#pragma once

#include <gtest/gtest.h>

#include "attune/status.h"

namespace attune::testing {
inline const Status& StatusOf(const Status& status) { return status; }
template <typename T>
const Status& StatusOf(const Result<T>& result) {
  return result.status();
}
}  // namespace attune::testing

#define ASSERT_OK(expression)                                                                   \
  do {                                                                                          \
    const auto& attune_checked = (expression);                                                  \
    ASSERT_TRUE(attune_checked.ok()) << ::attune::testing::StatusOf(attune_checked).ToString(); \
  } while (false)
#define EXPECT_OK(expression)                                                                   \
  do {                                                                                          \
    const auto& attune_checked = (expression);                                                  \
    EXPECT_TRUE(attune_checked.ok()) << ::attune::testing::StatusOf(attune_checked).ToString(); \
  } while (false)
#define ASSERT_OK_AND_ASSIGN(declaration, expression) \
  ASSERT_OK_AND_ASSIGN_INNER(ATTUNE_CONCAT(attune_result_, __LINE__), declaration, expression)
#define ASSERT_OK_AND_ASSIGN_INNER(result, declaration, expression) \
  auto result = (expression);                                       \
  ASSERT_OK(result);                                                \
  declaration = *std::move(result)
