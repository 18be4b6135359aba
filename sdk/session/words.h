// What a word is to the suggestions of a keyboard, byte by byte of UTF-8:
// ASCII letters, digits, apostrophe, hyphen and everything outside ASCII make
// words; all else separates them.

#pragma once

#include <string>
#include <string_view>

namespace attune {

bool IsWordByte(char byte);

// The leading run of word bytes.
std::string_view LeadingWord(std::string_view text);

// A text being typed, cut before its last word.
struct TypedText {
  std::string context;  // What precedes it, spaces at its end removed.
  bool space = false;   // Whether a space separated the two.
  std::string word;     // The last word's letters so far; may be empty.
};
TypedText SplitTyped(std::string_view text);

// Reads the suggestion out of a continuation of `typed.context`.
struct ReadWord {
  enum class State {
    kTyping,    // Not yet all of the typed letters.
    kOpen,      // A word (perhaps still empty) that may go on.
    kComplete,  // A word, and something after it.
    kDead,      // Contradicts what was typed, or is no word.
  };
  State state = State::kDead;
  std::string word;
  // The typed word stands as typed and `word` is the one after it.
  bool follows = false;
};
ReadWord ReadContinuation(const TypedText& typed, std::string_view continuation);

}  // namespace attune
