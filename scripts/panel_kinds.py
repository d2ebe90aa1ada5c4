"""How each kind of panel is drawn: a page of panels.py gives it places and text, the panel's JSON the rest."""

import math
import re

import matplotlib.dates as mdates
from matplotlib.ticker import FuncFormatter, MaxNLocator

PAGE, PANEL, EDGE, TEXT, FAINT = "#111217", "#181b1f", "#2b2e34", "#d5d6db", "#8e9099"
PALETTE = ["#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#5794f2", "#b877d9", "#fa6400", "#37872d", "#e0b400",
           "#c4162a", "#8f3bb8", "#96d98d", "#ffee52", "#ffa6b0"]
COLOURS = {"green": "#73bf69", "red": "#f2495c", "orange": "#ff9830", "yellow": "#fade2a", "blue": "#5794f2", "purple": "#b877d9",
           "text": TEXT}
# Inches for a column (of 24) and for a line of the grid.
COLUMN, LINE = 0.95, 0.40
UNITS_OF_TIME = [(86400, "d"), (3600, "h"), (60, "min"), (1, "s"), (1e-3, "ms"), (1e-6, "µs")]



def legend(target, labels):
    return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), target.get("legendFormat") or "value").strip()


def short(number):
    for size, suffix in ((1e9, "B"), (1e6, "M"), (1e3, "K")):
        if abs(number) >= size:
            return f"{number / size:.3g} {suffix}"
    return f"{number:.3g}"


def shown(number, unit, decimals=None):
    """A number as Grafana shows it in this unit."""
    if math.isnan(number):
        return "–"
    if unit == "percentunit":
        return f"{number * 100:.{decimals}f} %" if decimals is not None else f"{number * 100:.3g} %"
    if unit == "s":
        size, suffix = next(((s, n) for s, n in UNITS_OF_TIME if abs(number) >= s * 0.9999), (1, "s"))
        return f"{number / size:,.0f} {suffix}" if number >= 1e8 else f"{number / size:.3g} {suffix}"
    if unit == "bytes":
        size, suffix = next(((2**p, n) for p, n in ((30, "GiB"), (20, "MiB"), (10, "KiB")) if number >= 2**p), (1, "B"))
        return f"{number / size:.3g} {suffix}"
    text = f"{number:.{decimals}f}" if decimals is not None else short(number)
    return text + {"reqps": " req/s", "cps": " /s"}.get(unit, "")


def defaults(panel):
    return panel["fieldConfig"]["defaults"]


def threshold(panel, number):
    """The colour of a number by the panel's thresholds."""
    colour = "text"
    for step in defaults(panel)["thresholds"]["steps"]:
        if step["value"] is None or number >= step["value"]:
            colour = step["color"]
    return COLOURS[colour]


def colour(panel, name, index):
    for override in panel["fieldConfig"]["overrides"]:
        if re.search(override["matcher"]["options"].strip("/"), name):
            return COLOURS[override["properties"][0]["value"]["fixedColor"]]
    return PALETTE[index % len(PALETTE)]


def stat(page, panel):
    grid, unit = panel["gridPos"], defaults(panel)["unit"]
    lines = page.source.lines(panel["targets"][0])
    if not lines:
        nothing(page, panel)
        return
    name, times, values = lines[-1]
    last = next((v for v in reversed(values) if not math.isnan(v)), math.nan)
    hue = threshold(panel, last)
    if panel["options"]["graphMode"] == "area":
        axes = page.axes(grid, left=0.07, right=0.07, top=0.85, bottom=0.07)
        axes.set_axis_off()
        axes.fill_between(times, values, 0, color=hue, alpha=0.18, linewidth=0)
        axes.plot(times, values, color=hue, linewidth=1)
        axes.set_ylim(0, max([v for v in values if not math.isnan(v)] + [1e-9]) * 1.1)
        page.time(axes)
    words = shown(last, unit, defaults(panel).get("decimals"))
    middle = grid["w"] * COLUMN / 2
    page.text(grid, middle, 0.5, words, fontsize=23, color=hue, ha="center")
    if panel["options"]["textMode"] == "value_and_name":
        page.text(grid, middle, 1.1, name, fontsize=9, color=FAINT, ha="center")


