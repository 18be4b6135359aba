// Rewrites of regions that keep their meaning. Each leaves a region that verifies;
// what it makes superfluous stays until RemoveDeadCode().

#pragma once

#include "ane/compiler/ir.h"

namespace attune::ane {

// Nodes, leaves and weights that nothing reads.
void RemoveDeadCode(Region* region);

// Equal expressions once; leaves and weights of equal numbers are one.
void EliminateCommonSubexpressions(Region* region);

// Operations that give an operand back, or one that is there already: identities,
// reshapes to the same dims and of reshapes, times one, plus zero, slices of
// concatenations and of slices, concatenations of what was sliced.
void EliminateIdentities(Region* region);

// Scalars of scalars, chains of factors, scalars times vectors that are baked.
void FoldConstants(Region* region);

// Factors into weights, or before products, whose results then are as small as what
// they are used for. Only factors of at most 1: none makes anything larger.
void FoldScales(Region* region);

// One weight for several convolutions over the same input, whose results are channel
// slices of one, and for several whose results are added up.
void MergeWeights(Region* region);

// Products of computed tensors with extents so small that the device's compiler
// refuses them: the extent is repeated.
void WidenProducts(Region* region);

}  // namespace attune::ane
