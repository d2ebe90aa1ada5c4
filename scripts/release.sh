#!/usr/bin/env bash
# The program as it is shipped: built once so that it counts its own branches, put to ordinary work (bench/train.py, half a
# minute), and built again for what was counted. Prints where the program is. Arguments go to cargo: `--example bare` builds,
# and trains, that beside it. Does nothing where that was done with the same sources. Linking takes 6 GB of memory.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$root"

shipped=$target/shipped
counted=$target/counted
# Its own folders: what is built for the machine that builds isn't counted, and flags are for this platform alone.
platform=$(rustc -vV | sed -n 's/^host: //p')
separator=$'\x1f'

# The caller's flags, as cargo takes them when they may hold spaces.
given() {
    if [ -n "${CARGO_ENCODED_RUSTFLAGS:-}" ]; then
        printf '%s%s' "$CARGO_ENCODED_RUSTFLAGS" "$separator"
    elif [ -n "${RUSTFLAGS:-}" ]; then
        printf '%s' "$RUSTFLAGS" | tr -s ' ' "$separator"
        printf '%s' "$separator"
    fi
}

# build FOLDER FLAGS ARGUMENTS..: with more compiler flags, in a folder of its own.
build() {
    local folder=$1 flags=$2
    shift 2
    CARGO_TARGET_DIR=$folder CARGO_ENCODED_RUSTFLAGS=$(given)$flags \
        cargo build --locked --release --target "$platform" --bin rtms-gateway "$@" >&2
}

# Everything that the program is made of.
sources() {
    rustc -vV
    printf '%s\n' "$*" "$(given)"
    find Cargo.toml Cargo.lock conf src bench scripts/release.sh -type f ! -name results.json ! -name '*.pyc' -print0 |
        sort -z | xargs -0 sha256sum
}

stamp=$(sources "$@" | sha256sum)
if [ -x "$shipped/rtms-gateway" ] && [ "$(cat "$shipped/stamp" 2>/dev/null)" = "$stamp" ]; then
    printf '%s\n' "$shipped/rtms-gateway"
    exit
fi

tool=$(llvm_profdata) ||
    die 'llvm-profdata 19 or newer is missing   (rustup component add llvm-tools, or Debian: apt-get install llvm-19)'
unset LLVM_PROFILE_FILE
rm -rf "$counted" "$shipped"
mkdir -p "$counted" "$shipped/examples"

say 'building the program that counts'
rm -rf "$target/counting/$platform/release/examples"
build "$target/counting" "-Cprofile-generate=$counted" "$@"
rm -f "$counted"/*.profraw
say 'putting it to work'
python3 bench/train.py --build "$target/counting/$platform/release"
compgen -G "$counted/*.profraw" >/dev/null || die 'the program that counts has written nothing'
"$tool" merge -o "$counted/merged" "$counted"/*.profraw
# A tool that misreads the compiler's counts finds none.
"$tool" show --counts --function=decision "$counted/merged" | grep -Ec "Block counts: \[[1-9]" >/dev/null ||
    die "$tool finds no counts of judging; it may be too old for this compiler (rustup component add llvm-tools)"
# Named for what it holds: cargo sees a flag that changes, not a file that does.
profile=$counted/$(sha256sum "$counted/merged" | cut -c1-16).profdata
mv "$counted/merged" "$profile"
rm -f "$counted"/*.profraw

say 'building for what it counted'
# What was built for other counts is of no use any more.
rm -rf "$target/trained"
# Crates that do nothing at work have no counts, which is no news.
build "$target/trained" "-Cprofile-use=$profile$separator-Cllvm-args=-pgo-warn-missing-function=false" "$@"
built=$target/trained/$platform/release
cp "$built/rtms-gateway" "$shipped/"
find "$built/examples" -maxdepth 1 -type f -perm -u+x ! -name '*-*' -exec cp {} "$shipped/examples/" \;
"$shipped/rtms-gateway" --version >&2
printf '%s\n' "$stamp" >"$shipped/stamp"
printf '%s\n' "$shipped/rtms-gateway"
