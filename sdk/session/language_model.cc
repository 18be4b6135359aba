#include "attune/language_model.h"

#include <utility>

#include "formats/peft.h"
#include "session/platform.h"
#include "session/served_model.h"

namespace attune {

class LanguageModel::Impl {
 public:
  Impl(FileSystem& files, std::unique_ptr<ServedModel> model)
      : files_(files), model_(std::move(model)) {}

  Status LoadAdapter(const std::string& directory) {
    ATTUNE_ASSIGN_OR_RETURN(const PeftAdapter adapter, ReadPeftAdapter(files_, directory));
    return model_->SetAdapter(adapter).WithContext(BaseName(directory));
  }
  ServedModel& model() { return *model_; }

 private:
  FileSystem& files_;
  const std::unique_ptr<ServedModel> model_;
};

Result<std::unique_ptr<LanguageModel>> LanguageModel::Open(const Platform& platform,
                                                           const std::string& path,
                                                           const OpenOptions& options) {
  ATTUNE_ASSIGN_OR_RETURN(auto model, ServedModel::Open(platform, path, options));
  auto impl = std::make_unique<Impl>(*platform.files, std::move(model));
  return std::unique_ptr<LanguageModel>(new LanguageModel(std::move(impl)));
}

LanguageModel::LanguageModel(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LanguageModel::~LanguageModel() = default;

Status LanguageModel::LoadAdapter(const std::string& directory) {
  return impl_->LoadAdapter(directory);
}
void LanguageModel::UnloadAdapter() { impl_->model().ClearAdapter(); }
bool LanguageModel::has_adapter() const { return impl_->model().adapted(); }

Result<Generated> LanguageModel::Generate(std::string_view prompt, const GenerateOptions& options,
                                          const std::function<bool(std::string_view)>& on_piece) {
  return impl_->model().Generate(prompt, options, on_piece);
}
Result<Score> LanguageModel::ScoreText(std::string_view text) {
  return impl_->model().ScoreText(text);
}
Result<std::vector<WordSuggestion>> LanguageModel::SuggestWords(std::string_view prefix,
                                                                std::size_t count) {
  return impl_->model().SuggestWords(prefix, count);
}
std::int64_t LanguageModel::compiled_executables() const { return impl_->model().compiled(); }

}  // namespace attune
