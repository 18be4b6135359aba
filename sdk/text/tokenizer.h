// A Tokenizer turns text into the token ids a model was trained on, and back.
// It is opened from the files a model ships with and never changes afterwards.
//
// Text is UTF-8. Each maximal invalid sequence in the input is read as U+FFFD,
// exactly as Python's bytes.decode("utf-8", "replace") does, before anything
// else happens; so "\xff" and "\xef\xbf\xbd" give the same ids.
//
// Threads: every const method may be called from any thread.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "attune/status.h"
#include "ports/file_system.h"

namespace attune {

// The longest text that Encode() accepts, in bytes.
inline constexpr std::size_t kMaxEncodeBytes = std::size_t{1} << 26;

struct EncodeOptions {
  // Adds what the model expects around a whole text (a BOS token for Llama,
  // nothing for GPT-2).
  bool add_special_tokens = true;

  // Reads "<|im_end|>" and the like in the text as the control tokens they
  // name. Keep it off for anything a user typed: with it on, text can speak
  // for the application.
  bool parse_special = false;
};

struct DecodeOptions {
  // Leaves control tokens out of the text.
  bool skip_special = true;
};

class Tokenizer {
 public:
  // Opens the tokenizer at `path`: a file, or a directory that holds, in order
  // of preference, tokenizer.json, vocab.json with merges.txt, tokenizer.model
  // or tokenizer.bin. A file is read by its name: *.json (vocab.json needs
  // merges.txt beside it), *.model (SentencePiece), *.bin (llama2.c).
  // tokenizer_config.json beside it, if any, names the BOS and EOS tokens.
  //
  //   kNotFound         no tokenizer file there
  //   kInvalidArgument  the file is malformed or contradicts itself
  //   kUnsupported      a component that this build does not implement; named
  static Result<std::unique_ptr<Tokenizer>> Open(FileSystem& files, const std::string& path);

  virtual ~Tokenizer() = default;
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;

  // Time is O(n log n) in the length of the longest word.
  //
  //   kInvalidArgument    text longer than kMaxEncodeBytes
  //   kResourceExhausted  the tokenizer's pattern needs too many steps on it
  virtual Result<std::vector<std::int32_t>> Encode(std::string_view text,
                                                   const EncodeOptions& options = {}) const = 0;

  // The text of `ids`. Ids outside the vocabulary and unassigned ones add
  // nothing. The result is valid UTF-8: a stray byte becomes U+FFFD.
  std::string Decode(std::span<const std::int32_t> ids, const DecodeOptions& options = {}) const;

  // One more than the highest id. A model's embedding may have more rows
  // (padding), never fewer.
  virtual std::int32_t vocab_size() const = 0;

  // The tokens that start and end a text, where the files name them.
  virtual std::optional<std::int32_t> bos_id() const = 0;
  virtual std::optional<std::int32_t> eos_id() const = 0;

  // The exact bytes that the token adds to a text that already has some; not
  // necessarily whole characters. Empty for special and unknown ids.
  virtual std::string TokenBytes(std::int32_t id) const = 0;

  // Whether the token starts a new word: its bytes begin with white space.
  bool BeginsWord(std::int32_t id) const;

  // Whether the token is a control token such as BOS, never part of a text.
  virtual bool IsSpecial(std::int32_t id) const = 0;

  // A token by the vocabulary's own spelling ("Ġthe", "▁the", "<|im_end|>").
  virtual std::optional<std::int32_t> FindToken(std::string_view spelling) const = 0;
  virtual std::string TokenSpelling(std::int32_t id) const = 0;

 protected:
  Tokenizer() = default;

  // How many leading spaces a decoded text loses at most: the counterpart of
  // those that SentencePiece-style encoders put in front or take away.
  virtual std::size_t LeadingSpacesToStrip() const = 0;

 private:
  friend class StreamDecoder;
};

// Decodes one token at a time, for output as it is generated. The pieces
// concatenate to what Decode() gives for the whole sequence.
//
// Threads: use from one at a time.
class StreamDecoder {
 public:
  // `tokenizer` is not owned and must outlive this object.
  explicit StreamDecoder(const Tokenizer& tokenizer, const DecodeOptions& options = {});

  // For output that continues a text: keeps the first token's leading space.
  void ContinueText() { to_strip_ = 0; }

  // The text that `id` completes. Bytes of an unfinished character wait.
  std::string Push(std::int32_t id);

  // What is still waiting, as U+FFFD. The decoder starts over afterwards.
  std::string Finish();

 private:
  const Tokenizer& tokenizer_;
  DecodeOptions options_;
  std::size_t to_strip_ = 0;
  std::string pending_;
};

}  // namespace attune
