#include "cli/ane_report.h"

#include <cstdio>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "ane/cost/cost.h"
#include "base/strings.h"

namespace attune {
namespace {

constexpr double kMillion = 1e6;

// printf into a string.
template <typename... Values>
std::string Line(const char* format, Values... values) {
  char line[512];
  std::snprintf(line, sizeof line, format, values...);
  return line;
}

double Milliseconds(double seconds) { return seconds * 1e3; }

ane::Work TotalOf(const ane::Plan& plan) {
  ane::Work total;
  for (const ane::PlanProgram& program : plan.programs) total += program.work;
  return total;
}

// "model.layers.3.mlp.up_proj (linear)" -> "model.layers.*.mlp.up_proj (linear)", and
// "%41 (rope)" -> "rope": the layers of a model are placed alike.
std::string WithoutNumbers(std::string_view node) {
  const auto digit = [&](std::size_t i) { return node[i] >= '0' && node[i] <= '9'; };
  const auto kind = node.rfind(" (");
  if (node.starts_with('%') && kind != std::string_view::npos && node.ends_with(')')) {
    return std::string(node.substr(kind + 2, node.size() - kind - 3));
  }
  std::string out;
  for (std::size_t i = 0; i < node.size(); ++i) {
    const bool number = digit(i) && i > 0 && (node[i - 1] == '.' || digit(i - 1));
    if (!number) {
      out += node[i];
    } else if (!out.ends_with('*')) {
      out += '*';
    }
  }
  return out;
}

void AppendTime(const AneReport& report, std::string* out) {
  const ane::PlanCost& cost = report.cost;
  const ane::Spread spread = ane::StepUncertainty();
  const double ms = Milliseconds(report.seconds());
  *out += Line(
      "predicted  %.2f ms a run: device %.2f, transfers %.2f, host %.2f, optimizer %.2f; %.1f mJ "
      "of the device\n",
      ms, Milliseconds(cost.device_seconds), Milliseconds(cost.transfer_seconds),
      Milliseconds(cost.host_seconds), Milliseconds(report.optimizer_seconds),
      cost.device_joules * 1e3);
  *out += Line(
      "           half of the predictions of many programs lie within a factor of %.2f, "
      "nine tenths within %.2f\n",
      spread.half, spread.most);
  *out += Line("           (%.1f to %.1f ms; single programs on this chip: %.2f)\n",
               ms / spread.half, ms * spread.half, ane::UncertaintyOf(report.target.chip));
  *out += Line("once       %.1f s to compile all, %.1f s to load them compiled\n",
               cost.compile_seconds, cost.load_seconds);
}

void AppendWork(const AneReport& report, std::string* out) {
  const ane::Work total = TotalOf(report.plan);
  *out += Line("programs   %zu (%lld different), %lld evaluations a run\n",
               report.plan.programs.size(), static_cast<long long>(report.distinct()),
               static_cast<long long>(report.cost.evaluations));
  std::int64_t tensors = 0, most = 0, file_bytes = 0;
  for (const AneWritten& program : report.written) {
    tensors += program.weight_tensors;
    most = std::max(most, program.weight_tensors);
    file_bytes += program.weight_file_bytes;
  }
  *out += Line("weights    %lld tensors, at most %lld a program; files of %.1f MB\n",
               static_cast<long long>(tensors), static_cast<long long>(most),
               static_cast<double>(file_bytes) / kMillion);
  *out += Line(
      "work       %.2f GFLOP in matrices (%.2f in matmul), %.1f M elements elementwise, "
      "%lld ops\n",
      total.matrix_flops / 1e9, total.product_flops / 1e9, total.elementwise_flops / kMillion,
      static_cast<long long>(total.ops));
  *out += Line("moved      %.1f MB of weights, %.1f MB of surfaces, %.1f MB within programs\n",
               total.weight_bytes / kMillion, total.surface_bytes / kMillion,
               total.internal_bytes / kMillion);
  std::int64_t elements = 0;
  for (const std::int64_t slot : report.plan.slot_elements) elements += slot;
  *out += Line("surfaces   %zu in %zu slots, %.1f MB; %.2f MB up and %.2f MB down a run\n",
               report.plan.surfaces.size(), report.plan.slot_elements.size(),
               static_cast<double>(elements) * 2 / kMillion,
               static_cast<double>(report.plan.uploads) / kMillion,
               static_cast<double>(report.plan.downloads) / kMillion);
}

void AppendPlacements(const ane::Plan& plan, std::string* out) {
  using Place = std::tuple<bool, std::string, std::string>;
  std::map<Place, std::int64_t> counts;
  std::vector<Place> order;
  for (const ane::Placement& placement : plan.placements) {
    Place place{placement.on_device, WithoutNumbers(placement.node), placement.reason};
    if (++counts[place] == 1) order.push_back(std::move(place));
  }
  for (const bool device : {true, false}) {
    *out += device ? "\nOn the device\n" : "\nOn the host\n";
    for (const Place& place : order) {
      const auto& [on_device, node, reason] = place;
      if (on_device != device) continue;
      *out += StrCat("  ", counts[place], " x ", node, reason.empty() ? "" : ": ", reason, "\n");
    }
  }
}

void AppendPrograms(const AneReport& report, std::string* out) {
  *out +=
      "\nPrograms\n    #  name                      ops  weights      MB   GFLOP  in out      ms\n";
  for (std::size_t i = 0; i < report.plan.programs.size(); ++i) {
    const ane::PlanProgram& program = report.plan.programs[i];
    const AneWritten& written = report.written[i];
    *out += Line(
        " %4s  %-24s %4lld  %7lld  %6.1f  %6.2f  %2lld %3lld  %6.3f\n", written.directory.c_str(),
        program.region.name.substr(0, 24).c_str(), static_cast<long long>(program.work.ops),
        static_cast<long long>(written.weight_tensors),
        static_cast<double>(written.weight_file_bytes) / kMillion, program.work.matrix_flops / 1e9,
        static_cast<long long>(written.inputs), static_cast<long long>(written.outputs),
        Milliseconds(report.cost.programs[i].seconds));
  }
}

}  // namespace

std::int64_t AneReport::distinct() const {
  std::set<std::string> digests;
  for (const AneWritten& program : written) digests.insert(program.digest);
  return static_cast<std::int64_t>(digests.size());
}

std::int64_t AneReport::violations() const {
  std::int64_t count = 0;
  for (const AneWritten& program : written) count += program.violations;
  return count;
}

std::string ReportText(const AneReport& report) {
  std::string out =
      StrCat(report.model, ", ", report.run, ", for ", ane::TargetName(report.target), "\n");
  AppendWork(report, &out);
  AppendTime(report, &out);
  out += StrCat("checked    ", report.violations(), " violations of constraints in the text\n");
  AppendPlacements(report.plan, &out);
  AppendPrograms(report, &out);
  return out;
}

}  // namespace attune
