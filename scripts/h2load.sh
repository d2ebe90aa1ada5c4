#!/usr/bin/env bash
# HTTP/2 from somebody else's client: h2load over TLS, 4 connections with 100 streams each, against the built gateway;
# once in peace, and once with SIGTERM in the middle. Exits non-zero if a request failed that the gateway had begun, or it
# did not end well. Requests that h2load had yet to send when it was told to go (GOAWAY) were never begun: it counts them
# as failed, the gateway's access log doesn't know them, and any client may ask again elsewhere (RFC 9113 section 6.8).
#
# REQUESTS=20000 is how many are asked for in peace; RELEASE=1 measures the optimised program, not the one of the tests.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=scripts/children.sh
. "$(dirname "${BASH_SOURCE[0]}")/children.sh"

connections=4
streams=100
requests=${REQUESTS:-20000}
[[ $requests =~ ^[1-9][0-9]*$ ]] || die "REQUESTS must be a number, not $requests"
# How long the second run lasts, and how much of it is over when the gateway is told to stop.
seconds=6
peace=2

show_logs() {
    if [ -s "$run/gateway.log" ]; then tail -n 30 "$run/gateway.log" >&2; fi
}

# Free ports, so many.
ports() {
    python3 -c '
import socket, sys
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
print(*(s.getsockname()[1] for s in held))' "$1"
}

# Waits until a path answers 200 on a port of this machine.
answers() {
    local port=$1 path=$2 try line
    for try in $(seq 200); do
        # Nobody there yet: another try. The subshell keeps the descriptor to itself.
        line=$( (
            exec 3<>"/dev/tcp/127.0.0.1/$port"
            printf 'GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$path" >&3
            head -n 1 <&3
        ) 2>/dev/null) || true
        if [[ $line == *' 200 '* ]]; then return; fi
        sleep 0.05
    done
    die "no answer from 127.0.0.1:$port$path after $try tries"
}

configure() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
        -keyout "$run/server.key" -out "$run/server.pem" 2>/dev/null
    printf '[{ "appId": "H2LOAD", "jwt_secretkey": "%s" }]\n' "$SECRET" >"$run/apps.json"
    cat >"$run/gateway.yaml" <<YAML
listeners: [ { address: "127.0.0.1:$listener", tls: { cert: server.pem, key: server.key, http2: true } } ]
admin: { address: "127.0.0.1:$admin" }
apps: { source: file, file: { path: apps.json } }
upstreams: { rtms: { peers: [ { address: "127.0.0.1:$upstream" } ] } }
routes: [ { path: "/rtmsAPI/api/{version}/{appId}/{rest*}", upstream: rtms } ]
telemetry: { access_log: { path: access.log } }
server: { drain: 1s }
YAML
}

start_gateway() {
    "$built/rtms-gateway" run -c "$run/gateway.yaml" >"$run/gateway.log" 2>&1 &
    gateway=$!
    children+=("$gateway")
    answers "$admin" /readyz
}

# h2load with the options of both runs.
load() {
    h2load -c "$connections" -m "$streams" -H "authorization: Bearer $token" "$@" \
        "https://127.0.0.1:$listener/rtmsAPI/api/v1/H2LOAD/plain"
}

# A number out of what h2load said: of its line `requests:`, the one before this word; or the answers of 200 to 299.
said() {
    local log=$run/$1.out
    case $2 in
        2xx) sed -n 's/^status codes: \([0-9]*\) 2xx.*/\1/p' "$log" ;;
        rate) sed -n 's/^finished in [^,]*, \([0-9.]*\) req.*/\1/p' "$log" ;;
        *) sed -n "s/^requests:.* \([0-9]*\) $2.*/\1/p" "$log" ;;
    esac
}

# Every request that the gateway began since the log was so long came to its end at the client, and well.
judge() {
    local name=$1 before=$2 wanted=$3 begun good refused
    begun=$(($(logged '"path"') - before))
    good=$(said "$name" 2xx)
    refused=$(($(said "$name" started) - good))
    if [ "${good:-0}" -eq 0 ] || [ "$good" != "$begun" ] || [ "$good" != "$(said "$name" succeeded)" ] ||
        [ "$(logged '"path"')" != "$(logged '"status":200')" ] || [ "$refused" -gt "$wanted" ]; then
        cat "$run/$name.out" >&2
        die "$name: $begun requests begun, $good answered with 200, $refused refused"
    fi
    say "$name: $begun requests begun, as many answered with 200, $refused refused unsent, $(said "$name" rate) a second"
}

# Lines of the access log with this in them.
logged() {
    grep -c -- "$1" "$run/access.log" || true
}

have h2load || die 'h2load is missing; scripts/setup.sh h2load installs it'
cd "$root"
if [ -n "${RELEASE:-}" ]; then
    cargo build --locked --release --bins
    built=$target/release
else
    cargo build --locked --bins
    built=$target/debug
fi
run=$(mktemp -d)
export SECRET='a-secret-of-h2load-with-more-than-32-bytes'
read -r listener admin upstream < <(ports 3)
configure
"$built/rtms-sample-upstream" --listen "127.0.0.1:$upstream" >/dev/null 2>&1 &
children+=("$!")
answers "$upstream" /health
token=$("$built/rtms-gateway" token --app H2LOAD --user load --secret-env SECRET)

start_gateway
load -n "$requests" >"$run/peace.out" 2>&1
# The log is written beside the requests.
for _ in $(seq 100); do
    if [ "$(logged '"path"')" -ge "$requests" ]; then break; fi
    sleep 0.05
done
judge peace 0 0
before=$(logged '"path"')
load -D "$seconds" >"$run/stopped.out" 2>&1 &
client=$!
sleep "$peace"
kill -TERM "$gateway"
# It goes once its connections are told (GOAWAY), and the streams on them are at their end.
status=0
wait "$gateway" || status=$?
[ "$status" -eq 0 ] || die "the gateway ended with $status"
wait "$client" || die 'h2load failed'
# No more than each connection had room for.
judge stopped "$before" $((connections * streams))
