#include "ane/mil/diff.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>

#include "ane/mil/diff_function.h"
#include "base/strings.h"

namespace attune::ane::mil {
namespace {

constexpr std::size_t kNone = ~std::size_t{0};
// Cells of the table that finds the longest common subsequence. Beyond, what is left
// is paired by op alone.
constexpr std::size_t kMaxTable = std::size_t{1} << 22;

class FunctionDiff {
 public:
  FunctionDiff(const Function& left, const Function& right, std::vector<Difference>* found)
      : left_(left),
        right_(right),
        to_right_(left_.statements().size(), kNone),
        to_left_(right_.statements().size(), kNone),
        found_(found) {}

  void Run();

 private:
  void Pair(std::size_t left, std::size_t right) {
    to_right_[left] = right;
    to_left_[right] = left;
  }
  void PairEqual();
  void PairInOrder();
  void PairByOp();
  bool SameValue(std::string_view left, std::string_view right) const;
  bool SameArgument(const Argument& left, const Argument& right) const;
  void CompareHeads();
  void ComparePair(const ComparedStatement& left, const ComparedStatement& right);
  void CompareReturns();
  void Report(std::string where, std::string left, std::string right) {
    found_->push_back(
        {StrCat(left_.function().name, ", ", where), std::move(left), std::move(right)});
  }
  static std::string Place(const ComparedStatement& statement) {
    return StrCat("statement ", statement.number, " (", statement.statement->op, ")");
  }

