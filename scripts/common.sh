# shellcheck shell=bash disable=SC2034
# Shared by the scripts here; sourced, not run. The caller has set -euo pipefail.

# The repository's root.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Where cargo builds: everything that is made by hand lies beside it, so that one `make clean` removes it all.
target=${CARGO_TARGET_DIR:-target}
case $target in
    /*) ;;
    *) target=$root/$target ;;
esac

# The private Python environment: the test database and its client.
venv=$target/venv

# The linters of deploy/, apart from it: their dependencies are none of the database's business.
lint_venv=$target/lint-venv

# Where Debian keeps servers, which not everybody's PATH has.
PATH=$PATH:/usr/sbin:/sbin

say() {
    printf '== %s\n' "$*" >&2
}

die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

have() {
    command -v "$1" >/dev/null 2>&1
}

# Prints what reads the counts that the compiler's programs write: its own, if rustup has it (component llvm-tools), or one
# that is new enough. Fails if there is none.
llvm_profdata() {
    local version
    for version in "$(rustc --print sysroot)"/lib/rustlib/*/bin/llvm-profdata llvm-profdata-{29..19}; do
        if have "$version"; then
            printf '%s\n' "$version"
            return
        fi
    done
    return 1
}
