// From a forward loss graph to the program that a training step runs.

#pragma once

#include <string>
#include <vector>

#include "attune/status.h"
#include "graph/graph.h"
#include "train/training_state.h"

namespace attune {

// Names that the trainer adds to a loss graph.
inline constexpr const char* kLossOutput = "loss";
inline constexpr const char* kLossSeedInput = "loss_seed";  // f32 [1], the loss scale.
std::string GradientOutput(const std::string& parameter);   // "grad.<parameter>"

// The trainable parameters of a graph, in its order.
std::vector<Trainable> TrainablesOf(const Graph& graph);

// Adds the gradient of every trainable parameter as an output and optimises.
//
//   kInvalidArgument  no output "loss", or nothing to train
Status MakeTrainingGraph(Graph* graph);

}  // namespace attune