  ComparedFunction left_, right_;
  std::vector<std::size_t> to_right_, to_left_;  // kNone: only on this side.
  std::vector<Difference>* found_;
};

std::vector<std::size_t> Unpaired(const std::vector<std::size_t>& partners) {
  std::vector<std::size_t> left;
  for (std::size_t i = 0; i < partners.size(); ++i) {
    if (partners[i] == kNone) left.push_back(i);
  }
  return left;
}

// Statements that compute the same from the inputs on, wherever they stand.
void FunctionDiff::PairEqual() {
  std::map<std::uint64_t, std::vector<std::size_t>> by_digest;
  for (std::size_t j = right_.statements().size(); j-- > 0;) {
    by_digest[right_.statements()[j].deep].push_back(j);
  }
  for (std::size_t i = 0; i < left_.statements().size(); ++i) {
    const auto same = by_digest.find(left_.statements()[i].deep);
    if (same == by_digest.end() || same->second.empty()) continue;
    Pair(i, same->second.back());
    same->second.pop_back();
  }
}

// Of the rest, the longest sequence that agrees in op, types and literals: behind a
// difference everything computes something else, but is not itself different.
void FunctionDiff::PairInOrder() {
  const std::vector<std::size_t> left = Unpaired(to_right_), right = Unpaired(to_left_);
  if (left.empty() || right.empty() || left.size() > kMaxTable / right.size()) return;
  const auto local = [this](std::size_t i, std::size_t j) {
    return left_.statements()[i].local == right_.statements()[j].local;
  };
  const std::size_t row = right.size() + 1;
  std::vector<std::uint32_t> length((left.size() + 1) * row);
  for (std::size_t i = left.size(); i-- > 0;) {
    for (std::size_t j = right.size(); j-- > 0;) {
      length[i * row + j] = local(left[i], right[j])
                                ? length[(i + 1) * row + j + 1] + 1
                                : std::max(length[(i + 1) * row + j], length[i * row + j + 1]);
    }
  }
  for (std::size_t i = 0, j = 0; i < left.size() && j < right.size();) {
    if (local(left[i], right[j])) {
      Pair(left[i++], right[j++]);
    } else if (length[(i + 1) * row + j] >= length[i * row + j + 1]) {
      ++i;
    } else {
      ++j;
    }
  }
}

// What remains of one op is taken to be the same statement, changed.
void FunctionDiff::PairByOp() {
  std::map<std::string_view, std::vector<std::size_t>> by_op;
  const std::vector<std::size_t> right = Unpaired(to_left_);
  for (auto j = right.rbegin(); j != right.rend(); ++j) {
    by_op[right_.statements()[*j].statement->op].push_back(*j);
  }
  for (const std::size_t i : Unpaired(to_right_)) {
    const auto same = by_op.find(left_.statements()[i].statement->op);
    if (same == by_op.end() || same->second.empty()) continue;
    Pair(i, same->second.back());
    same->second.pop_back();
  }
}

bool FunctionDiff::SameValue(std::string_view left, std::string_view right) const {
  const Meaning a = left_.MeaningOf(left), b = right_.MeaningOf(right);
  if (a.kind != b.kind) return false;
  if (a.kind == Meaning::Kind::kConstant) return Same(*a.literal, *b.literal);
  if (a.kind == Meaning::Kind::kParameter) return a.index == b.index;
  return a.kind == Meaning::Kind::kUnknown ||
         (to_right_[a.index] == b.index && a.output == b.output);
}

bool FunctionDiff::SameArgument(const Argument& left, const Argument& right) const {
  const auto* a = std::get_if<std::vector<std::string>>(&left.value);
  const auto* b = std::get_if<std::vector<std::string>>(&right.value);
  if (a != nullptr && b != nullptr) {
    return std::equal(a->begin(), a->end(), b->begin(), b->end(),
                      [this](const auto& x, const auto& y) { return SameValue(x, y); });
  }
  const auto* x = std::get_if<std::string>(&left.value);
  const auto* y = std::get_if<std::string>(&right.value);
  if (x != nullptr && y != nullptr) return SameValue(*x, *y);
  // A constant by name and the same one written out are equal.
  const auto literal = [](const ComparedFunction& side, const Argument& argument) {
    const auto* name = std::get_if<std::string>(&argument.value);
    return name != nullptr ? side.MeaningOf(*name).literal : std::get_if<Literal>(&argument.value);
  };
  const Literal* p = literal(left_, left);
  const Literal* q = literal(right_, right);
  return p != nullptr && q != nullptr && Same(*p, *q);
}

std::string TypesOf(const std::vector<Output>& outputs) {
  std::vector<std::string> types;
  for (const Output& output : outputs) types.push_back(ToString(output.type));
  return StrJoin(types, ", ");
}

void AppendTo(std::string* list, std::string_view item) {
  if (!list->empty()) list->append("; ");
  list->append(item);
}

void FunctionDiff::CompareHeads() {
  const Function& left = left_.function();
  const Function& right = right_.function();
  if (left.opset != right.opset) Report("opset", left.opset, right.opset);
  if (TypesOf(left.parameters) != TypesOf(right.parameters)) {
    Report("inputs", TypesOf(left.parameters), TypesOf(right.parameters));
  }
}

// Only what differs is shown.
void FunctionDiff::ComparePair(const ComparedStatement& left, const ComparedStatement& right) {
  std::string on_left, on_right;
  const auto differ = [&](const std::string& a, const std::string& b) {
    AppendTo(&on_left, a);
    AppendTo(&on_right, b);
  };
  const Statement& a = *left.statement;
  const Statement& b = *right.statement;
  if (a.opset != b.opset) differ(a.op + "<" + a.opset + ">", b.op + "<" + b.opset + ">");
  if (TypesOf(a.outputs) != TypesOf(b.outputs)) differ(TypesOf(a.outputs), TypesOf(b.outputs));
  const std::vector<const Argument*> of_left = ComparedArguments(a),
                                     of_right = ComparedArguments(b);
  for (auto i = of_left.begin(), j = of_right.begin(); i != of_left.end() || j != of_right.end();) {
    const bool take_left = i != of_left.end() && (j == of_right.end() || (*i)->key <= (*j)->key);
    const bool take_right = j != of_right.end() && (i == of_left.end() || (*j)->key <= (*i)->key);
    if (!take_left || !take_right || !SameArgument(**i, **j)) {
      const std::string& key = take_left ? (*i)->key : (*j)->key;
      differ(take_left ? StrCat(key, " = ", left_.Describe(**i)) : StrCat("no ", key),
             take_right ? StrCat(key, " = ", right_.Describe(**j)) : StrCat("no ", key));
    }
    if (take_left) ++i;
    if (take_right) ++j;
  }
  if (!on_left.empty()) Report(Place(left), on_left, on_right);
}

void FunctionDiff::CompareReturns() {
  const std::vector<std::string>& left = left_.function().returns;
  const std::vector<std::string>& right = right_.function().returns;
  for (std::size_t i = 0; i < std::max(left.size(), right.size()); ++i) {
    const bool both = i < left.size() && i < right.size();
    if (both && SameValue(left[i], right[i])) continue;
    Report(StrCat("output ", i + 1), i < left.size() ? left_.Describe(left[i]) : "",
           i < right.size() ? right_.Describe(right[i]) : "");
  }
}

void FunctionDiff::Run() {
  PairEqual();
  PairInOrder();
  PairByOp();
  CompareHeads();
  for (std::size_t i = 0; i < to_right_.size(); ++i) {
    const ComparedStatement& statement = left_.statements()[i];
    if (to_right_[i] == kNone) {
      Report(Place(statement),
             statement.statement->op + " -> " + TypesOf(statement.statement->outputs), "");
    } else {
      ComparePair(statement, right_.statements()[to_right_[i]]);
    }
  }
  for (const std::size_t j : Unpaired(to_left_)) {
    const ComparedStatement& statement = right_.statements()[j];
    Report(Place(statement), "",
           statement.statement->op + " -> " + TypesOf(statement.statement->outputs));
  }
  CompareReturns();
}

const Function* FindFunction(const Program& program, std::string_view name) {
  for (const Function& function : program.functions) {
    if (function.name == name) return &function;
  }
  return nullptr;
}

}  // namespace

std::vector<Difference> Diff(const Program& left, const Program& right) {
  std::vector<Difference> found;
  if (left.version != right.version) found.push_back({"program", left.version, right.version});
  if (left.functions.size() == 1 && right.functions.size() == 1) {
    FunctionDiff(left.functions[0], right.functions[0], &found).Run();
    return found;
  }
  for (const Function& function : left.functions) {
    if (const Function* other = FindFunction(right, function.name); other != nullptr) {
      FunctionDiff(function, *other, &found).Run();
    } else {
      found.push_back({"program", "function " + function.name, ""});
    }
  }
  for (const Function& function : right.functions) {
    if (FindFunction(left, function.name) == nullptr) {
      found.push_back({"program", "", "function " + function.name});
    }
  }
  return found;
}

}  // namespace attune::ane::mil
