"""Apps, their secrets, and requests with tokens: the same for every subject."""

import base64
import hashlib
import hmac
import json

USER = "67deb017-5038-4832-a6b9-aa7e00987b6f"
# 2100-01-01: nothing expires while it is measured.
EXPIRY = 4102444800
# Requests go round over so many apps, so that no cache holds a single one.
IN_USE = 1000


def all_apps(count):
    """Pairs of appId and secret."""
    return [(f"TR{i:08}", f"secret-{i:08}-0123456789abcdef0123456789") for i in range(count)]


def in_use(count):
    """The apps that requests are sent for, spread over all."""
    apps = all_apps(count)
    return apps[:: max(1, count // IN_USE)][:IN_USE]


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(app, secret):
    """A token as the customer's backend makes it."""
    claims = {"exp": EXPIRY, "appId": app, "userId": USER}
    signed = encoded(b'{"alg":"HS256","typ":"JWT"}') + "." + encoded(json.dumps(claims, separators=(",", ":")).encode())
    return signed + "." + encoded(hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest())


def body(app):
    """A message of 1 KiB that names its app and its user in `clientId`."""
    message = {"clientId": f"{app}/{USER}/browser", "message": ""}
    message["message"] = "m" * (1024 - len(json.dumps(message, separators=(",", ":"))))
    return json.dumps(message, separators=(",", ":"))


class Kind:
    """What is asked: method, path, whether a token goes with it and whether it is good, headers, a body."""

    def __init__(self, method="GET", path="app/{}/conversations/1", secret="good", close=False, with_body=False):
        self.method, self.path, self.secret, self.close, self.with_body = method, path, secret, close, with_body

    def requests(self, count):
        """For each app in use: method, path, headers, body."""
        made = []
        for app, secret in in_use(count):
            headers = {}
            if self.secret is not None:
                headers["Authorization"] = "Bearer " + token(app, secret if self.secret == "good" else "x" + secret)
            if self.close:
                headers["Connection"] = "close"
            if self.with_body:
                headers["Content-Type"] = "application/json"
            path = self.path.format(app)
            made.append((self.method, f"/rtmsAPI/api/v1/{path}", headers, body(app) if self.with_body else None))
        return made


KINDS = {
    "accept": Kind(),
    "none": Kind(path="{}/verifyPolicy"),
    "reject": Kind(secret="wrong"),
    "body": Kind(method="POST", path="app/{}/message", with_body=True),
    "fresh": Kind(close=True),
}
