// A MIL program with its weight files, as they lie on the disk.

#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ane/constraints/constraint.h"
#include "ane/mil/ast.h"
#include "attune/status.h"
#include "ports/file_system.h"

namespace attune {

struct AneProgramFiles {
  ane::mil::Program program;
  ane::WeightFiles weights;  // Views of `maps`.
  std::vector<std::shared_ptr<const MappedFile>> maps;
};

// `weights`: a file for a program that refers to one; "@model_path/weights/w.bin=FILE"
// for several; a directory that stands for @model_path. Empty: the directory of the
// program, where files that are not there are left out.
//
//   kInvalidArgument  the text, with line and column; a path that the program does not
//                     refer to
Result<AneProgramFiles> ReadAneProgram(FileSystem& files, const std::string& path,
                                       const std::vector<std::string>& weights);

// A device would refuse the program or compute something else; the others are slow or
// promised by nothing.
bool IsBroken(const ane::Violation& violation);

// Paths of the weight files that a program refers to, sorted, each once.
std::vector<std::string> WeightPathsOf(const ane::mil::Program& program);

}  // namespace attune
