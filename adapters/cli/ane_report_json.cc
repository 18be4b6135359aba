#include <utility>

#include "cli/ane_report.h"
#include "formats/json_writer.h"

namespace attune {
namespace {

void WriteProgram(const AneReport& report, std::size_t i, JsonWriter* json) {
  const ane::PlanProgram& program = report.plan.programs[i];
  const AneWritten& written = report.written[i];
  json->BeginObject();
  json->Key("directory").String(written.directory);
  json->Key("name").String(program.region.name);
  json->Key("digest").String(written.digest);
  json->Key("ops").Int(program.work.ops);
  json->Key("inputs").Int(written.inputs);
  json->Key("outputs").Int(written.outputs);
  json->Key("weight_tensors").Int(written.weight_tensors);
  json->Key("weight_file_bytes").Int(written.weight_file_bytes);
  json->Key("mil_bytes").Int(written.mil_bytes);
  json->Key("matrix_flops").Double(program.work.matrix_flops);
  json->Key("product_flops").Double(program.work.product_flops);
  json->Key("elementwise_flops").Double(program.work.elementwise_flops);
  json->Key("weight_bytes").Double(program.work.weight_bytes);
  json->Key("surface_bytes").Double(program.work.surface_bytes);
  json->Key("internal_bytes").Double(program.work.internal_bytes);
  json->Key("working_set_bytes").Double(program.work.largest_live_bytes);
  json->Key("milliseconds").Double(report.cost.programs[i].seconds * 1e3);
  json->Key("millijoules").Double(report.cost.programs[i].joules * 1e3);
  json->Key("violations").Int(written.violations);
  json->EndObject();
}

void WritePrediction(const AneReport& report, JsonWriter* json) {
  const ane::PlanCost& cost = report.cost;
  json->BeginObject();
  json->Key("milliseconds").Double(report.seconds() * 1e3);
  json->Key("device_milliseconds").Double(cost.device_seconds * 1e3);
  json->Key("transfer_milliseconds").Double(cost.transfer_seconds * 1e3);
  json->Key("host_milliseconds").Double(cost.host_seconds * 1e3);
  json->Key("optimizer_milliseconds").Double(report.optimizer_seconds * 1e3);
  json->Key("device_joules").Double(cost.device_joules);
  json->Key("compile_seconds").Double(cost.compile_seconds);
  json->Key("load_seconds").Double(cost.load_seconds);
  json->Key("uncertainty_half").Double(ane::StepUncertainty().half);
  json->Key("uncertainty_most").Double(ane::StepUncertainty().most);
  json->Key("uncertainty_of_chip").Double(ane::UncertaintyOf(report.target.chip));
  json->EndObject();
}

}  // namespace

std::string ReportJson(const AneReport& report) {
  JsonWriter json({.indent = 1});
  json.BeginObject();
  json.Key("model").String(report.model);
  json.Key("run").String(report.run);
  json.Key("chip").String(ane::ChipName(report.target.chip));
  json.Key("os").Int(report.target.os);
  json.Key("parameters").Int(report.parameters);
  json.Key("program_count").Int(static_cast<std::int64_t>(report.plan.programs.size()));
  json.Key("distinct_programs").Int(report.distinct());
  json.Key("evaluations").Int(report.cost.evaluations);
  json.Key("surfaces").Int(static_cast<std::int64_t>(report.plan.surfaces.size()));
  json.Key("slots").Int(static_cast<std::int64_t>(report.plan.slot_elements.size()));
  json.Key("upload_bytes").Int(report.plan.uploads);
  json.Key("download_bytes").Int(report.plan.downloads);
  json.Key("violations").Int(report.violations());
  json.Key("predicted");
  WritePrediction(report, &json);
  json.Key("programs").BeginArray();
  for (std::size_t i = 0; i < report.written.size(); ++i) WriteProgram(report, i, &json);
  json.EndArray();
  json.Key("placements").BeginArray();
  for (const ane::Placement& placement : report.plan.placements) {
    json.BeginObject();
    json.Key("node").String(placement.node);
    json.Key("on_device").Bool(placement.on_device);
    json.Key("reason").String(placement.reason);
    json.EndObject();
  }
  json.EndArray();
  json.EndObject();
  return std::move(json).Finish();
}

}  // namespace attune
