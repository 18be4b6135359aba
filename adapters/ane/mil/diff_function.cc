#include "ane/mil/diff_function.h"

#include <algorithm>
#include <bit>

#include "base/strings.h"

namespace attune::ane::mil {
namespace {

// FNV-1a over what is put in, each piece closed off from the next.
class Digest {
 public:
  void Put(std::string_view bytes) {
    for (const char c : bytes) Mix(static_cast<unsigned char>(c));
    Put(bytes.size());
  }
  void Put(std::uint64_t word) {
    for (int shift = 0; shift < 64; shift += 8) Mix((word >> shift) & 0xFF);
  }
  std::uint64_t value() const { return value_; }

 private:
  void Mix(std::uint64_t byte) { value_ = (value_ ^ byte) * 0x100000001B3u; }
  std::uint64_t value_ = 0xCBF29CE484222325u;
};

std::uint64_t BitsOfNumber(double number) {
  // All NaNs are one.
  if (number != number) return 0x7FF8000000000000u;
  return std::bit_cast<std::uint64_t>(number);
}

std::uint64_t DigestOf(const Literal& literal) {
  Digest digest;
  digest.Put(ToString(literal.type));
  digest.Put(literal.typed ? 1 : 0);
  digest.Put(literal.data.index());
  if (const auto* text = std::get_if<std::string>(&literal.data)) digest.Put(*text);
  if (const auto* blob = std::get_if<Blob>(&literal.data)) {
    digest.Put(blob->path);
    digest.Put(blob->offset);
  }
  if (const auto* numbers = std::get_if<std::vector<double>>(&literal.data)) {
    for (const double number : *numbers) digest.Put(BitsOfNumber(number));
  }
  if (const auto* texts = std::get_if<std::vector<std::string>>(&literal.data)) {
    for (const std::string& text : *texts) digest.Put(text);
  }
  return digest.value();
}

}  // namespace

std::string Describe(const Literal& literal) {
  constexpr std::size_t kShown = 8;
  std::string inside;
  if (const auto* text = std::get_if<std::string>(&literal.data)) {
    inside = StrCat('"', *text, '"');
  } else if (const auto* blob = std::get_if<Blob>(&literal.data)) {
    inside = StrCat(blob->path, " at ", blob->offset);
  } else if (const auto* numbers = std::get_if<std::vector<double>>(&literal.data)) {
    inside = StrJoin(std::vector<double>(numbers->begin(),
                                         numbers->begin() + static_cast<std::ptrdiff_t>(
                                                                std::min(kShown, numbers->size()))),
                     ", ");
    if (numbers->size() > kShown) inside += ", ...";
  } else {
    inside = StrJoin(std::get<std::vector<std::string>>(literal.data), ", ");
  }
  return literal.typed ? StrCat(ToString(literal.type), "(", inside, ")") : inside;
}

bool Same(const Literal& left, const Literal& right) { return DigestOf(left) == DigestOf(right); }

std::vector<const Argument*> ComparedArguments(const Statement& statement) {
  std::vector<const Argument*> arguments;
  for (const Argument& argument : statement.arguments) arguments.push_back(&argument);
  for (const Argument& attribute : statement.attributes) {
    if (attribute.key != "name") arguments.push_back(&attribute);
  }
  std::sort(arguments.begin(), arguments.end(),
            [](const Argument* a, const Argument* b) { return a->key < b->key; });
  return arguments;
}

ComparedFunction::ComparedFunction(const Function& function) : function_(function) {
  for (std::size_t i = 0; i < function.parameters.size(); ++i) {
    meanings_.emplace(function.parameters[i].name,
                      Meaning{Meaning::Kind::kParameter, i, 0, nullptr});
  }
  for (std::size_t i = 0; i < function.body.size(); ++i) Add(function.body[i], i + 1);
}

void ComparedFunction::Add(const Statement& statement, std::size_t number) {
  const Argument* value = statement.FindAttribute("val");
  const Literal* literal = value != nullptr ? std::get_if<Literal>(&value->value) : nullptr;
  if (statement.op == "const" && literal != nullptr && statement.outputs.size() == 1) {
    meanings_.emplace(statement.outputs[0].name, Meaning{Meaning::Kind::kConstant, 0, 0, literal});
    return;
  }
  statements_.push_back(
      {&statement, number, DigestOf(statement, false), DigestOf(statement, true)});
  for (std::size_t i = 0; i < statement.outputs.size(); ++i) {
    meanings_.emplace(statement.outputs[i].name,
                      Meaning{Meaning::Kind::kResult, statements_.size() - 1, i, nullptr});
  }
}

Meaning ComparedFunction::MeaningOf(std::string_view name) const {
  const auto found = meanings_.find(name);
  return found == meanings_.end() ? Meaning() : found->second;
}

std::uint64_t ComparedFunction::DigestOf(std::string_view name, bool deep) const {
  const Meaning meaning = MeaningOf(name);
  if (meaning.kind == Meaning::Kind::kConstant) return mil::DigestOf(*meaning.literal);
  Digest digest;
  if (!deep) return digest.value();
  digest.Put(static_cast<std::uint64_t>(meaning.kind));
  digest.Put(meaning.output);
  const bool result = meaning.kind == Meaning::Kind::kResult;
  digest.Put(result ? statements_[meaning.index].deep : meaning.index);
  return digest.value();
}

std::uint64_t ComparedFunction::DigestOf(const Argument& argument, bool deep) const {
  if (const auto* name = std::get_if<std::string>(&argument.value)) return DigestOf(*name, deep);
  if (const auto* literal = std::get_if<Literal>(&argument.value)) return mil::DigestOf(*literal);
  Digest digest;
  for (const std::string& name : std::get<std::vector<std::string>>(argument.value)) {
    digest.Put(DigestOf(name, deep));
  }
  return digest.value();
}

std::uint64_t ComparedFunction::DigestOf(const Statement& statement, bool deep) const {
  Digest digest;
  digest.Put(statement.op);
  digest.Put(statement.opset);
  for (const Output& output : statement.outputs) digest.Put(ToString(output.type));
  for (const Argument* argument : ComparedArguments(statement)) {
    digest.Put(argument->key);
    digest.Put(DigestOf(*argument, deep));
  }
  return digest.value();
}

std::string ComparedFunction::Describe(std::string_view name) const {
  const Meaning meaning = MeaningOf(name);
  switch (meaning.kind) {
    case Meaning::Kind::kConstant:
      return mil::Describe(*meaning.literal);
    case Meaning::Kind::kParameter:
      return StrCat("input ", meaning.index + 1);
    case Meaning::Kind::kResult: {
      const ComparedStatement& source = statements_[meaning.index];
      return StrCat(source.statement->op, " ", source.number,
                    meaning.output > 0 ? StrCat(" output ", meaning.output + 1) : "");
    }
    case Meaning::Kind::kUnknown:
      break;
  }
  return StrCat("undefined ", name);
}

std::string ComparedFunction::Describe(const Argument& argument) const {
  if (const auto* name = std::get_if<std::string>(&argument.value)) return Describe(*name);
  if (const auto* literal = std::get_if<Literal>(&argument.value)) return mil::Describe(*literal);
  std::vector<std::string> names;
  for (const std::string& name : std::get<std::vector<std::string>>(argument.value)) {
    names.push_back(Describe(name));
  }
  return StrCat("(", StrJoin(names, ", "), ")");
}

}  // namespace attune::ane::mil
