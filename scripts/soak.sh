#!/usr/bin/env bash
# Runs the model test of the apps feed for so many seconds, in rounds of ten minutes with a new seed each. A round that
# fails ends it; the round has printed its seed.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

round=600
[[ ${1:-} =~ ^[0-9]+$ ]] || die "usage: soak.sh NUMBER_OF_SECONDS"
begin=$(date +%s)
end=$((begin + $1))

cd "$root"
while left=$((end - $(date +%s))) && [ "$left" -gt 0 ]; do
    RTMS_SEED=$(date +%s%N) RTMS_SOAK_SECONDS=$((left < round ? left : round)) \
        cargo test --locked --test model through_random_operations_and_faults
done
say "$((($(date +%s) - begin) / 60)) minutes, no difference from the model"
