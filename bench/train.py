#!/usr/bin/env python3
"""Ordinary work for a build that counts its own branches: what it writes at its end tells the compiler which ones to lay
out for. scripts/release.sh calls it."""

import argparse
import sys
import tempfile
from pathlib import Path

import measure
import subjects

APPS = 1000
# What the API is asked most comes up most.
ROUNDS = (("accept", 4), ("none", 2), ("body", 2), ("fresh", 1), ("reject", 1), ("h2", 2))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=Path, required=True, help="where the counting binaries are")
    parser.add_argument("--seconds", type=int, default=2, help="how long a round takes")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        upstream = subjects.Upstream(folder, given.build)
        gateway = subjects.Gateway(folder, given.build)
        # As people run it: with a log.
        gateway.telemetry = f"access_log: {{ path: {folder / 'access.log'} }}"
        subjects.write_apps(folder, APPS)
        upstream.start(0)
        try:
            for subject in (gateway, subjects.Bare(folder, given.build)):
                if subject.missing():
                    continue
                subject.start(APPS)
                try:
                    for kind, times in ROUNDS:
                        if kind in subject.kinds:
                            requests, _ = measure.one(subject, kind, APPS, given.seconds * times)
                            measure.say(f"   {subject.name:24} {kind:8} {requests} requests")
                finally:
                    subject.stop()
        finally:
            upstream.stop()


if __name__ == "__main__":
    sys.exit(main())
