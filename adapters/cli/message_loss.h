// The loss of a model on messages, each by itself: what `attune eval` prints.
// The same tokens are labels as in training, the end of a message among them,
// so the figure is the one that training reports.

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "cli/options.h"
#include "session/dataset.h"

namespace attune {

struct MessageLoss {
  double nats = 0;
  std::int64_t tokens = 0;  // Predicted ones.
  double per_token() const { return tokens == 0 ? 0 : nats / static_cast<double>(tokens); }
};

// Asks `go_on` before each message: false is kCancelled.
//
//   kInvalidArgument  no token to predict in all of `messages`
Result<MessageLoss> MeasureMessages(const Platform& platform, const ModelOptions& options,
                                    const std::vector<Message>& messages,
                                    const std::function<bool()>& go_on);

}  // namespace attune
