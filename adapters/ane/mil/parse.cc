#include "ane/mil/parse.h"

#include <utility>

#include "ane/mil/token_reader.h"
#include "ane/mil/value.h"
#include "base/strings.h"

namespace attune::ane::mil {
namespace {

// No op has as many; each is compared with the others.
constexpr std::size_t kMaxArguments = 128;

// <type> <name>
Result<Output> ReadOutput(TokenReader* in) {
  Output output;
  ATTUNE_RETURN_IF_ERROR(in->CountArgument());
  ATTUNE_ASSIGN_OR_RETURN(output.type, ReadType(in));
  ATTUNE_ASSIGN_OR_RETURN(output.name, in->Name("the name of a value"));
  return output;
}

// <opset> in angle brackets, behind the name of a function or an op.
Result<std::string> ReadOpset(TokenReader* in) {
  ATTUNE_RETURN_IF_ERROR(in->Expect('<'));
  ATTUNE_ASSIGN_OR_RETURN(std::string opset, in->Name("an opset such as ios18"));
  ATTUNE_RETURN_IF_ERROR(in->Expect('>'));
  return opset;
}

// <type> <name> {, <type> <name>}, with parentheses around them or without.
Status ReadOutputs(TokenReader* in, std::vector<Output>* outputs) {
  ATTUNE_ASSIGN_OR_RETURN(const bool enclosed, in->Take('('));
  do {
    if (!outputs->empty()) ATTUNE_RETURN_IF_ERROR(in->Expect(','));
    ATTUNE_ASSIGN_OR_RETURN(Output output, ReadOutput(in));
    outputs->push_back(std::move(output));
  } while (in->token().Is(','));
  return enclosed ? in->Expect(')') : OkStatus();
}

// Arguments up to and with `closing`; the opening bracket is read already.
Status ReadArguments(TokenReader* in, char closing, std::vector<Argument>* arguments) {
  while (!in->token().Is(closing)) {
    ATTUNE_ASSIGN_OR_RETURN(Argument argument, ReadArgument(in));
    if (arguments->size() == kMaxArguments) {
      return ErrorAt(argument.at, StrCat("more than ", kMaxArguments, " arguments of one op"));
    }
    for (const Argument& other : *arguments) {
      if (other.key == argument.key) {
        return ErrorAt(argument.at, StrCat("'", argument.key.substr(0, 32), "' is given twice"));
      }
    }
    arguments->push_back(std::move(argument));
    if (!in->token().Is(closing) && !in->token().Is(',')) {
      return in->Unexpected(StrCat("',' or '", closing, "'"));
    }
    if (in->token().Is(',')) ATTUNE_RETURN_IF_ERROR(in->Advance());
  }
  return in->Advance();
}

Result<Statement> ReadStatement(TokenReader* in) {
  Statement statement;
  statement.at = in->token().at;
  ATTUNE_RETURN_IF_ERROR(in->CountStatement());
  ATTUNE_RETURN_IF_ERROR(ReadOutputs(in, &statement.outputs));
  ATTUNE_RETURN_IF_ERROR(in->Expect('='));
  ATTUNE_ASSIGN_OR_RETURN(statement.op, in->Name("an op"));
  if (in->token().Is('<')) {
    ATTUNE_ASSIGN_OR_RETURN(statement.opset, ReadOpset(in));
  }
  ATTUNE_RETURN_IF_ERROR(in->Expect('('));
  ATTUNE_RETURN_IF_ERROR(ReadArguments(in, ')', &statement.arguments));
  ATTUNE_ASSIGN_OR_RETURN(const bool has_attributes, in->Take('['));
  if (has_attributes) ATTUNE_RETURN_IF_ERROR(ReadArguments(in, ']', &statement.attributes));
  ATTUNE_RETURN_IF_ERROR(in->Expect(';'));
  return statement;
}

// func <name><<opset>>(<parameters>) [<attributes>] {<statements>} -> (<names>);
Result<Function> ReadFunction(TokenReader* in) {
  Function function;
  function.at = in->token().at;
  ATTUNE_RETURN_IF_ERROR(in->CountStatement());
  ATTUNE_RETURN_IF_ERROR(in->ExpectName("func"));
  ATTUNE_ASSIGN_OR_RETURN(function.name, in->Name("the name of a function"));
  ATTUNE_ASSIGN_OR_RETURN(function.opset, ReadOpset(in));
  ATTUNE_RETURN_IF_ERROR(in->Expect('('));
  while (!in->token().Is(')')) {
    ATTUNE_ASSIGN_OR_RETURN(Output parameter, ReadOutput(in));
    function.parameters.push_back(std::move(parameter));
    if (!in->token().Is(')')) ATTUNE_RETURN_IF_ERROR(in->Expect(','));
  }
  ATTUNE_RETURN_IF_ERROR(in->Advance());
  if (in->token().Is('[')) ATTUNE_RETURN_IF_ERROR(in->SkipBrackets());
  ATTUNE_RETURN_IF_ERROR(in->Expect('{'));
  while (!in->token().Is('}')) {
    ATTUNE_ASSIGN_OR_RETURN(Statement statement, ReadStatement(in));
    function.body.push_back(std::move(statement));
  }
  ATTUNE_RETURN_IF_ERROR(in->Advance());
  ATTUNE_RETURN_IF_ERROR(in->ExpectArrow());
  ATTUNE_RETURN_IF_ERROR(in->Expect('('));
  while (!in->token().Is(')')) {
    ATTUNE_RETURN_IF_ERROR(in->CountArgument());
    ATTUNE_ASSIGN_OR_RETURN(std::string name, in->Name("the name of a value"));
    function.returns.push_back(std::move(name));
    if (!in->token().Is(')')) ATTUNE_RETURN_IF_ERROR(in->Expect(','));
  }
  ATTUNE_RETURN_IF_ERROR(in->Advance());
  ATTUNE_RETURN_IF_ERROR(in->Expect(';'));
  return function;
}

// dict<...>({{"key", "value"}, ...}) after "buildInfo =".
Status ReadBuildInfo(TokenReader* in, Program* program) {
  ATTUNE_RETURN_IF_ERROR(in->ExpectName("dict"));
  ATTUNE_RETURN_IF_ERROR(in->Expect('<'));
  ATTUNE_RETURN_IF_ERROR(ReadType(in).status());
  ATTUNE_RETURN_IF_ERROR(in->Expect(','));
  ATTUNE_RETURN_IF_ERROR(ReadType(in).status());
  ATTUNE_RETURN_IF_ERROR(in->Expect('>'));
  ATTUNE_RETURN_IF_ERROR(in->Expect('('));
  ATTUNE_RETURN_IF_ERROR(in->Expect('{'));
  while (!in->token().Is('}')) {
    std::pair<std::string, std::string> entry;
    ATTUNE_RETURN_IF_ERROR(in->CountArgument());
    ATTUNE_RETURN_IF_ERROR(in->Expect('{'));
    ATTUNE_ASSIGN_OR_RETURN(entry.first, ReadString(in));
    ATTUNE_RETURN_IF_ERROR(in->Expect(','));
    ATTUNE_ASSIGN_OR_RETURN(entry.second, ReadString(in));
    ATTUNE_RETURN_IF_ERROR(in->Expect('}'));
    program->build_info.push_back(std::move(entry));
    if (!in->token().Is('}')) ATTUNE_RETURN_IF_ERROR(in->Expect(','));
  }
  ATTUNE_RETURN_IF_ERROR(in->Advance());
  return in->Expect(')');
}

// program(<version>) [buildInfo = ...]
Status ReadProgramHead(TokenReader* in, Program* program) {
  ATTUNE_RETURN_IF_ERROR(in->ExpectName("program"));
  ATTUNE_RETURN_IF_ERROR(in->Expect('('));
  if (in->token().kind != TokenKind::kNumber) return in->Unexpected("a version such as 1.3");
  program->version = std::string(in->token().spelling);
  ATTUNE_RETURN_IF_ERROR(in->Advance());
  ATTUNE_RETURN_IF_ERROR(in->Expect(')'));
  ATTUNE_ASSIGN_OR_RETURN(const bool has_attributes, in->Take('['));
  if (!has_attributes) return OkStatus();
  if (in->token().IsName("buildInfo")) {
    ATTUNE_RETURN_IF_ERROR(in->Advance());
    ATTUNE_RETURN_IF_ERROR(in->Expect('='));
    ATTUNE_RETURN_IF_ERROR(ReadBuildInfo(in, program));
  }
  ATTUNE_RETURN_IF_ERROR(in->SkipToClosing());
  return in->Advance();
}

}  // namespace

Result<Program> Parse(std::string_view text, const ParseLimits& limits) {
  if (text.size() > limits.text_bytes) {
    return InvalidArgument(
        StrCat("MIL text of ", text.size(), " bytes, at most ", limits.text_bytes));
  }
  TokenReader in(text, limits);
  ATTUNE_RETURN_IF_ERROR(in.Advance());
  Program program;
  ATTUNE_RETURN_IF_ERROR(ReadProgramHead(&in, &program));
  ATTUNE_RETURN_IF_ERROR(in.Expect('{'));
  do {
    ATTUNE_ASSIGN_OR_RETURN(Function function, ReadFunction(&in));
    program.functions.push_back(std::move(function));
  } while (!in.token().Is('}'));
  ATTUNE_RETURN_IF_ERROR(in.Advance());
  if (in.token().kind != TokenKind::kEnd) return in.Unexpected("nothing more");
  return program;
}

}  // namespace attune::ane::mil
