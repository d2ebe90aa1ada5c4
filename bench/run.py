#!/usr/bin/env python3
"""The side-by-side: the gateway beside what people would pick instead, in one run on one core.

Writes what was measured to bench/results.json; report.py makes the tables and the plot of docs/performance.md of it."""

import argparse
import datetime
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import cpu
import load
import measure
import subjects
from measure import say

TABLES = ("side", "aims", "latency", "memory", "telemetry")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", nargs="*", default=list(TABLES), help=f"which: {' '.join(TABLES)}; all, if none is named")
    parser.add_argument("--build", type=Path, required=True, help="where the release binaries are")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=int, default=3, help="how long a round takes")
    parser.add_argument("--results", type=Path, default=subjects.HERE / "results.json")
    return parser.parse_args()


class Bench:
    def __init__(self, given, folder):
        self.given, self.folder = given, folder
        self.all = [kind(folder, given.build) for kind in subjects.ALL]
        self.gateway = self.all[0]
        self.upstream = subjects.Upstream(folder, given.build)
        self.missing = {s.name: s.missing() for s in [self.upstream, *self.all] if s.missing()}
        self.there = [s for s in self.all if s.name not in self.missing]

    def running(self, wanted, count):
        """Starts them; a context that ends them."""
        return Running(wanted, count, self.folder)

    def rounds(self, chosen):
        return measure.rounds(chosen, self.given.rounds, self.given.seconds)

    def side(self):
        """Every subject, every kind of request, by the number of apps."""
        found = {}
        for count, kinds in ((1, ["accept", "reject"]), (1000, ["accept", "reject", "body", "fresh", "h2"]), (100_000, ["accept", "reject"])):
            wanted = [s for s in self.there if s.most is None or count <= s.most]
            say(f"== {count} apps: {', '.join(s.name for s in wanted)}")
            with self.running(wanted, count):
                for kind in kinds:
                    chosen = [(s, kind, count) for s in wanted if kind in s.kinds]
                    found[f"{count}/{kind}"] = table(self.rounds(chosen))
        return found

    def aims(self):
        """The gateway against itself and a bare Pingora."""
        say("== the gateway against itself and a bare Pingora, 1000 apps")
        bare = next(s for s in self.all if isinstance(s, subjects.Bare))
        with self.running([self.gateway, bare], 1000):
            kinds = ["none", "accept", "reject"]
            series = self.rounds([(bare, "accept", 1000), *((self.gateway, kind, 1000) for kind in kinds)])
        for each, kind in zip(series[1:], kinds):
            each.name = f"rtms-gateway, {kind}"
        found = {"share": table(series)}
        say("== the gateway with 1000 and with 100 000 apps")
        many = self.gateway.beside("100 000 apps", 30)
        with self.running([self.gateway], 1000), self.running([many], 100_000):
            series = self.rounds([(self.gateway, "accept", 1000), (many, "accept", 100_000)])
        series[0].name = "1000 apps"
        found["apps"] = table(series)
        return found

    def latency(self):
        """What a proxy adds, at a steady rate: half of what the gateway carries."""
        wanted = [self.gateway, *(s for s in self.there if isinstance(s, (subjects.Haproxy, subjects.Bare)))]
        with self.running(wanted, 1000):
            requests, _ = measure.one(self.gateway, "accept", 1000, self.given.seconds)
            rate = round(requests / self.given.seconds / 2, -3)
            say(f"== latency at {rate:.0f} requests a second")
            # The load brings its own.
            self.upstream.stop()
            direct = [("direct", self.upstream.port), *((s.name, s.port) for s in wanted)]
            times = {name: {"p50": [], "p99": []} for name, _ in direct}
            for _ in range(self.given.rounds):
                for name, port in direct:
                    took = load.pace(
                        self.given.build, self.folder / "requests", self.upstream.port, port, "accept", 1000, int(rate), self.given.seconds
                    )
                    for quantile, micros in zip(("p50", "p99"), took):
                        times[name][quantile].append(micros)
            self.upstream.start(0)
        medians = {name: {q: statistics.median(v) for q, v in t.items()} for name, t in times.items()}
        for name, each in medians.items():
            say(f"   {name:24} p50 {each['p50']:6.1f} us  p99 {each['p99']:6.1f} us")
        return {"rate": rate, "micros": medians, "rounds": times}

    def memory(self):
        """Memory and start by the number of apps."""
        found = {}
        for count in (1, 1000, 100_000, 1_000_000):
            with self.running([self.gateway], count):
                at_start = cpu.resident(self.gateway.pid)
                # The allocator keeps what reading took for a second, and gives it back when it is next asked for something.
                time.sleep(3)
                self.gateway.scrape()
                row = {
                    "start_mib": at_start,
                    "mib": cpu.resident(self.gateway.pid),
                    "peak_mib": cpu.peak(self.gateway.pid),
                    "ready_ms": self.gateway.ready_after * 1e3,
                }
                found[str(count)] = row
            say(f"   {count:8} apps: {row['mib']:6.1f} MiB, {at_start:.1f} at start, ready after {row['ready_ms']:.0f} ms")
        return found

    def telemetry(self):
        """What telemetry costs: from metrics alone to everything."""
        say("== telemetry")
        log = self.folder / "access.log"
        variants = [self.gateway]
        for step, (name, lines) in enumerate(telemetry(log), start=1):
            variants.append(self.gateway.beside(name, step * 2 + 40, telemetry="\n  ".join(lines)))
        with self.running(variants, 1000):
            series = self.rounds([(s, "accept", 1000) for s in variants])
        series[0].name = "metrics only"
        return table(series)


