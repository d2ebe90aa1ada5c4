"""CPU time and memory of a process tree, from /proc.

CPU time is read from each thread's `schedstat`, which counts nanoseconds; `stat` would count in steps of 10 ms."""

import os


def tree(pid):
    """The process and all its descendants."""
    found = [pid]
    for parent in found:
        try:
            threads = os.listdir(f"/proc/{parent}/task")
        except FileNotFoundError:
            continue
        for thread in threads:
            try:
                with open(f"/proc/{parent}/task/{thread}/children", encoding="ascii") as file:
                    found.extend(int(child) for child in file.read().split())
            except FileNotFoundError:
                pass
    return found


def seconds(pid):
    """User and system time of the tree so far, in seconds."""
    total = 0
    for process in tree(pid):
        try:
            threads = os.listdir(f"/proc/{process}/task")
        except FileNotFoundError:
            continue
        for thread in threads:
            try:
                with open(f"/proc/{process}/task/{thread}/schedstat", encoding="ascii") as file:
                    total += int(file.read().split()[0])
            except FileNotFoundError:
                pass
    return total / 1e9


def resident(pid):
    """Resident memory of the tree, in MiB; what processes share is counted once for each."""
    return status(pid, "VmRSS")


def peak(pid):
    """The most that was resident at any time, in MiB."""
    return status(pid, "VmHWM")


def status(pid, field):
    total = 0
    for process in tree(pid):
        try:
            with open(f"/proc/{process}/status", encoding="ascii") as file:
                total += sum(int(line.split()[1]) for line in file if line.startswith(field + ":"))
        except FileNotFoundError:
            pass
    return total / 1024


def model():
    """The processor, as the kernel names it."""
    with open("/proc/cpuinfo", encoding="ascii") as file:
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return names[0] if names else "unknown"
