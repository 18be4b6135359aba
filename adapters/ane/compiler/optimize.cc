#include "ane/compiler/compile.h"
#include "ane/compiler/passes.h"

namespace attune::ane {
namespace {

void Simplify(Region* region) {
  EliminateIdentities(region);
  FoldConstants(region);
  EliminateCommonSubexpressions(region);
  RemoveDeadCode(region);
}

}  // namespace

void Optimize(Region* region) {
  RemoveDeadCode(region);
  Simplify(region);
  // Constants and expressions that became equal make more identities.
  Simplify(region);
  FoldScales(region);
  RemoveDeadCode(region);
  MergeWeights(region);
  RemoveDeadCode(region);
  WidenProducts(region);
  Simplify(region);
}

}  // namespace attune::ane
