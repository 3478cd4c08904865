#!/usr/bin/env python3
"""speed_svg.py RESULT.json ... OUT.svg: decode speed against batch size beside the machine's ceiling, from
`pawl speed --json --work decode --batch 1,2,...`; one line per result file, named by its precision.  A share below
70 % of what its neighbours' interpolation gives (a cliff) is marked."""
import json
import math
import sys

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 400, 64, 150, 40, 46
COLOURS = ["#0b6e99", "#c4511d", "#4c8c2b", "#7a4fa3"]


def decode_rows(document):
    rows = [r for r in document["results"] if r["work"] == "decode" and r["tokens_per_second"]]
    return sorted(rows, key=lambda r: r["batch"])


def cliffs(rows):
    """Batches whose speed lies below 70 % of the line between their neighbours (on a log axis of batch)."""
    found = []
    for before, here, after in zip(rows, rows[1:], rows[2:]):
        t = math.log(here["batch"] / before["batch"]) / math.log(after["batch"] / before["batch"])
        expected = before["tokens_per_second"] * (1 - t) + after["tokens_per_second"] * t
        if here["tokens_per_second"] < 0.7 * expected:
            found.append(here["batch"])
    return found


def main():
    *files, out = sys.argv[1:]
    documents = [json.load(open(f)) for f in files]
    series = [(d["model"]["precision"], decode_rows(d)) for d in documents]
    batches = sorted({r["batch"] for _, rows in series for r in rows})
    top = max(max(r["tokens_per_second"], r["ceiling_tokens_per_second"]) for _, rows in series for r in rows)
    top = math.ceil(top / 50) * 50

    def x(batch):
        span = math.log(batches[-1] / batches[0]) or 1
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log(batch / batches[0]) / span

    def y(speed):
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * speed / top

    machine = documents[0]["machine"]
    title = (f'{documents[0]["model"]["name"]}: decode, {machine["threads"]} threads, {machine["isa"]}, '
             f'{machine["read_gb_per_second"]:.0f} GB/s read, {machine["fma_gflop_per_second"]:.0f} GFLOP/s')
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
             f'font-size="13" role="img" aria-label="{title}"><title>{title}</title>'
             f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>'
             f'<text x="{LEFT}" y="22" font-size="14" fill="#222222">{title}</text>']
    for step in range(5):
        speed = top * step / 4
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(speed):.1f}" y2="{y(speed):.1f}" stroke="#dddddd"/>'
                     f'<text x="{LEFT - 8}" y="{y(speed) + 4:.1f}" text-anchor="end" fill="#444444">{speed:.0f}</text>')
    for batch in batches:
        parts.append(f'<text x="{x(batch):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle" fill="#444444">{batch}'
                     '</text>')
    parts.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 8}" text-anchor="middle" fill="#444444">'
                 'sequences decoded together</text>'
                 f'<text x="16" y="{HEIGHT / 2:.0f}" transform="rotate(-90 16 {HEIGHT / 2:.0f})" text-anchor="middle" '
                 'fill="#444444">tokens/s</text>')
    for (name, rows), colour in zip(series, COLOURS):
        for key, dash, words in (("tokens_per_second", "", name), ("ceiling_tokens_per_second", "5 4", f"{name} ceiling")):
            points = " ".join(f'{x(r["batch"]):.1f},{y(r[key]):.1f}' for r in rows)
            parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2" '
                         f'stroke-dasharray="{dash}"/>'
                         f'<text x="{WIDTH - RIGHT + 8}" y="{y(rows[-1][key]) + 4:.1f}" fill="{colour}">{words}</text>')
        for r in rows:
            cliff = r["batch"] in cliffs(rows)
            parts.append(f'<circle cx="{x(r["batch"]):.1f}" cy="{y(r["tokens_per_second"]):.1f}" r="{7 if cliff else 3.5}" '
                         f'fill="{"#d00000" if cliff else colour}"/>')
        print(f"{name}: " + ", ".join(f'{r["batch"]}: {r["tokens_per_second"]:.0f} ({r["share_of_ceiling"]:.2f})'
                                      for r in rows) + (f"; cliffs at {cliffs(rows)}" if cliffs(rows) else "; no cliff"))
    open(out, "w").write("\n".join(parts) + "\n</svg>\n")


if __name__ == "__main__":
    main()
