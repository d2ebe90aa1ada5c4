#!/usr/bin/env bash
# The customer's own example, judged by a real gateway over real sockets with secrets out of a real database.
#
# Builds, starts a database (or takes MONGODB_URI), the sample upstream and the gateway, runs scripts/demo_steps.py,
# and stays up until it is interrupted; ONCE=1 stops after the steps. Exits non-zero if any answer was not as it must be.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=scripts/children.sh
. "$(dirname "${BASH_SOURCE[0]}")/children.sh"

show_logs() {
    local log
    for log in "$run"/*.log; do
        if [ -s "$log" ]; then
            printf -- '--- %s\n' "${log##*/}" >&2
            tail -n 30 "$log" >&2
        fi
    done
}

steps() {
    "$venv/bin/python" "$root/scripts/demo_steps.py" "$@"
}

# Starts a program in the background; its output goes to a log.
start() {
    local name=$1
    shift
    "$@" >"$run/$name.log" 2>&1 &
    children+=("$!")
}

# The port wanted, if it is free, else any free one.
port() {
    steps port "$1"
}

start_database() {
    if [ -n "${MONGODB_URI:-}" ]; then
        say 'using the database of MONGODB_URI'
        return
    fi
    local database_port
    database_port=$(port 27017)
    say "starting SecantusDB (speaks MongoDB's protocol) on 127.0.0.1:$database_port"
    start database "$venv/bin/secantusd-py" --host 127.0.0.1 --port "$database_port" \
        --storage-path "$run/database" --noop-heartbeat-seconds 1
    export MONGODB_URI="mongodb://127.0.0.1:$database_port/?replicaSet=secantus"
}

start_upstream() {
    upstream=127.0.0.1:$(port 9090)
    say "starting the sample upstream on $upstream"
    start upstream "$target/release/rtms-sample-upstream" --listen "$upstream"
}

configure() {
    cat >"$run/gateway.yaml" <<YAML
listeners:
  - address: $gateway
admin: { address: $admin }
profiles:
  address: $profiles
  tokens: [ { name: demo, token: "\${RTMS_PROFILES_TOKEN}", scope: write } ]
apps:
  source: mongodb
  mongodb: { uri: "\${MONGODB_URI}", database: $DEMO_DATABASE, collection: apps }
upstreams:
  rtms: { peers: [ { address: $upstream } ] }
routes:
  - name: setuserid
    path: /rtmsAPI/api/{version}/app/{appId}/setuserid
    methods: [POST]
    upstream: rtms
    identities: { userId: [body.userId], clientApp: [body.clientId] }
telemetry:
  access_log: { path: $run/access.log }
server: { drain: 100ms }
YAML
}

start_gateway() {
    gateway=127.0.0.1:$(port 8080)
    admin=127.0.0.1:$(port 9901)
    profiles=127.0.0.1:$(port 9902)
    configure
    say "starting the gateway on $gateway, its admin pages on $admin, app profiles on $profiles"
    start gateway "$target/release/rtms-gateway" run -c "$run/gateway.yaml"
}

stay_up() {
    cat <<END

The demo stays up; Ctrl-C stops it.
  gateway    http://$gateway/rtmsAPI/api/v1/app/TR21063826/setuserid
  admin      http://$admin/status  /metrics  /readyz
  profiles   http://$profiles/api/v1/apps  with the token $RTMS_PROFILES_TOKEN
  database   $DEMO_DATABASE.apps${shown_uri:+ at $shown_uri}
  settings   $run/gateway.yaml    access log  $run/access.log
A token for the app:
  RTMS_SECRET=$DEMO_SECRET $target/release/rtms-gateway token --app TR21063826 --user $DEMO_USER --secret-env RTMS_SECRET
END
    # Ends as soon as any of them does: none is meant to.
    wait -n "${children[@]}" || true
    die 'one of the programs stopped by itself'
}

say 'building (release)'
(cd "$root" && cargo build --release --locked --bins)

export DEMO_DATABASE=rtms_demo DEMO_SECRET=a-secret-of-the-demo-with-48-bytes-of-length-000
export DEMO_USER=67deb017-5038-4832-a6b9-aa7e00987b6f DEMO_GATEWAY="$target/release/rtms-gateway"
# A token for this run alone.
RTMS_PROFILES_TOKEN=$("$venv/bin/python" -c 'import secrets; print(secrets.token_urlsafe(24))')
export RTMS_PROFILES_TOKEN
mkdir -p "$root/.demo"
run=$(mktemp -d "$root/.demo/XXXXXX")
# A URI of the user's own may carry a password: it is not repeated.
shown_uri=
start_database
if [[ $MONGODB_URI == mongodb://127.0.0.1:* ]]; then shown_uri=$MONGODB_URI; fi
start_upstream
start_gateway
steps app "$admin" "$profiles"
steps show "$gateway" "$admin" "$profiles"
if [ "${ONCE:-}" != 1 ]; then stay_up; fi
