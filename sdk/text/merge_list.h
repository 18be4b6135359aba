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

// ["a b", ...] or [["a", "b"], ...]
Result<MergeTable> ParseMerges(const Json& json, const Vocabulary& vocabulary);

// Lines "a b" after an optional "#version" line.
Result<MergeTable> ParseMergesText(std::string_view text, const Vocabulary& vocabulary);

}  // namespace attune
