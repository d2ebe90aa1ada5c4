"""Rounds in turn: every subject is asked the same, one after the other, again and again."""

import statistics
import sys

import cpu
import load
import stats


def say(text):
    print(text, file=sys.stderr, flush=True)


class Series:
    """What the rounds of one subject came to: microseconds of CPU a request, and requests a second."""

    def __init__(self, name):
        self.name, self.micros, self.rate = name, [], []

    def add(self, requests, used, seconds):
        self.micros.append(used / requests * 1e6)
        self.rate.append(requests / seconds)

    def summary(self):
        return {
            "micros": statistics.median(self.micros),
            "rate": statistics.median(self.rate),
            "rounds": self.micros,
        }


def one(subject, kind, count, seconds):
    """One round: requests, CPU seconds."""
    before = cpu.seconds(subject.pid)
    if kind == "h2":
        requests = load.h2load(subject.h2_port, "accept", count, int(seconds * 8000))
    else:
        script = load.script(subject.folder / f"{kind}-{count}.lua", kind, count)
        requests = load.wrk(subject.port, script, seconds, rejected=kind == "reject")
    return requests, cpu.seconds(subject.pid) - before


def rounds(subjects, how_many, seconds):
    """`subjects`: each with the kind of request and the number of its apps. Returns a series for each, in their order."""
    series = [Series(subject.name) for subject, _, _ in subjects]
    for subject, kind, count in subjects:
        one(subject, kind, count, 1)
    for number in range(how_many):
        # Who comes first changes, so that nobody always follows the same neighbour.
        order = list(range(len(subjects)))
        order = order[number % len(order) :] + order[: number % len(order)]
        for at in order:
            subject, kind, count = subjects[at]
            requests, used = one(subject, kind, count, seconds)
            series[at].add(requests, used, seconds)
    for each, (_, kind, _) in zip(series, subjects):
        say(f"   {kind:8} {each.name:24} {statistics.median(each.micros):7.1f} us  {statistics.median(each.rate):8.0f}/s")
    return series


def against(series, reference):
    """The ratio of each series to the one at `reference`."""
    return [stats.ratio(each.micros, series[reference].micros) for each in series]
