"""Load on a port of this machine: wrk for HTTP/1.1, h2load for HTTP/2 and for a steady rate."""

import os
import re
import subprocess

from apps import KINDS

CONNECTIONS = 64
# The subject has a core to itself, where there are two; load and upstream share the other.
CORES = sorted(os.sched_getaffinity(0))
SUBJECT, LOAD = str(CORES[0]), str(CORES[-1])


class Failed(Exception):
    """A round that measured something else than what was asked for."""


def lua_string(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def script(path, kind, count):
    """A script for wrk: the requests of a kind, in turn; made once."""
    if os.path.exists(path):
        return path
    lines = ["local all, at = {}, 0", "function init()"]
    for method, target, headers, body in KINDS[kind].requests(count):
        table = ", ".join(f"[{lua_string(k)}] = {lua_string(v)}" for k, v in headers.items())
        content = "nil" if body is None else lua_string(body)
        lines.append(f"  all[#all + 1] = wrk.format({lua_string(method)}, {lua_string(target)}, {{{table}}}, {content})")
    lines += ["end", "function request()", "  at = at % #all + 1", "  return all[at]", "end"]
    lines += [
        "function done(summary)",
        "  local e = summary.errors",
        '  io.write(string.format("TOTAL %d %d %d\\n", summary.requests, e.status, e.connect + e.read + e.write + e.timeout))',
        "end",
    ]
    with open(path, "w", encoding="ascii") as file:
        file.write("\n".join(lines) + "\n")
    return path


def wrk(port, lua, seconds, rejected):
    """Requests that were answered in so many seconds. Raises where answers were of the other sort."""
    command = ["taskset", "-c", LOAD, "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", lua, f"http://127.0.0.1:{port}"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    total, refused, broken = (int(n) for n in re.search(r"^TOTAL (\d+) (\d+) (\d+)$", output, re.M).groups())
    if total == 0 or broken > total / 1000 or refused != (total if rejected else 0):
        raise Failed(f"port {port}: {total} answers, {refused} of them refusals, {broken} broken connections")
    return total


def first(kind, count):
    return KINDS[kind].requests(count)[0]


def h2load(port, kind, count, requests):
    """Requests that were answered over HTTP/2: eight connections with 16 streams each."""
    _, target, headers, _ = first(kind, count)
    given = [f"--header={name}: {value}" for name, value in headers.items()]
    command = ["taskset", "-c", LOAD, "h2load", "-c8", "-m16", f"-n{requests}", *given, f"http://127.0.0.1:{port}{target}"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    good = int(re.search(r"status codes: (\d+) 2xx", output).group(1))
    if good != requests:
        raise Failed(f"port {port}: {good} of {requests} answers were good")
    return good


def pace(build, file, upstream, port, kind, count, rate, seconds):
    """Microseconds that half and 99 of a hundred answers took at most, at a steady rate; `upstream`: where they are made."""
    if not file.exists():
        lines = []
        for method, target, headers, _ in KINDS[kind].requests(count):
            head = [f"{method} {target} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers.items())]
            lines.append("\r\n".join([*head, "", ""]))
        file.write_text("".join(lines), encoding="ascii", newline="")
    addresses = [f"127.0.0.1:{upstream}", f"127.0.0.1:{port}"]
    command = ["taskset", "-c", LOAD, build / "examples" / "pace", *addresses, file, str(rate), str(seconds)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [float(n) for n in output.split()]