def telemetry(log):
    """Each way to be told more, and everything at once."""
    written = f"access_log: {{ path: {log} }}"
    traced = 'tracing: {{ otlp_endpoint: "http://127.0.0.1:9899", sample: {} }}'
    yield "access log", [written]
    yield "metrics per app", ["access_log: { sample: 0 }", "per_app: all"]
    yield "1 % traced", ["access_log: { sample: 0 }", traced.format(0.01)]
    yield "everything", [written, "per_app: all", traced.format(0.01)]


class Running:
    def __init__(self, wanted, count, folder):
        self.wanted, self.count, self.folder = wanted, count, folder

    def __enter__(self):
        for folder in {s.folder for s in self.wanted}:
            subjects.write_apps(folder, self.count)
        try:
            for subject in self.wanted:
                subject.start(self.count)
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        for subject in self.wanted:
            subject.stop()


def table(series):
    ratios = measure.against(series, 0)
    return [{"name": s.name, **s.summary(), "ratio": r} for s, r in zip(series, ratios)]


def main():
    given = arguments()
    unknown = set(given.tables) - set(TABLES)
    if unknown:
        sys.exit(f"no such table: {' '.join(sorted(unknown))}; there are {' '.join(TABLES)}")
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(given, Path(folder))
        for name, what in bench.missing.items():
            say(f"missing, and left out: {name}: {what}")
        if "upstream" in bench.missing:
            sys.exit("without the upstream nothing can be measured")
        results = json.loads(given.results.read_text()) if given.results.exists() else {}
        results["about"] = {
            "date": datetime.date.today().isoformat(),
            "machine": f"{cpu.model()}, {os.cpu_count()} cores, Linux {os.uname().release}",
            "versions": {s.name: s.version() for s in bench.there},
            "missing": bench.missing,
            "trained": (given.build / "stamp").exists(),
            "rounds": given.rounds,
            "seconds": given.seconds,
            "connections": load.CONNECTIONS,
        }
        bench.upstream.start(0)
        try:
            for name in given.tables:
                results[name] = getattr(bench, name)()
                given.results.write_text(json.dumps(results, indent=1) + "\n")
        finally:
            bench.upstream.stop()


if __name__ == "__main__":
    main()
