#include "text/sentencepiece_model.h"

#include <utility>

#include "base/strings.h"
#include "text/proto_reader.h"
#include "text/score_tokenizer.h"
#include "text/utf8.h"

namespace attune {

namespace {

constexpr std::uint64_t kBpeModel = 2;

// Field numbers of sentencepiece_model.proto.
struct ModelField {
  enum : std::uint32_t { kPiece = 1, kTrainer = 2, kNormalizer = 3, kDenormalizer = 5 };
};
struct PieceField {
  enum : std::uint32_t { kSpelling = 1, kScore = 2, kKind = 3 };
};
struct TrainerField {
  enum : std::uint32_t {
    kModelType = 3,
    kSpaceAsSuffix = 24,
    kByteFallback = 35,
    kBosId = 41,
    kEosId = 42,
  };
};
struct NormalizerField {
  enum : std::uint32_t { kCharsMap = 2, kDummyPrefix = 3, kExtraSpaces = 4, kEscapeSpaces = 5 };
};

struct Model {
  ScoreParts parts;
  std::uint64_t model_type = 1;
  bool space_as_suffix = false;
  std::int64_t bos_id = 1;
  std::int64_t eos_id = 2;
  bool has_unknown = false;

  Model() {
    parts.byte_fallback = false;
    parts.collapse_spaces = true;
  }
};

Status ReadPiece(std::string_view message, Model* model) {
  std::string_view spelling;
  ScoredPiece piece;
  for (ProtoReader reader(message); !reader.done();) {
    ATTUNE_ASSIGN_OR_RETURN(const ProtoField field, reader.Next());
    if (field.number == PieceField::kSpelling) spelling = field.bytes;
    if (field.number == PieceField::kScore) piece.score = ProtoFloat(field);
    if (field.number != PieceField::kKind) continue;
    if (field.scalar < 1 || field.scalar > 6) {
      return InvalidArgument(StrCat("type ", field.scalar, ", allowed 1 to 6"));
    }
    piece.kind = static_cast<PieceKind>(field.scalar);
  }
  if (spelling.empty() || !IsValidUtf8(spelling)) {
    return InvalidArgument(spelling.empty() ? "no spelling" : "spelling is not UTF-8");
  }
  const auto id = static_cast<std::int64_t>(model->parts.pieces.size());
  ATTUNE_RETURN_IF_ERROR(model->parts.vocabulary.Add(id, spelling));
  model->parts.pieces.push_back(piece);
  if (piece.kind == PieceKind::kUnknown) {
    if (model->has_unknown) return InvalidArgument("a second unknown token");
    model->has_unknown = true;
    model->parts.unknown_id = static_cast<std::int32_t>(id);
  }
  return OkStatus();
}

Status ReadTrainer(std::string_view message, Model* model) {
  for (ProtoReader reader(message); !reader.done();) {
    ATTUNE_ASSIGN_OR_RETURN(const ProtoField field, reader.Next());
    switch (field.number) {
      case TrainerField::kModelType:
        model->model_type = field.scalar;
        break;
      case TrainerField::kSpaceAsSuffix:
        model->space_as_suffix = field.scalar != 0;
        break;
      case TrainerField::kByteFallback:
        model->parts.byte_fallback = field.scalar != 0;
        break;
      case TrainerField::kBosId:
        model->bos_id = static_cast<std::int64_t>(field.scalar);
        break;
      case TrainerField::kEosId:
        model->eos_id = static_cast<std::int64_t>(field.scalar);
        break;
    }
  }
  return OkStatus();
}

Status ReadNormalizer(std::string_view message, Model* model) {
  for (ProtoReader reader(message); !reader.done();) {
    ATTUNE_ASSIGN_OR_RETURN(const ProtoField field, reader.Next());
    switch (field.number) {
      case NormalizerField::kCharsMap:
        if (!field.bytes.empty()) {
          return Unsupported(StrCat("normalizer: character map of ", field.bytes.size(),
                                    " bytes, supported is none (identity)"));
        }
        break;
      case NormalizerField::kDummyPrefix:
        model->parts.add_dummy_prefix = field.scalar != 0;
        break;
      case NormalizerField::kExtraSpaces:
        model->parts.collapse_spaces = field.scalar != 0;
        break;
      case NormalizerField::kEscapeSpaces:
        model->parts.escape_spaces = field.scalar != 0;
        break;
    }
  }
  return OkStatus();
}

Status ReadModel(std::string_view bytes, Model* model) {
  for (ProtoReader reader(bytes); !reader.done();) {
    ATTUNE_ASSIGN_OR_RETURN(const ProtoField field, reader.Next());
    if (field.number == ModelField::kPiece) {
      const std::size_t id = model->parts.pieces.size();
      Status read = ReadPiece(field.bytes, model);
      if (!read.ok()) return std::move(read).WithContext(StrCat("piece ", id));
    } else if (field.number == ModelField::kTrainer) {
      ATTUNE_RETURN_IF_ERROR(ReadTrainer(field.bytes, model));
    } else if (field.number == ModelField::kNormalizer) {
      ATTUNE_RETURN_IF_ERROR(ReadNormalizer(field.bytes, model));
    }
  }
  return OkStatus();
}

std::string ModelTypeName(std::uint64_t type) {
  switch (type) {
    case 1:
      return "unigram";
    case 3:
      return "word";
    case 4:
      return "char";
  }
  return StrCat(type);
}

// Models may name ids they do not have: "no such token".
std::optional<std::int32_t> ControlId(const Model& model, std::int64_t id) {
  if (id < 0 || id >= std::ssize(model.parts.pieces)) return std::nullopt;
  if (model.parts.pieces[static_cast<std::size_t>(id)].kind != PieceKind::kControl) {
    return std::nullopt;
  }
  return static_cast<std::int32_t>(id);
}

Status CheckByteFallback(const ScoreParts& parts) {
  if (!parts.byte_fallback) return OkStatus();
  int bytes = 0;
  for (const ScoredPiece& piece : parts.pieces) bytes += piece.kind == PieceKind::kByte;
  if (bytes == 256) return OkStatus();
  return InvalidArgument(StrCat("byte fallback with ", bytes, " byte tokens, needs 256"));
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> ParseSentencePieceModel(std::string_view bytes) {
  Model model;
  ATTUNE_RETURN_IF_ERROR(ReadModel(bytes, &model));
  if (model.model_type != kBpeModel) {
    return Unsupported(
        StrCat("model type ", ModelTypeName(model.model_type), ", supported is bpe"));
  }
  if (model.space_as_suffix) return Unsupported("trainer: white space as suffix");
  if (!model.has_unknown) {
    return InvalidArgument(StrCat("no unknown token among ", model.parts.pieces.size(), " pieces"));
  }
  ATTUNE_RETURN_IF_ERROR(CheckByteFallback(model.parts));
  model.parts.bos_id = ControlId(model, model.bos_id);
  model.parts.eos_id = ControlId(model, model.eos_id);
  return ScoreTokenizer::Create(std::move(model.parts));
}

}  // namespace attune
