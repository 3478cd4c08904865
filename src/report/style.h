// The style of a report's page, inside the page itself.
#pragma once

namespace pawl {

inline constexpr const char* kReportStyle =
    R"(:root{color-scheme:light dark;--ink:#20242b;--quiet:#5c6672;--paper:#fbfbf9;--card:#fff;--line:#dcdfe3;--soft:#f0f2f4;--a:#1d6fa5;--b:#b4562a;--good:#1f7a4a;--bad:#b3323b;--open:#8a6410}
@media (prefers-color-scheme:dark){:root{--ink:#e4e7eb;--quiet:#9aa5b1;--paper:#14171b;--card:#1b1f24;--line:#343b43;--soft:#22272d;--a:#6db8e8;--b:#f0a071;--good:#69cf96;--bad:#f08a90;--open:#e2bd62}}
*{box-sizing:border-box}html{-webkit-text-size-adjust:100%}
body{margin:0 auto;max-width:70rem;padding:1.5rem 1rem 4rem;background:var(--paper);color:var(--ink);font:16px/1.6 system-ui,-apple-system,"Segoe UI",sans-serif;overflow-wrap:break-word}
h1{font-size:1.8rem;line-height:1.25;margin:.5rem 0 1rem}h2{font-size:1.35rem;margin:2.8rem 0 .8rem;padding-bottom:.3rem;border-bottom:2px solid var(--line)}
h3{font-size:1.1rem;margin:1.8rem 0 .5rem}h4{font-size:1rem;margin:1.2rem 0 .3rem}p{max-width:48rem;margin:.6rem 0}li{max-width:48rem;margin:.25rem 0}
nav{display:flex;flex-wrap:wrap;gap:.3rem .9rem;margin:1rem 0 0;font-size:.9rem}nav a{color:var(--a);text-decoration:none}nav a:hover{text-decoration:underline}
.note{border-left:4px solid var(--open);background:var(--soft);padding:.7rem 1rem;margin:1rem 0;border-radius:0 .4rem .4rem 0;max-width:52rem}
.scroll{overflow-x:auto;margin:1rem 0;border:1px solid var(--line);border-radius:.5rem;background:var(--card)}
table{border-collapse:collapse;width:100%;font-size:.92rem;font-variant-numeric:tabular-nums}th,td{padding:.45rem .75rem;text-align:left;vertical-align:top}
th{background:var(--soft);font-weight:600;white-space:nowrap}tr+tr td{border-top:1px solid var(--line)}td{white-space:nowrap}td.wide{white-space:normal;min-width:12rem}
.figures{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,20rem),1fr));gap:1rem;margin:1rem 0}
figure{margin:0;border:1px solid var(--line);border-radius:.5rem;background:var(--card);padding:.6rem}
svg{display:block;width:100%;height:auto}svg text{fill:var(--quiet);font:11px system-ui,sans-serif}svg .title{fill:var(--ink);font-size:13px;font-weight:600}
.axis{stroke:var(--line);fill:none}.stage{stroke:var(--line);stroke-dasharray:3 3}.a{stroke:var(--a);fill:none;stroke-width:1.8;stroke-linejoin:round}.b{stroke:var(--b);fill:none;stroke-width:1.8}
.band{fill:var(--a);opacity:.18;stroke:none}.dot{fill:var(--b);stroke:none}.bar{stroke:var(--b);stroke-width:1.4}.area{fill:var(--a);opacity:.8}
.texts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,18rem),1fr));gap:.8rem;margin:.8rem 0 1.4rem}.texts h4{margin:0 0 .3rem;color:var(--quiet);font-size:.85rem;font-weight:600}
pre{margin:0;padding:.7rem .8rem;border:1px solid var(--line);border-radius:.5rem;background:var(--card);white-space:pre-wrap;overflow-wrap:anywhere;font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,monospace}
details{border:1px solid var(--line);border-radius:.5rem;background:var(--card);margin:.6rem 0;padding:.1rem .9rem}summary{cursor:pointer;padding:.45rem 0;color:var(--a)}details .scroll{border:0;border-top:1px solid var(--line);border-radius:0;margin:.3rem -.9rem}
.good{color:var(--good)}.bad{color:var(--bad)}.open{color:var(--open)}
@media (max-width:40rem){body{padding:1rem .8rem 3rem}h1{font-size:1.5rem}th,td{padding:.4rem .55rem}}
@media print{details{break-inside:avoid}body{max-width:none}}
)";

}  // namespace pawl
