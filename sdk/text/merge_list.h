// Builds the vocabulary and the merges of a BPE model from their JSON and text
// spellings, checking each merge against the vocabulary.

#pragma once

#include <string_view>

#include "attune/status.h"
#include "formats/json.h"
#include "text/merge_table.h"
#include "text/vocabulary.h"

namespace attune {

// {"token": id, ...}
Result<Vocabulary> ParseVocabulary(const Json& json);

// The text of ["a b", ...] or [["a", "b"], ...]. Read a slice at a time: a tree
// of it would be the largest thing in memory.
Result<MergeTable> ParseMerges(std::string_view array, const Vocabulary& vocabulary);

// Lines "a b" after an optional "#version" line.
Result<MergeTable> ParseMergesText(std::string_view text, const Vocabulary& vocabulary);

}  // namespace attune