def nothing(page, panel):
    grid = panel["gridPos"]
    page.text(grid, grid["w"] * COLUMN / 2, grid["h"] * LINE / 2 - 0.1, "No data", fontsize=11, color=FAINT, ha="center")


def named(page, panel):
    """The panel's series with their colours, those that are nothing but zeros last."""
    lines = [line for target in panel["targets"] for line in page.source.lines(target)]
    lines = [line for line in lines if any(not math.isnan(v) for v in line[2])]
    lines.sort(key=lambda line: -max(v for v in line[2] if not math.isnan(v)))
    return [(*line, colour(panel, line[0], n)) for n, line in enumerate(lines)]


def reduced(values, how):
    numbers = [v for v in values if not math.isnan(v)]
    return {"mean": sum(numbers) / len(numbers), "max": max(numbers), "min": min(numbers), "lastNotNull": numbers[-1]}[how]


def timeseries(page, panel):
    grid, options = panel["gridPos"], defaults(panel)
    lines = named(page, panel)
    if not lines:
        nothing(page, panel)
        return
    # As many as fit; the rest is said in a word.
    room = 5 if grid["w"] >= 7 else 4
    rows = min(len(lines), room)
    axes = page.axes(grid, left=0.75, right=0.25, top=0.5, bottom=0.62 + 0.19 * rows)
    axes.grid(axis="y", color=EDGE, linewidth=0.6)
    custom = options["custom"]
    stacked = custom["stacking"]["mode"] == "normal"
    paint(axes, lines, custom, stacked)
    limits(axes, panel, lines, stacked)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: shown(v, options["unit"])))
    page.time(axes, marked=True)
    write_legend(page, panel, lines, rows)


def paint(axes, lines, custom, stacked):
    if custom["drawStyle"] == "bars":
        for _, times, values, hue in lines:
            axes.bar(times, [0 if math.isnan(v) else v for v in values], width=1 / 86400, color=hue, alpha=0.7)
    elif stacked:
        base = {}
        for _, times, values, hue in lines:
            values = [0 if math.isnan(v) else v for v in values]
            low = [base.get(t, 0) for t in times]
            high = [b + v for b, v in zip(low, values, strict=True)]
            axes.fill_between(times, low, high, color=hue, alpha=0.35, linewidth=0)
            axes.plot(times, high, color=hue, linewidth=1)
            base.update(zip(times, high, strict=True))
    else:
        for _, times, values, hue in lines:
            axes.plot(times, values, color=hue, linewidth=1.2)
            axes.fill_between(times, values, 0, color=hue, alpha=custom["fillOpacity"] / 100, linewidth=0)


def limits(axes, panel, lines, stacked):
    options = defaults(panel)
    if "min" in options:
        axes.set_ylim(bottom=options["min"])
    if options.get("max") is not None:
        axes.set_ylim(top=options["max"])
    elif not stacked and max(max(v for v in line[2] if not math.isnan(v)) for line in lines) == 0:
        axes.set_ylim(top=1)
    top = axes.get_ylim()[1]
    if options["custom"].get("thresholdsStyle", {}).get("mode") == "dashed":
        for step in options["thresholds"]["steps"]:
            if step["value"] is not None and step["value"] <= top:
                axes.axhline(step["value"], color=COLOURS[step["color"]], linewidth=1, linestyle=(0, (6, 4)))


