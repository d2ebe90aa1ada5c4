"""Reads forwarded requests as Python servers do: one JSON line in, one out. See readings.rs."""
import json
import sys
from urllib.parse import parse_qsl, unquote, urlsplit


def path_readings(target):
    """Segments of the path, as WSGI and ASGI servers hand them on: decoded before or after the split."""
    path = urlsplit("http://h" + target).path
    yield [unquote(segment) for segment in path.split("/")]
    yield unquote(path).split("/")
    yield [unquote(segment) for segment in path.split("/") if segment] and [""] + [
        unquote(segment) for segment in path.split("/") if segment
    ]


def body_readings(body):
    """The object in a body: the last of two equal members wins, the first wins, and case is ignored."""
    if not body:
        return
    try:
        pairs = json.loads(body.decode("utf-8-sig"), object_pairs_hook=lambda pairs: pairs)
    except ValueError:
        return
    if not isinstance(pairs, list) or not all(isinstance(pair, tuple) for pair in pairs):
        return
    yield dict(pairs)
    yield dict(reversed(pairs))
    folded = {}
    for name, value in pairs:
        folded.setdefault(name.casefold(), value)
    yield {name: folded[name.casefold()] for name in ("userId", "clientId") if name.casefold() in folded}


def text(value):
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)


def read(target, route, body):
    apps, users = set(), set()
    for segments in path_readings(target):
        # ["", "rtmsAPI", "api", version, ...]
        rest = segments[4:]
        if route in (0, 1):
            apps.add(rest[1])
        else:
            apps.add(rest[0])
        if route == 1:
            words = [word.lower() for word in rest]
            users.add("/".join(rest[3 : len(words) - 1 - words[::-1].index("threads")]))
    query = urlsplit("http://h" + target).query
    if route == 2:
        users.update(value for name, value in parse_qsl(query, keep_blank_values=True) if name == "userId")
    if route == 0:
        for reading in body_readings(body):
            if "userId" in reading:
                users.add(text(reading["userId"]))
            client = text(reading.get("clientId"))
            if client:
                apps.add(client.split("/")[0])
    return {"apps": sorted(apps), "users": sorted(user for user in users if user)}


for line in sys.stdin:
    request = json.loads(line)
    print(json.dumps(read(request["target"], request["route"], bytes.fromhex(request["body"]))))
