#!/usr/bin/env bash
# Lints what lies in deploy/: YAML, the compose file, Kubernetes manifests, the Dockerfile, the systemd unit, the
# configurations. Every tool must be there (scripts/setup.sh deploy installs them): one that is missing is a failure.
# What no linter here can tell (images, clusters, a running systemd) is listed in deploy/README.md.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$root"

# The worst that `systemd-analyze security` may say of the unit, in tenths.
exposure=12
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A tool of the private environment, or of the machine.
need() {
    have "$1" || die "$1 is missing; scripts/setup.sh deploy installs it"
}

yaml() {
    say 'yamllint'
    yamllint --strict -c .yamllint.yaml .yamllint.yaml .hadolint.yaml deploy grafana conf
}

compose() {
    if docker compose version >/dev/null 2>&1; then
        say 'docker compose config'
        RTMS_PROFILES_TOKEN=lint docker compose -f deploy/compose.yaml config --quiet
    else
        say 'check-jsonschema (there is no docker compose here to ask)'
    fi
    check-jsonschema --builtin-schema vendor.compose-spec deploy/compose.yaml
}

# kubernetes-validate knows the kinds that Kubernetes brings, and neither the operator's nor kustomize's own.
kubernetes() {
    say 'kubernetes-validate (not ServiceMonitor, whose kind is the operator'"'"'s)'
    local file
    for file in deploy/kubernetes/*.yaml; do
        case ${file##*/} in
            gateway.yaml | kustomization.yaml) continue ;;
        esac
        kubernetes-validate --strict --quiet "$file"
    done
    python3 scripts/lint_kustomization.py deploy/kubernetes
    sh deploy/kubernetes/monitoring/prometheus-rule.sh >"$work/rule.yaml"
    yamllint --strict -c .yamllint.yaml "$work/rule.yaml"
    if have kubectl; then
        say 'kubectl kustomize'
        kubectl kustomize deploy/kubernetes >"$work/all.yaml"
        kubernetes-validate --strict --quiet "$work/all.yaml"
    else
        say 'there is no kubectl here: the kustomization is checked for the names in it alone'
    fi
}

image() {
    say 'hadolint'
    hadolint -c .hadolint.yaml deploy/Dockerfile
}

# With stubs where the unit wants programs: it is verified where the gateway isn't installed.
unit() {
    say 'systemd-analyze verify'
    local name=rtms-gateway.service problems
    sed -E "s#^(Exec[A-Za-z]+=)[^ ]+#\1$(command -v true)#" "deploy/systemd/$name" >"$work/$name"
    problems=$(systemd-analyze verify --man=no "$work/$name" 2>&1) || die "the unit: $problems"
    [ -z "$problems" ] || die "the unit: $problems"
    say 'systemd-analyze security'
    systemd-analyze security --offline=true --threshold="$exposure" --no-pager "$work/$name" | tail -n 1
    sh -n deploy/systemd/reload
    sh -n deploy/kubernetes/monitoring/prometheus-rule.sh
}

# The user is the unit's, which this machine needn't have.
rotation() {
    say 'logrotate --debug'
    sed 's/rtms-gateway rtms-gateway/root root/' deploy/logrotate/rtms-gateway >"$work/logrotate"
    chmod 0644 "$work/logrotate"
    logrotate --debug --state "$work/state" "$work/logrotate" >"$work/said" 2>&1 || die "logrotate: $(cat "$work/said")"
    if grep -i '^error' "$work/said" >&2; then die 'logrotate'; fi
}

# The libraries of distroless/cc, and no others.
libraries() {
    local binary=$target/debug/rtms-gateway strange
    [ -x "$binary" ] || die "$binary is missing; build it first"
    say 'ldd: nothing but glibc and libgcc'
    strange=$(ldd "$binary" | grep -vE 'linux-vdso|ld-linux|lib(c|m|gcc_s|dl|pthread|rt)\.so' || true)
    [ -z "$strange" ] || die "the binary needs more than distroless/cc has: $strange"
}

PATH=$lint_venv/bin:/usr/sbin:$PATH
for tool in yamllint check-jsonschema kubernetes-validate hadolint systemd-analyze logrotate ldd; do need "$tool"; done
yaml
compose
kubernetes
image
unit
rotation
libraries
say 'deploy/ is in order'
