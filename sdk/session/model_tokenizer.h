// The tokenizer that belongs to a model: named, or found beside its files.

#pragma once

#include <memory>
#include <string>

#include "attune/status.h"
#include "formats/decoder_config.h"
#include "ports/file_system.h"
#include "text/tokenizer.h"

namespace attune {

// A model's directory: `model` itself, or the folder of a model file.
std::string ModelDirectory(FileSystem& files, const std::string& model);

// Opens `tokenizer`, or what is beside `model` when that is empty.
//
//   kInvalidArgument  it has more tokens than the model; both numbers
Result<std::unique_ptr<Tokenizer>> OpenModelTokenizer(FileSystem& files, const std::string& model,
                                                      const std::string& tokenizer,
                                                      const DecoderConfig& config);

}  // namespace attune
