# shellcheck shell=bash
# What a script starts in the background, and what it leaves behind, ends with it; sourced after common.sh, not run. The
# script defines show_logs, for when it failed, and puts process ids in `children` and its folder in `run`.

children=()
run=

# Stops what this script started, by process id, and removes its data.
clean_up() {
    local status=$? pid
    trap - EXIT INT TERM
    for pid in "${children[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${children[@]}"; do wait "$pid" 2>/dev/null || true; done
    if [ "$status" -ne 0 ] && [ "$status" -lt 128 ] && [ -n "$run" ]; then show_logs; fi
    if [ -n "$run" ]; then rm -rf "$run"; fi
    exit "$status"
}

trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
