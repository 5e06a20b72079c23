// SPDX-License-Identifier: Apache-2.0
#include "report/html_page.hpp"

#include <algorithm>
#include <fmt/format.h>

#include "base/text.hpp"

namespace detent {
namespace {

constexpr std::string_view kStyle = R"css(
:root { --ink: #1b1f24; --soft: #5b6570; --line: #d9dee4; --paper: #ffffff; --tint: #f4f6f8;
        --good: #1a7f5a; --fair: #b7791f; --poor: #b3261e; --bar: #2f6fb3; --keep: #9aa5b1; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ed; --soft: #9aa5b1; --line: #323942; --paper: #14181d; --tint: #1c2127;
          --good: #4cc38a; --fair: #e0b252; --poor: #ff8a80; --bar: #6ba7e5; --keep: #67717d; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 2rem 1.5rem 4rem; background: var(--paper);
       color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; } h2 { font-size: 1.1rem; margin: 2.5rem 0 .75rem; }
p.soft, .soft { color: var(--soft); } code, td.name, pre { font-family: ui-monospace, monospace; font-size: .87em; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(10rem, 1fr)); gap: .75rem; margin: 1.25rem 0; }
.tile { background: var(--tint); border: 1px solid var(--line); border-radius: .5rem; padding: .75rem 1rem; }
.tile b { display: block; font-size: 1.45rem; font-weight: 600; font-variant-numeric: tabular-nums; }
table { border-collapse: collapse; width: 100%; } .wide { overflow-x: auto; }
th { text-align: left; font-weight: 600; color: var(--soft); font-size: .85em; position: sticky; top: 0; background: var(--paper); }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
th.n { white-space: normal; } #layers th, #layers td { padding: .3rem .45rem; } #layers td.name { min-width: 8rem; }
td.name { overflow-wrap: anywhere; min-width: 12rem; }
tr.kept td { color: var(--soft); }
.good { color: var(--good); } .fair { color: var(--fair); } .poor { color: var(--poor); }
svg { width: 100%; height: auto; display: block; } svg text { fill: var(--ink); font: 11px ui-monospace, monospace; }
svg .axis { stroke: var(--line); } svg .gate { stroke: var(--fair); stroke-dasharray: 4 3; }
svg .bar { fill: var(--bar); } svg .range { fill: var(--bar); opacity: .12; } svg .edge { stroke: var(--poor); }
input { font: inherit; padding: .35rem .6rem; border: 1px solid var(--line); border-radius: .35rem;
        background: var(--paper); color: var(--ink); width: min(24rem, 100%); margin-bottom: .5rem; }
pre { background: var(--tint); border: 1px solid var(--line); border-radius: .5rem; padding: 1rem; overflow-x: auto; }
@media print { body { max-width: none; padding: 0; } input { display: none; } th { position: static; } }
)css";

}  // namespace

std::string html_escape(std::string_view text) {
  std::string out;
  for (const char c : printable(text)) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string html_escape_lines(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    out += html_escape(text.substr(at, end - at)) + '\n';
    at = end + 1;
  }
  return out;
}

std::string html_page(std::string_view title, const std::string& body) {
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
      "'unsafe-inline'; script-src "
      "'unsafe-inline'\">\n<title>{}</title>\n<style>{}</style>\n</head>\n"
      "<body>\n{}</body>\n</html>\n",
      html_escape(title), kStyle, body);
}

}  // namespace detent
