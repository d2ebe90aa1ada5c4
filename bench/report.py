#!/usr/bin/env python3
"""Writes the tables of docs/performance.md, and its plot, from what run.py measured (bench/results.json)."""

import json
import sys
from pathlib import Path

import stats

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "performance.md"
PLOT = HERE.parent / "docs" / "performance.png"
KINDS = {
    "accept": "accepted",
    "reject": "rejected (wrong signature)",
    "body": "POST of 1 KiB",
    "fresh": "a connection each",
    "h2": "HTTP/2",
}


def ratio(row):
    middle, low, high = row["ratio"]
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def costs(rows, reference):
    lines = [f"| | CPU a request | to {reference} | requests a second |", "|---|---|---|---|"]
    lines += [f"| {r['name']} | {r['micros']:.1f} us | {ratio(r)} | {r['rate']:.0f} |" for r in rows]
    return lines


def side(results):
    """CPU a request of every subject, a column for each kind of request."""
    found = results["side"]
    columns = [key for key in found if found[key]]
    names = list(dict.fromkeys(row["name"] for key in columns for row in found[key]))
    heads = [f"{KINDS[kind]}, {int(count):,} apps".replace(",000", " 000") for count, kind in (c.split("/") for c in columns)]
    lines = ["| | " + " | ".join(heads) + " |", "|---" * (len(columns) + 1) + "|"]
    for name in names:
        cells = []
        for key in columns:
            row = next((r for r in found[key] if r["name"] == name), None)
            cells.append("-" if row is None else f"{row['micros']:.1f} us" + (f" ({row['ratio'][0]:.2f})" if name != names[0] else ""))
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def held(results):
    """What the gateway is held to, and what it comes to."""
    share = {row["name"]: row for row in results["aims"]["share"]}
    bare, judged, free, refused = (
        share[name]["rounds"] for name in ("bare Pingora", *(f"rtms-gateway, {kind}" for kind in ("accept", "none", "reject")))
    )
    to_bare, to_free, to_judged = (stats.ratio(*pair)[0] for pair in ((judged, bare), (judged, free), (refused, judged)))
    to_few = results["aims"]["apps"][1]["ratio"][0]
    added = {name: each["p50"] - results["latency"]["micros"]["direct"]["p50"] for name, each in results["latency"]["micros"].items()}
    million, many, one = (results["memory"][count] for count in ("1000000", "100000", "1"))
    rows = [
        ("judged, to bare Pingora", "1.10", f"{to_bare:.2f}", to_bare <= 1.10),
        ("judged, to `auth: none`", "1.05", f"{to_free:.2f}", to_free <= 1.05),
        ("rejected, to judged", "0.50", f"{to_judged:.2f}", to_judged <= 0.5),
        ("100 000 apps, to 1000", "1.05", f"{to_few:.2f}", to_few <= 1.05),
        ("added at half load (p50)", f"HAProxy's {added['HAProxy']:.0f} us", f"{added['rtms-gateway']:.0f} us", added["rtms-gateway"] <= added["HAProxy"]),
        ("idle, one app", "40 MB", f"{one['mib'] * 1.048576:.0f} MB", one["mib"] * 1.048576 < 40),
        ("a million apps", "350 MB", f"{million['mib'] * 1.048576:.0f} MB", million["mib"] * 1.048576 < 350),
        ("start with 100 000 apps", "1000 ms", f"{many['ready_ms']:.0f} ms", many["ready_ms"] < 1000),
    ]
    lines = ["| | at most | measured | |", "|---|---|---|---|"]
    return lines + [f"| {what} | {most} | {found} | {'holds' if holds else 'misses'} |" for what, most, found, holds in rows]


def latency(results):
    found = results["latency"]
    lines = [f"At {found['rate']:.0f} requests a second:", "", "| | p50 | added | p99 | added |", "|---|---|---|---|---|"]
    direct = found["micros"]["direct"]
    for name, each in found["micros"].items():
        cells = (f"{each[q]:.0f} us | {each[q] - direct[q]:.0f} us" for q in ("p50", "p99"))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def memory(results):
    lines = ["| apps | resident | at start | at most | ready after |", "|---|---|---|---|---|"]
    for count, found in results["memory"].items():
        sizes = " | ".join(f"{found[name]:.0f} MiB" for name in ("mib", "start_mib", "peak_mib"))
        lines.append(f"| {int(count):,} | {sizes} | {found['ready_ms']:.0f} ms |".replace(",", " "))
    return lines


def about(results):
    told = results["about"]
    versions = ", ".join(f"{name} {version}" for name, version in told["versions"].items())
    lines = [
        f"{told['date']}; {told['machine']}; {versions}. {told['rounds']} rounds of {told['seconds']} s each in turn, "
        f"{told['connections']} connections, the subject alone on one core, load and upstream on the other. The gateway and the "
        f"bare Pingora are built by {'`make release`' if told['trained'] else '`cargo build --release`'}.",
    ]
    if told["missing"]:
        lines += ["", "Missing: " + "; ".join(f"{name} ({what})" for name, what in told["missing"].items()) + "."]
    return lines


SECTIONS = {
    "about": about,
    "held": held,
    "side": side,
    "share": lambda results: costs(results["aims"]["share"], "bare Pingora"),
    "apps": lambda results: costs(results["aims"]["apps"], "1000 apps"),
    "latency": latency,
    "memory": memory,
    "telemetry": lambda results: costs(results["telemetry"], "metrics only"),
}


def fill(text, results):
    """The page with every marked section made anew."""
    for name, section in SECTIONS.items():
        start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        if start not in text:
            continue
        try:
            lines = section(results)
        except KeyError:
            print(f"not measured, left as it is: {name}", file=sys.stderr)
            continue
        before, rest = text.split(start, 1)
        text = before + "\n".join([start, *lines, end]) + rest.split(end, 1)[1]
    return text


def plot(results):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    shown = [key for key in ("1000/accept", "1000/reject") if results["side"].get(key)]
    figure, axes = pyplot.subplots(1, len(shown), figsize=(5.5 * len(shown), 3.2), layout="constrained")
    for key, axis in zip(shown, axes if len(shown) > 1 else [axes]):
        rows = sorted(results["side"][key], key=lambda row: row["micros"], reverse=True)
        colours = ["#d9772b" if row["name"] == "rtms-gateway" else "#8aa5cf" for row in rows]
        bars = axis.barh([row["name"] for row in rows], [row["micros"] for row in rows], color=colours)
        axis.bar_label(bars, fmt="%.1f", padding=3, fontsize=8)
        axis.set_title(f"{KINDS[key.split('/')[1]]}, 1000 apps: CPU a request, us", fontsize=9)
        axis.spines[["top", "right"]].set_visible(False)
        axis.margins(x=0.12)
        axis.tick_params(labelsize=8)
    figure.savefig(PLOT, dpi=110)


def main():
    results = json.loads((HERE / "results.json").read_text(encoding="utf-8"))
    PAGE.write_text(fill(PAGE.read_text(encoding="utf-8"), results), encoding="utf-8")
    if "side" in results:
        plot(results)


if __name__ == "__main__":
    main()
