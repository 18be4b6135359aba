// The frame of a report: one HTML file, also well-formed XML, that needs no script,
// no font and no other file, light or dark as its reader's system is.
//
// Threads: pure functions.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace attune {

// `title` is plain text; `body` is markup.
std::string Page(std::string_view title, std::string_view body);

// The style class of the n-th job's colour.
std::string JobClass(std::size_t job);

// A figure above its meaning; plain text.
std::string Tile(std::string_view figure, std::string_view meaning);

// What the marks in the pictures mean.
std::string MarkLegend();

// Of `event` at (x, y) in a lane of that height; empty: it has none.
enum class MarkShape { kNone, kKill, kPause, kPromoted, kKept, kRejected, kFailed };
std::string MarkAt(MarkShape shape, double x, double y, double size);

}  // namespace attune
