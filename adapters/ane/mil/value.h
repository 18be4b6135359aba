// Types, literals and arguments of MIL text.

#pragma once

#include "ane/mil/ast.h"
#include "ane/mil/token_reader.h"
#include "attune/status.h"

namespace attune::ane::mil {

// fp16 | tensor<fp16, [1,64,1,32]> | tensor_buffer<fp16, shape=[..], strides=[..], ..>
Result<Type> ReadType(TokenReader* in);

// <key> = <name> | (<name>, ...) | <literal>, where a literal may be bare.
Result<Argument> ReadArgument(TokenReader* in);

// "..." or string("...") or tensor<string, []>("...").
Result<std::string> ReadString(TokenReader* in);

}  // namespace attune::ane::mil
