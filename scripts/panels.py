"""Draws the dashboards in grafana/dashboards as pictures, from what a Prometheus has recorded.

    panels.py PROMETHEUS_URL FROM TO FOLDER     (seconds since the epoch)

Rows, places, titles, units, colours and thresholds are those of the JSON; queries are filled in and asked as Grafana
does it. `make panels` lets a gateway live through three minutes for it.
"""

import datetime
import json
import math
import pathlib
import re
import sys
import urllib.parse
import urllib.request

import matplotlib

matplotlib.use("Agg")
import matplotlib.dates as mdates  # noqa: E402
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.patches import FancyBboxPatch  # noqa: E402

from panel_kinds import COLOURS, COLUMN, DRAWN, EDGE, FAINT, LINE, PAGE, PANEL, TEXT, legend  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent
PICTURES = {"gateway": "dashboard-gateway.png", "apps": "dashboard-apps.png"}


class Source:
    """A Prometheus, and the time shown."""

    def __init__(self, url, start, end):
        self.url, self.start, self.end = url, start, end

    def ask(self, call, **arguments):
        url = f"{self.url}/api/v1/{call}?{urllib.parse.urlencode(arguments)}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            return json.load(answer)["data"]["result"]

    def fill(self, query):
        times = {"__rate_interval": "10s", "__range": f"{self.end - self.start:.0f}s", "__interval": "1s"}
        for name, value in times.items():
            query = query.replace(f"${name}", value)
        return re.sub(r"\$(instance|route|upstream|app)\b", ".*", query)

    def lines(self, target):
        """(name, times, values) of every series of a query."""
        found = self.ask("query_range", query=self.fill(target["expr"]), start=self.start, end=self.end, step=1)
        return [(legend(target, one["metric"]), *samples(one["values"])) for one in found]

    def now(self, target):
        """(labels, value) of every series at the end."""
        found = self.ask("query", query=self.fill(target["expr"]), time=self.end)
        return [(one["metric"], float(one["value"][1])) for one in found]


def samples(pairs):
    times = [datetime.datetime.fromtimestamp(float(at), datetime.timezone.utc) for at, _ in pairs]
    values = [float(value) for _, value in pairs]
    # What is divided by nothing is drawn as a gap.
    return times, [value if math.isfinite(value) else math.nan for value in values]


class Page:
    """One dashboard on one sheet."""

    def __init__(self, dashboard, source):
        self.dashboard, self.source = dashboard, source
        self.marks = self.annotations()
        self.height = max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in dashboard["panels"]) + 2
        self.figure = plt.figure(figsize=(24 * COLUMN, self.height * LINE), facecolor=PAGE)

    def annotations(self):
        """(moment, colour) of everything that begins to be marked."""
        marks = set()
        for annotation in self.dashboard["annotations"]["list"]:
            if annotation.get("expr") and not annotation["hide"]:
                for _, times, _ in self.source.lines(annotation):
                    begun = [now for before, now in zip([None, *times], times, strict=False)
                             if before is None or (now - before).total_seconds() > 2]
                    marks.update((moment, COLOURS[annotation["iconColor"]]) for moment in begun)
        return sorted(marks)

    def box(self, grid, left=0.0, right=0.0, top=0.0, bottom=0.0):
        """Figure coordinates of a place on the grid, less margins in inches."""
        width, height = 24 * COLUMN, self.height * LINE
        x0, x1 = grid["x"] * COLUMN + left, (grid["x"] + grid["w"]) * COLUMN - right
        y0, y1 = (grid["y"] + 2) * LINE + top, (grid["y"] + 2 + grid["h"]) * LINE - bottom
        return [x0 / width, 1 - y1 / height, (x1 - x0) / width, (y1 - y0) / height]

    def text(self, grid, x, y, words, **style):
        left, bottom, width, height = self.box(grid)
        across, up = x / (24 * COLUMN), y / (self.height * LINE)
        style.setdefault("color", TEXT)
        self.figure.text(left + across, bottom + height - up, words, va="top", **style)

    def frame(self, grid):
        left, bottom, width, height = self.box(grid, 0.05, 0.05, 0.05, 0.05)
        self.figure.add_artist(FancyBboxPatch((left, bottom), width, height, boxstyle="round,pad=0,rounding_size=0.001",
                                              facecolor=PANEL, edgecolor=EDGE, linewidth=0.8, zorder=-1))

    def axes(self, grid, **margins):
        axes = self.figure.add_axes(self.box(grid, **margins), facecolor="none")
        axes.tick_params(colors=FAINT, labelsize=8, length=0)
        axes.tick_params(axis="x", pad=6)
        for side in axes.spines.values():
            side.set_visible(False)
        return axes

    def time(self, axes, marked=False):
        for moment, hue in self.marks if marked else []:
            axes.axvline(moment, color=hue, linewidth=0.9, linestyle=(0, (3, 2)), alpha=0.9)
        ends = [datetime.datetime.fromtimestamp(t, datetime.timezone.utc) for t in (self.source.start, self.source.end)]
        axes.set_xlim(*ends)
        axes.xaxis.set_major_locator(mdates.AutoDateLocator(minticks=3, maxticks=6))
        axes.xaxis.set_major_formatter(mdates.DateFormatter("%H:%M:%S"))

    def draw(self):
        top = {"x": 0, "y": -2, "w": 24, "h": 2}
        self.text(top, 0.15, 0.2, self.dashboard["title"], fontsize=19, weight="bold")
        self.text(top, 0.15, 0.55, self.dashboard["description"], fontsize=9.5, color=FAINT)
        for panel in self.dashboard["panels"]:
            grid = panel["gridPos"]
            if panel["type"] == "row":
                self.text(grid, 0.1, 0.13, "▾  " + panel["title"], fontsize=12, weight="bold")
                continue
            self.frame(grid)
            self.text(grid, 0.18, 0.15, panel["title"], fontsize=10)
            DRAWN[panel["type"]](self, panel)

    def save(self, path):
        self.figure.savefig(path, dpi=80, facecolor=PAGE)


def main():
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    source = Source(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]))
    plt.rcParams["font.family"] = "DejaVu Sans"
    for name, picture in PICTURES.items():
        dashboard = json.loads((ROOT / "grafana" / "dashboards" / f"{name}.json").read_text(encoding="utf-8"))
        page = Page(dashboard, source)
        page.draw()
        page.save(pathlib.Path(sys.argv[4]) / picture)


main()
