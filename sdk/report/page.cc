#include "report/page.h"

#include "base/strings.h"
#include "report/wording.h"

namespace attune {
namespace {

constexpr std::size_t kColours = 6;

constexpr const char* kStyle = R"(
:root{color-scheme:light dark;--bg:#f7f6f3;--card:#fff;--ink:#1c2431;--soft:#667085;--line:#e4e1da;
--track:#f0eee9;--dusk:#e7eaf3;--bad:#cc2f2f;--good:#15803d;--meh:#8a6d1d;
--j0:#2f66c8;--j1:#dd7a17;--j2:#0f958a;--j3:#8650c7;--j4:#c63c72;--j5:#74851b}
@media(prefers-color-scheme:dark){:root{--bg:#11141a;--card:#191d25;--ink:#e6e9ef;--soft:#97a1b3;
--line:#2a303b;--track:#222731;--dusk:#1d2433;--bad:#ff6b63;--good:#4fc27d;--meh:#d9b44a;
--j0:#6fa1ff;--j1:#ffa24d;--j2:#3cc9bb;--j3:#b98cf2;--j4:#f078a6;--j5:#b4c84f}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:1360px;margin:0 auto;padding:28px 20px 40px}
h1{font-size:clamp(19px,2.2vw + 10px,26px);line-height:1.25;margin:0 0 4px;letter-spacing:-.01em}
h2{font-size:18px;margin:0;display:flex;align-items:center;gap:10px;flex-wrap:wrap}
h3{font-size:12px;margin:18px 0 6px;color:var(--soft);font-weight:600;letter-spacing:.04em;text-transform:uppercase}
p{margin:6px 0}.soft{color:var(--soft)}
.tiles{display:flex;flex-wrap:wrap;gap:10px;margin:18px 0}
.tile{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:9px 14px;min-width:112px}
.tile b{display:block;font-size:20px;font-variant-numeric:tabular-nums;white-space:nowrap}
.tile span{color:var(--soft);font-size:12.5px}
.legend{display:flex;flex-wrap:wrap;gap:6px 18px;align-items:center;margin:12px 0 18px;font-size:13px;color:var(--soft)}
.legend svg{width:14px;height:14px;vertical-align:-2px;margin-right:5px}
.swatch{display:inline-block;width:16px;height:10px;border-radius:2px;margin-right:6px}h2 .swatch{margin:0}
.months{display:grid;gap:14px;grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr))}
.card{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:14px 16px;margin:0 0 16px;overflow-wrap:anywhere}
.months .card{margin:0;max-width:720px}
.months h2{font-size:15px;margin-bottom:6px}
svg.tl{display:block;width:100%;height:auto;background:none}
.tl text{font:9px system-ui,sans-serif;fill:var(--soft)}
.tl .we{font-weight:700;fill:var(--ink)}
.tl .big{font-size:12px}
.tl .dusk{fill:var(--dusk)}
.tl .tr{fill:var(--track);opacity:.75}
.tl .un{fill:none;stroke:var(--bad);stroke-dasharray:2 2}
.tl .gr{stroke:var(--line);stroke-width:1}
.tl g:hover>.tr{opacity:1;stroke:var(--soft);stroke-width:.7}
.b0{fill:var(--j0);background:var(--j0)}.b1{fill:var(--j1);background:var(--j1)}.b2{fill:var(--j2);background:var(--j2)}
.b3{fill:var(--j3);background:var(--j3)}.b4{fill:var(--j4);background:var(--j4)}.b5{fill:var(--j5);background:var(--j5)}
.mk{fill:none;stroke-width:1.5;stroke-linecap:round}.mk.kill{stroke:var(--bad)}.mk.pause{stroke:var(--ink);stroke-width:1.2}
.mk.failed{stroke:var(--bad);stroke-width:1.2}
.dm{stroke:var(--card);stroke-width:.8}.dm.good{fill:var(--good)}.dm.meh{fill:var(--meh)}.dm.bad{fill:var(--bad)}
.badge{font-size:12px;font-weight:600;border-radius:99px;padding:1px 10px;border:1px solid currentColor}
.badge.good{color:var(--good)}.badge.bad{color:var(--bad)}.badge.meh{color:var(--meh)}.badge.soft{color:var(--soft)}
.scroll{overflow-x:auto}.scroll>svg.tl{min-width:640px}
.say::first-letter{text-transform:uppercase}
table{border-collapse:collapse;width:100%;font-size:13.5px;font-variant-numeric:tabular-nums}
th{text-align:left;color:var(--soft);font-weight:500;font-size:12.5px}
th,td{padding:5px 12px 5px 0;border-bottom:1px solid var(--line);vertical-align:top}
tr:last-child td{border-bottom:0}td.n,th.n{text-align:right;white-space:nowrap}
.bar{display:block;height:9px;margin-top:6px;border-radius:3px;min-width:2px}
.two{display:grid;gap:4px 28px;grid-template-columns:repeat(auto-fit,minmax(min(100%,380px),1fr));align-items:start}
.curve svg{display:block;width:100%;height:auto;border-radius:8px}
footer{color:var(--soft);font-size:12.5px;margin-top:22px}
)";

}  // namespace

std::string Page(std::string_view title, std::string_view body) {
  return StrCat(
      "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n"
      "<meta charset=\"utf-8\"/>\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src &#39;none&#39;; "
      "style-src &#39;unsafe-inline&#39;\"/>\n<title>",
      Escaped(title), "</title>\n<style>", kStyle, "</style>\n</head>\n<body>\n<main>\n", body,
      "<footer>Made by Attune from its ledger, which holds times, counts and reasons and nothing "
      "that anybody wrote. Energy is estimated from processor time.</footer>\n"
      "</main>\n</body>\n</html>\n");
}

std::string JobClass(std::size_t job) { return StrCat("b", job % kColours); }

std::string Tile(std::string_view figure, std::string_view meaning) {
  return StrCat("<div class=\"tile\"><b>", Escaped(figure), "</b><span>", Escaped(meaning),
                "</span></div>\n");
}

std::string MarkAt(MarkShape shape, double x, double y, double size) {
  const double r = size / 2;
  const auto at = [&](double dx, double dy) {
    return StrCat(Fixed(x + dx * r, 2), " ", Fixed(y + dy * r, 2));
  };
  const auto diamond = [&](const char* style) {
    return StrCat("<path class=\"dm ", style, "\" d=\"M", at(0, -1.25), "L", at(1.25, 0), "L",
                  at(0, 1.25), "L", at(-1.25, 0), "Z\"/>");
  };
  switch (shape) {
    case MarkShape::kNone:
      return "";
    case MarkShape::kKill:
      return StrCat("<path class=\"mk kill\" d=\"M", at(-0.9, -0.9), "L", at(0.9, 0.9), "M",
                    at(-0.9, 0.9), "L", at(0.9, -0.9), "\"/>");
    case MarkShape::kPause:
      return StrCat("<path class=\"mk pause\" d=\"M", at(0, -1.2), "L", at(0, 1.2), "\"/>");
    case MarkShape::kFailed:
      return StrCat("<circle class=\"mk failed\" cx=\"", Fixed(x, 2), "\" cy=\"", Fixed(y, 2),
                    "\" r=\"", Fixed(r, 2), "\"/>");
    case MarkShape::kPromoted:
      return diamond("good");
    case MarkShape::kKept:
      return diamond("meh");
    case MarkShape::kRejected:
      return diamond("bad");
  }
  return "";
}

std::string MarkLegend() {
  struct Entry {
    MarkShape shape;
    const char* meaning;
  };
  std::string out;
  for (const Entry& entry :
       {Entry{MarkShape::kPause, "paused, state saved"}, Entry{MarkShape::kKill, "killed"},
        Entry{MarkShape::kFailed, "failed or refused"}, Entry{MarkShape::kPromoted, "promoted"},
        Entry{MarkShape::kKept, "kept what served"}, Entry{MarkShape::kRejected, "rejected"}}) {
    out += StrCat(
        "<span><svg viewBox=\"0 0 14 14\" class=\"tl\" style=\"display:inline-block;width:14px\">",
        MarkAt(entry.shape, 7, 7, 8), "</svg>", entry.meaning, "</span>\n");
  }
  return out;
}

}  // namespace attune