def write_legend(page, panel, lines, rows):
    grid, unit = panel["gridPos"], defaults(panel)["unit"]
    calcs = panel["options"]["legend"]["calcs"]
    right = grid["w"] * COLUMN - 0.2
    top = grid["h"] * LINE - 0.19 * rows - 0.3
    for n, how in enumerate(reversed(calcs)):
        word = {"lastNotNull": "last"}.get(how, how)
        page.text(grid, right - 0.85 * n, top, word, fontsize=7.5, color=COLOURS["blue"], ha="right")
    for row, (name, _, values, hue) in enumerate(lines[:rows]):
        y = top + 0.19 * (row + 1)
        more = f"   (+{len(lines) - rows} more)" if row == rows - 1 and len(lines) > rows else ""
        page.text(grid, 0.2, y, "▬", fontsize=8.5, color=hue)
        page.text(grid, 0.42, y, (name + more)[: int((grid["w"] * COLUMN - 0.85 * len(calcs)) * 13)], fontsize=8.5)
        for n, how in enumerate(reversed(calcs)):
            page.text(grid, right - 0.85 * n, y, shown(reduced(values, how), unit), fontsize=8.5, ha="right")


def state_timeline(page, panel):
    grid = panel["gridPos"]
    lines = [line for target in panel["targets"] for line in page.source.lines(target)]
    if not lines:
        nothing(page, panel)
        return
    words = defaults(panel)["mappings"][0]["options"]
    axes = page.axes(grid, left=1.9, right=0.25, top=0.5, bottom=0.42)
    for row, (_, times, values) in enumerate(lines):
        stretches(axes, row, times, values, words)
    axes.set_ylim(len(lines) - 0.5, -0.5)
    axes.set_yticks(range(len(lines)), [line[0] for line in lines])
    page.time(axes)


def stretches(axes, row, times, values, words):
    """Bars of equal states side by side, each with its word."""
    begin = 0
    for n in range(1, len(values) + 1):
        if n < len(values) and values[n] == values[begin]:
            continue
        end = times[n] if n < len(times) else times[-1]
        state = words["1" if values[begin] >= 1 else "0"]
        x0, x1 = mdates.date2num(times[begin]), mdates.date2num(end)
        axes.barh(row, x1 - x0, left=x0, height=0.72, color=COLOURS[state["color"]], alpha=0.75, linewidth=0)
        if (end - times[begin]).total_seconds() > 8:
            axes.text((x0 + x1) / 2, row, state["text"], ha="center", va="center", fontsize=8, color=PAGE)
        begin = n


def bargauge(page, panel):
    grid, unit = panel["gridPos"], defaults(panel)["unit"]
    found = page.source.now(panel["targets"][0])
    if not found:
        nothing(page, panel)
        return
    bars = [(legend(panel["targets"][0], labels), value) for labels, value in found][:14]
    axes = page.axes(grid, left=1.75, right=0.85, top=0.5, bottom=0.15)
    most = max(value for _, value in bars)
    for row, (_, value) in enumerate(bars):
        axes.barh(row, most, height=0.7, color=EDGE)
        axes.barh(row, value, height=0.7, color=threshold(panel, value), alpha=0.8)
        axes.text(most * 1.02, row, shown(value, unit), va="center", fontsize=8, color=TEXT)
    axes.set_ylim(len(bars) - 0.4, -0.6)
    axes.set_xlim(0, most)
    axes.set_yticks(range(len(bars)), [name for name, _ in bars])
    axes.set_xticks([])


def table(page, panel):
    grid, unit = panel["gridPos"], defaults(panel)["unit"]
    columns = panel["transformations"][0]["options"]["renameByName"]
    found = sorted(page.source.now(panel["targets"][0]), key=lambda row: -row[1])
    if not found:
        nothing(page, panel)
        return
    step = (grid["w"] * COLUMN - 0.4) / len(columns)
    room = int((grid["h"] * LINE - 0.9) / 0.23)
    for n, (label, title) in enumerate(columns.items()):
        page.text(grid, 0.2 + step * n, 0.5, title, fontsize=9, weight="bold", color=COLOURS["blue"])
        for row, (labels, value) in enumerate(found[:room]):
            words = shown(value, unit, defaults(panel).get("decimals")) if label == "Value" else labels.get(label, "")
            page.text(grid, 0.2 + step * n, 0.78 + 0.23 * row, words, fontsize=9)


DRAWN = {"stat": stat, "timeseries": timeseries, "state-timeline": state_timeline, "bargauge": bargauge, "table": table}
