"""Processes of a run: found by their marker in the environment, hit by pidfd, started again as an init system would."""
import os
import pathlib
import signal
import subprocess
import time

MARKER = "DIFFARM_CHAOS_RUN"


def environment(pid: int) -> dict[str, str]:
    """Empty when it is gone, or a zombie."""
    try:
        entries = pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return {}
    return dict(entry.decode(errors="replace").split("=", 1) for entry in entries if b"=" in entry)


def arguments(pid: int) -> list[str]:
    try:
        return [word.decode(errors="replace") for word in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")]
    except OSError:
        return []


def children(pid: int) -> list[int]:
    try:
        return [int(word) for word in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def descendants(pid: int) -> list[int]:
    return [found for child in children(pid) for found in (child, *descendants(child))]


def of_run(marker: str) -> list[int]:
    """All processes that were started in a run, whoever is their parent by now."""
    pids = [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]
    return [pid for pid in pids if environment(pid).get(MARKER) == marker]


def send(pid: int, number: int) -> bool:
    """To this very process, never to one that has its number later."""
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        signal.pidfd_send_signal(fd, number)
        return True
    except OSError:
        return False
    finally:
        os.close(fd)


class Member:
    """A process that the harness starts, and starts again a little after it has died."""

    def __init__(self, name: str, command: list[str], folder: pathlib.Path, env: dict[str, str]) -> None:
        self.name, self.command, self.folder, self.env = name, command, folder, env
        self.process: subprocess.Popen | None = None
        self.start_at, self.starts = 0.0, 0

    def log(self) -> pathlib.Path:
        return self.folder / f"{self.name.replace(' ', '-')}.log"

    def start(self) -> None:
        with open(self.log(), "ab") as log:
            log.write(f"--- start {self.starts + 1}\n".encode())
            log.flush()
            self.process = subprocess.Popen(self.command, cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        self.starts += 1

    def pid(self) -> int | None:
        return self.process.pid if self.process and self.process.poll() is None else None

    def ended(self) -> int | None:
        """Exit code of a process that has just ended, once; -N for signal N."""
        if not self.process or self.process.poll() is None:
            return None
        code, self.process = self.process.returncode, None
        return code

    def start_after(self, seconds: float) -> None:
        self.start_at = time.monotonic() + seconds

    def start_if_due(self) -> None:
        if not self.process and time.monotonic() >= self.start_at:
            self.start()
