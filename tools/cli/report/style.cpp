// The style of the page. Colours are variables, so that light and dark differ in one place only;
// each kind of slice differs from its neighbours in lightness too, and faults have a form of their
// own.
#include "tools/cli/report/html.hpp"

namespace ioasim::tools::report {

const char* const kStyle = R"css(
:root{color-scheme:light dark;--bg:#fff;--panel:#f6f8fa;--text:#1b1f24;--muted:#535c66;
--line:#c9d1d9;--grid:#e4e8ec;--accent:#0a53be;--ok:#116329;--ok-bg:#dafbe1;--fail:#a40e26;
--fail-bg:#ffebe9;--work:#2f6fb5;--wait:#9aa4ae;--idle:#8cc4ee;--active:#1a9a6c;--pending:#d98c00;
--bad:#c62828;--note:#7d4fb3;--guest:#4fb3a4;--s0:#2f6fb5;--s1:#c65d00;--s2:#1a8a62;--s3:#8a4fb3;
--s4:#a6761d;--s5:#c2317e;--s6:#49838c;--s7:#666}
@media (prefers-color-scheme:dark){:root{--bg:#10151b;--panel:#182029;--text:#e3e9ef;
--muted:#a3afbb;--line:#3a4653;--grid:#25303b;--accent:#79b4ff;--ok:#6ddc8b;--ok-bg:#10321d;
--fail:#ff9a94;--fail-bg:#461718;--work:#5b9fe6;--wait:#77828d;--idle:#2f6389;--active:#3fc795;
--pending:#eeb04a;--bad:#ff6b63;--note:#b892ea;--guest:#2f8f83;--s0:#6aaef5;--s1:#f59e5b;
--s2:#52d1a0;--s3:#c79bf0;--s4:#d9b45f;--s5:#f07fb8;--s6:#7fc3cc;--s7:#b5bcc4}}
:root[data-theme=light]{color-scheme:light;--bg:#fff;--panel:#f6f8fa;--text:#1b1f24;
--muted:#535c66;--line:#c9d1d9;--grid:#e4e8ec;--accent:#0a53be;--ok:#116329;--ok-bg:#dafbe1;
--fail:#a40e26;--fail-bg:#ffebe9;--work:#2f6fb5;--wait:#9aa4ae;--idle:#8cc4ee;--active:#1a9a6c;
--pending:#d98c00;--bad:#c62828;--note:#7d4fb3;--guest:#4fb3a4;--s0:#2f6fb5;--s1:#c65d00;
--s2:#1a8a62;--s3:#8a4fb3;--s4:#a6761d;--s5:#c2317e;--s6:#49838c;--s7:#666}
:root[data-theme=dark]{color-scheme:dark;--bg:#10151b;--panel:#182029;--text:#e3e9ef;
--muted:#a3afbb;--line:#3a4653;--grid:#25303b;--accent:#79b4ff;--ok:#6ddc8b;--ok-bg:#10321d;
--fail:#ff9a94;--fail-bg:#461718;--work:#5b9fe6;--wait:#77828d;--idle:#2f6389;--active:#3fc795;
--pending:#eeb04a;--bad:#ff6b63;--note:#b892ea;--guest:#2f8f83;--s0:#6aaef5;--s1:#f59e5b;
--s2:#52d1a0;--s3:#c79bf0;--s4:#d9b45f;--s5:#f07fb8;--s6:#7fc3cc;--s7:#b5bcc4}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--text);overflow-wrap:break-word;
font:15px/1.5 system-ui,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
header,main,footer{max-width:1320px;margin:0 auto;padding:0 20px}
header{padding-top:20px}
nav{position:sticky;top:0;z-index:5;background:var(--bg);border-bottom:1px solid var(--line)}
nav ul{max-width:1320px;margin:0 auto;padding:8px 20px;display:flex;flex-wrap:wrap;gap:4px 18px;
list-style:none}
a{color:var(--accent)}
a:focus-visible,summary:focus-visible,button:focus-visible,input:focus-visible,
[tabindex]:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
main:focus{outline:none}
.skip{position:absolute;left:-999em}
.skip:focus{left:20px;top:8px;background:var(--bg);padding:6px 10px;z-index:9}
h1{font-size:1.6rem;line-height:1.25;margin:.2em 0;overflow-wrap:anywhere}
h2{font-size:1.25rem;margin:1.6em 0 .5em;padding-top:.3em}
h3{font-size:1rem;margin:1em 0 .3em;overflow-wrap:anywhere}
section{scroll-margin-top:56px}
.badge{display:inline-block;font-weight:700;padding:.1em .7em;border-radius:1em;
background:var(--fail-bg);color:var(--fail);border:1px solid currentColor}
.badge.ok{background:var(--ok-bg);color:var(--ok)}
.purpose{font-size:1.05rem;max-width:75ch}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(190px,1fr));gap:8px 16px;margin:0}
.facts div{background:var(--panel);border:1px solid var(--line);border-radius:6px;padding:6px 10px}
.facts dt{color:var(--muted);font-size:.85rem}
.facts dd{margin:0;font-weight:600;overflow-wrap:anywhere}
.muted{color:var(--muted)}
code,pre{font-family:ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace;font-size:.86rem}
pre{background:var(--panel);border:1px solid var(--line);border-radius:6px;padding:10px;
overflow:auto;max-height:480px}
.scroll{overflow:auto;max-height:520px;border:1px solid var(--line);border-radius:6px;
margin:.5em 0}
table{border-collapse:collapse;width:100%;font-size:.92rem}
caption{text-align:left;padding:6px 10px;font-weight:600;background:var(--panel)}
th,td{text-align:left;vertical-align:top;padding:4px 10px;border-top:1px solid var(--grid)}
.any{overflow-wrap:anywhere}
thead th{position:sticky;top:0;background:var(--panel);white-space:nowrap}
tbody th{font-weight:600}
td.n,th.n{text-align:right}
td.n{font-variant-numeric:tabular-nums;white-space:nowrap}
.moment{font-variant-numeric:tabular-nums;white-space:nowrap}
.pass{color:var(--ok);font-weight:700}
.failed{color:var(--fail);font-weight:700}
details{margin:.5em 0}
summary{cursor:pointer;font-weight:600}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(340px,1fr));gap:14px}
figure{margin:0;background:var(--panel);border:1px solid var(--line);border-radius:6px;
padding:8px 10px;min-width:0}
figcaption{font-weight:600;overflow-wrap:anywhere}
svg{display:block;max-width:100%;height:auto}
svg text{fill:var(--text);font:11px system-ui,"DejaVu Sans",sans-serif}
svg .m{fill:var(--muted)}
svg .g{stroke:var(--grid);fill:none}
svg .l{stroke:var(--line);fill:none}
svg .group{font-weight:700;font-size:12px}
.wide{overflow-x:auto}
.wide svg{max-width:none}
.k-work{fill:var(--work)}.k-wait{fill:var(--wait)}.k-idle{fill:var(--idle)}
.k-active{fill:var(--active)}.k-pending{fill:var(--pending)}.k-bad{fill:var(--bad)}
.k-note{fill:var(--note)}.k-guest{fill:var(--guest)}
.s0{stroke:var(--s0)}.s1{stroke:var(--s1)}.s2{stroke:var(--s2)}.s3{stroke:var(--s3)}
.s4{stroke:var(--s4)}.s5{stroke:var(--s5)}.s6{stroke:var(--s6)}.s7{stroke:var(--s7)}
.line{fill:none;stroke-width:1.6}
.legend{display:flex;flex-wrap:wrap;gap:2px 16px;list-style:none;padding:0;margin:.4em 0;
font-size:.88rem}
.legend svg{display:inline-block;vertical-align:-2px;margin-right:5px}
.at{visibility:hidden;scroll-margin:40vh}
.at:target{visibility:visible}
.at line{stroke:var(--text);stroke-width:1.5;stroke-dasharray:4 2}
.life ol{columns:2 300px;margin:.3em 0;padding-left:2.2em;font-size:.92rem}
.edge{stroke:var(--muted);fill:none;stroke-width:1.6}
.tip{fill:var(--muted)}
.node{fill:var(--bg);stroke:var(--line);stroke-width:1.4}
.node.seen{stroke:var(--accent);stroke-width:2}
.bar{fill:var(--s0)}
.plate{fill:var(--bg)}
@media print{nav,.skip{display:none}.scroll,pre{max-height:none;overflow:visible}}
@media (max-width:640px){header,main,footer{padding:0 12px}.charts{grid-template-columns:1fr}}
)css";

}  // namespace ioasim::tools::report
