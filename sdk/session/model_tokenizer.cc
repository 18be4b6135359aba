#include "session/model_tokenizer.h"

#include "base/strings.h"

namespace attune {

std::string ModelDirectory(FileSystem& files, const std::string& model) {
  if (files.IsDirectory(model)) return model;
  const auto slash = model.rfind('/');
  return slash == std::string::npos ? "." : model.substr(0, slash + 1);
}

Result<std::unique_ptr<Tokenizer>> OpenModelTokenizer(FileSystem& files, const std::string& model,
                                                      const std::string& tokenizer,
                                                      const DecoderConfig& config) {
  ATTUNE_ASSIGN_OR_RETURN(
      auto opened,
      Tokenizer::Open(files, tokenizer.empty() ? ModelDirectory(files, model) : tokenizer));
  if (opened->vocab_size() > config.vocabulary) {
    return InvalidArgument(StrCat("the tokenizer has ", opened->vocab_size(), " tokens, the model ",
                                  config.vocabulary));
  }
  return opened;
}

}  // namespace attune
