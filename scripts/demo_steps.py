"""The steps of the demo: called by scripts/demo.sh, with the Python of the build folder's private environment.

    port WANTED           prints WANTED if that port is free on 127.0.0.1, else one that is
    app ADMIN PROFILES    waits for the gateway and registers the customer's app through the app profiles API
    show GATEWAY ADMIN PROFILES
                          sends the customer's request in every way and checks every answer
"""

import base64
import hashlib
import hmac
import http.client
import json
import os
import secrets
import socket
import subprocess
import sys
import time

import pymongo

APP = "TR21063826"
DEADLINE = 30.0
INVALID = b'{"code":"38","status":"Invalid token"}'
MISSING = b'{"code":"39","status":"Token is required to access the requested resource."}'
EXPIRED = b'{"code":"40","status":"Token expired"}'
SUCCESS = b'{"code":"0","status":"Success"'


class Failed(Exception):
    """An answer that was not as it must be."""


def port(wanted: int) -> int:
    for candidate in (wanted, 0):
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind(("127.0.0.1", candidate))
            except OSError:
                continue
            return sock.getsockname()[1]
    raise Failed("no port is free on 127.0.0.1")


def collection():
    client = pymongo.MongoClient(os.environ["MONGODB_URI"], serverSelectionTimeoutMS=DEADLINE * 1000)
    return client[os.environ["DEMO_DATABASE"]]["apps"]


def register(admin: str, profiles: str) -> None:
    """Creates the app; in a database of the user's own, one that an earlier demo left is made anew."""
    wait_ready(admin)
    document = {"appId": APP, "appName": "the customer's example", "jwt_secretkey": os.environ["DEMO_SECRET"]}
    status, profile = call(profiles, "POST", "/api/v1/apps?wait=applied", document)
    if status == 409:
        call(profiles, "DELETE", f"/api/v1/apps/{APP}")
        status, profile = call(profiles, "POST", "/api/v1/apps?wait=applied", document)
    print(f"POST http://{profiles}/api/v1/apps?wait=applied\n  -> {status} {json.dumps(profile)}")
    if status not in (200, 201) or not profile["in_force"]:
        raise Failed("the app could not be registered")


def call(profiles: str, method: str, path: str, body: dict | None = None) -> tuple[int, dict]:
    """A call of the app profiles API."""
    headers = {"Authorization": f"Bearer {os.environ['RTMS_PROFILES_TOKEN']}", "Content-Type": "application/json"}
    connection = http.client.HTTPConnection(profiles, timeout=DEADLINE)
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or "{}")
    finally:
        connection.close()


def token(app: str, secret: str) -> str:
    """A token for one hour, minted by the gateway's own command."""
    command = [os.environ["DEMO_GATEWAY"], "token", "--app", app, "--user", os.environ["DEMO_USER"]]
    command += ["--ttl", "1h", "--secret-env", "DEMO_TOKEN_SECRET"]
    environment = os.environ | {"DEMO_TOKEN_SECRET": secret}
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()


