#!/usr/bin/env bash
# Runs every fuzz target for FUZZ_SECONDS (60) each, from the seeds in fuzz/corpus and what earlier runs grew beside the
# build; prints how many inputs a second each tried. Ends with the first input that shows a mistake: it is kept, and how
# to run it again is printed.
#
# fuzz.sh TARGET runs one target, fuzz.sh TARGET FILE.. tries these inputs once.
#
# Uses cargo-fuzz with the nightly toolchain (and its address sanitizer) where both are installed. Otherwise the stable
# compiler with the flags that cargo-fuzz would pass for coverage, and no sanitizer: nothing fuzzed here is unsafe code.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

seconds=${FUZZ_SECONDS:-60}
[[ $seconds =~ ^[1-9][0-9]*$ ]] || die "FUZZ_SECONDS must be a number of seconds, not $seconds"
built=$target/fuzz
kept=$root/fuzz/artifacts
triple=$(rustc -vV | sed -n 's/^host: //p')

# The toolchain file names a stable one, which the environment overrides.
with_cargo_fuzz() {
    cargo fuzz --version >/dev/null 2>&1 && RUSTUP_TOOLCHAIN=nightly cargo -V >/dev/null 2>&1
}

# Builds for coverage: the targets of the judging core, or with `server` the one that needs the rest. With --target the flags are
# not for build scripts, which would not link with them.
build() {
    local options=(--release --target "$triple" --target-dir "$built")
    if [ "$1" = server ]; then options+=(--features server); fi
    if with_cargo_fuzz; then
        RUSTUP_TOOLCHAIN=nightly cargo fuzz build --fuzz-dir fuzz "${options[@]}"
        return
    fi
    local kind flags=(--cfg fuzzing -Cpasses=sancov-module)
    for kind in level=4 inline-8bit-counters pc-table trace-compares; do
        flags+=("-Cllvm-args=-sanitizer-coverage-$kind")
    done
    if [ "$1" = server ]; then options+=(--bin configuration); else options+=(--bins); fi
    RUSTC_BOOTSTRAP=1 RUSTFLAGS="${flags[*]}" cargo build --locked --manifest-path fuzz/Cargo.toml "${options[@]}"
}

# Runs a built target; libFuzzer stops at a panic, at an input that takes 10 s, and at 2 GiB of memory.
run() {
    local name=$1
    shift
    mkdir -p "$kept/$name" "$built/corpus/$name"
    RUST_BACKTRACE=1 "$built/$triple/release/$name" -artifact_prefix="$kept/$name/" -timeout=10 -rss_limit_mb=2048 "$@"
}

# Fuzzes a target: what it says goes to a log, of which a failure shows the end.
fuzz() {
    local name=$1 log=$built/$1.log options=(-max_len=4096 -print_final_stats=1 -max_total_time="$seconds")
    if [ -f "fuzz/dictionaries/$name.dict" ]; then options+=(-dict="fuzz/dictionaries/$name.dict"); fi
    if ! run "$name" "${options[@]}" "$built/corpus/$name" "fuzz/corpus/$name" >"$log" 2>&1; then
        tail -n 60 "$log" >&2
        local input
        input=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
        die "$name: a mistake. The input is ${input:-not kept}; again: scripts/fuzz.sh $name ${input:-FILE}"
    fi
    awk -v name="$name" '
        /cov: [0-9]/ { for (i = 1; i < NF; i++) if ($i == "cov:") covered = $(i + 1) }
        /^stat::number_of_executed_units/ { units = $2 }
        /^stat::average_exec_per_sec/ { rate = $2 }
        END { printf "%-14s %9d inputs, %6d a second, coverage %d\n", name, units, rate, covered }' "$log"
}

cd "$root"
targets=(token target identities proxy_header configuration)
if [ "$#" -gt 0 ]; then targets=("$1"); fi
for name in "${targets[@]}"; do
    case $name in
        token | target | identities | proxy_header) core=yes ;;
        configuration) server=yes ;;
        *) die "there is no target $name; they are in fuzz/targets" ;;
    esac
done
if [ -n "${core:-}" ]; then build core; fi
if [ -n "${server:-}" ]; then build server; fi
if [ "$#" -gt 1 ]; then
    run "$@"
    exit
fi
for name in "${targets[@]}"; do fuzz "$name"; done