def expired_token(app: str, secret: str) -> str:
    """The token of the customer's document: its `exp` lies in March 2020."""
    claims = {"exp": 1584525821, "appId": app, "userId": os.environ["DEMO_USER"]}
    parts = [encode(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
    tag = hmac.digest(secret.encode(), ".".join(parts).encode(), hashlib.sha256)
    return ".".join([*parts, encode(tag)])


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def body_of(app: str) -> str:
    user = os.environ["DEMO_USER"]
    return json.dumps({"clientId": f"{app}/{user}/v2_22315c49b793ad39", "userId": user})


def send(gateway: str, app: str, bearer: str | None) -> tuple[int, bytes]:
    """The customer's request: POST .../app/{appId}/setuserid."""
    headers = {"Content-Type": "application/json"}
    if bearer is not None:
        headers["Authorization"] = f"Bearer {bearer}"
    connection = http.client.HTTPConnection(gateway, timeout=DEADLINE)
    try:
        connection.request("POST", f"/rtmsAPI/api/v1/app/{app}/setuserid", body_of(app), headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def show(title: str, gateway: str, app: str, bearer: str | None, status: int, body: bytes) -> None:
    """One step: sends, prints, and insists on the answer."""
    print(f"\n{title}\n  POST /rtmsAPI/api/v1/app/{app}/setuserid")
    if bearer is not None:
        print(f"  Authorization: Bearer {bearer[:24]}...{bearer[-8:]}")
    print(f"  {body_of(app)}")
    got = send(gateway, app, bearer)
    print(f"  -> {got[0]} {got[1].decode(errors='replace')}")
    good = got[1].startswith(body) if body == SUCCESS else got[1] == body
    if got[0] != status or not good:
        raise Failed(f"{title}: expected {status} {body.decode()}")


def wait_ready(admin: str) -> None:
    end = time.monotonic() + DEADLINE
    reason = "no answer"
    while time.monotonic() < end:
        try:
            status, text = get(admin, "/readyz")
            if status == 200:
                return
            reason = f"{status} {text.strip()}"
        except OSError as error:
            reason = str(error)
        time.sleep(0.02)
    raise Failed(f"the gateway did not become ready: {reason}")


def get(address: str, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(address, timeout=DEADLINE)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def new_app(gateway: str) -> None:
    """A fifth step: an app written into the collection by an ordinary client is enforced without a restart."""
    app, secret = f"TR{secrets.randbelow(10**8):08}", secrets.token_urlsafe(32)
    good = token(app, secret)
    apps = collection()
    show("5a. a token of an app that is not there yet", gateway, app, good, 401, INVALID)
    apps.insert_one({"appId": app, "jwt_secretkey": secret})
    written = time.monotonic()
    while send(gateway, app, good)[0] != 200:
        if time.monotonic() - written > DEADLINE:
            raise Failed(f"app {app} was not enforced within {DEADLINE} s")
    delay = (time.monotonic() - written) * 1000
    print(f"\n    wrote app {app} into the collection: its first request passed {delay:.1f} ms after the write")
    show("5b. the same token, now that the app is there", gateway, app, good, 200, SUCCESS)
    show("5c. the new app without a token", gateway, app, None, 401, MISSING)
    apps.delete_one({"appId": app})


def rotate(gateway: str, profiles: str) -> None:
    """A sixth step: the app gets another secret, and nobody who holds yesterday's tokens is turned away."""
    old, new = os.environ["DEMO_SECRET"], secrets.token_urlsafe(32)
    body = {"jwt_secretkey": new, "overlap": "1h"}
    status, profile = call(profiles, "POST", f"/api/v1/apps/{APP}/rotate?wait=applied", body)
    if status != 200:
        raise Failed(f"the secret could not be rotated: {status} {profile}")
    until = profile["previous_expires_at"]
    print(f"\n    rotated the secret of {APP} through the API: the one before it is good until {until}")
    show("6a. a token of the new secret", gateway, APP, token(APP, new), 200, SUCCESS)
    show("6b. a token of the secret before it", gateway, APP, token(APP, old), 200, SUCCESS)
    restore = {"jwt_secretkey": old, "jwt_secretkey_previous": None, "previous_expires_at": None}
    call(profiles, "PATCH", f"/api/v1/apps/{APP}?wait=applied", restore)


def metrics(admin: str) -> None:
    wanted = ("rtms_requests_total", "rtms_rejections_total", "rtms_key_matches_total", "rtms_apps{", "rtms_apps_changes_total")
    wanted += ("rtms_apps_propagation_seconds_sum", "rtms_apps_propagation_seconds_count", "rtms_apps_staleness")
    print(f"\nfrom http://{admin}/metrics:")
    for line in get(admin, "/metrics")[1].splitlines():
        if line.startswith(wanted) and not line.endswith(" 0"):
            print(f"  {line}")


def run(gateway: str, admin: str, profiles: str) -> None:
    secret = os.environ["DEMO_SECRET"]
    show("1. a good token", gateway, APP, token(APP, secret), 200, SUCCESS)
    show("2. no token", gateway, APP, None, 401, MISSING)
    show("3. a token signed with another secret", gateway, APP, token(APP, secret[::-1]), 401, INVALID)
    show("4. the expired token of the customer's document", gateway, APP, expired_token(APP, secret), 401, EXPIRED)
    new_app(gateway)
    rotate(gateway, profiles)
    metrics(admin)
    print("\nall answers are as they must be")


def main(words: list[str]) -> int:
    try:
        match words:
            case ["port", wanted]:
                print(port(int(wanted)))
            case ["app", admin, profiles]:
                register(admin, profiles)
            case ["show", gateway, admin, profiles]:
                run(gateway, admin, profiles)
            case _:
                print(__doc__, file=sys.stderr)
                return 2
    except (Failed, pymongo.errors.PyMongoError, subprocess.CalledProcessError, OSError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
