"""One run: a farm at work, its blows, and what must hold at the end."""
import collections
import filecmp
import json
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import subprocess
import time

from processes import MARKER, Member, arguments, children, descendants, environment, of_run, send
from world import LEASE_TIMEOUT_MS, RANKS, STALL_TIMEOUT_S, Blow, World

JOB_ID = "00000000c4a05000"
END_S = 120  # a run that has not ended so long after its last blow hangs
STOP_S = 20  # SIGTERM ends everything in that time
QUIET_S = 10  # and what lost its parent to SIGKILL is gone by itself


class Broken(Exception):
    """What did not hold."""


def free_port() -> int:
    """Outside the range that the system gives to others, for a coordinator that is started again has to find it free."""
    for port in range(20000 + os.getpid() % 1000 * 10, 32000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise Broken("no free port")


def check_database(state: pathlib.Path, copy: pathlib.Path) -> None:
    """On a copy: looking at a database with a log changes it."""
    if not (state / "farm.db").exists():
        return
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    for name in ("farm.db", "farm.db-wal"):
        if (state / name).exists():
            shutil.copy(state / name, copy / name)
    with sqlite3.connect(copy / "farm.db") as database:
        said = database.execute("PRAGMA integrity_check").fetchall()
    database.close()
    if said != [("ok",)]:
        raise Broken(f"integrity_check: {said[:5]}")


def files_below(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    return {str(path.relative_to(folder)): path for path in folder.rglob("*") if not path.is_dir()}


def check_same(expected: pathlib.Path, out: pathlib.Path) -> None:
    want, have = files_below(expected), files_below(out)
    if want.keys() != have.keys():
        raise Broken(f"OUT lacks {sorted(want.keys() - have.keys())[:5]}, has {sorted(have.keys() - want.keys())[:5]} more")
    differ = [name for name in want if name != "runs.jsonl" and not filecmp.cmp(want[name], have[name], shallow=False)]
    if differ:
        raise Broken(f"these differ: {sorted(differ)[:5]}")


class Run:
    def __init__(self, world: World, diffarm: str, model: str, folder: pathlib.Path, expected: pathlib.Path,
                 manifest: pathlib.Path, keys: pathlib.Path) -> None:
        self.world, self.diffarm, self.model, self.folder = world, diffarm, model, folder
        self.expected, self.manifest, self.keys = expected, manifest, keys
        self.out, self.state = folder / "out", folder / "state"
        self.counts: collections.Counter[str] = collections.Counter()
        self.marker = f"{os.getpid()}-{world.seed}"
        self.pending: list[Blow] = list(world.blows)
        self.stopped: list[tuple[float, int]] = []  # when to go on, pid
        self.first_at: float | None = None  # when the first picture was there
        self.due: list[tuple[float, Blow]] = []
        self.n_rows = len(world.job.lines())
        self.trouble = folder / "blows.log"
        self.client, self.members = self._members()

    # the farm

    def _env(self) -> dict[str, str]:
        return os.environ | {MARKER: self.marker, "OMP_NUM_THREADS": "1", "TMPDIR": str(self.folder / "tmp"),
                             "XDG_CACHE_HOME": str(self.folder / "cache"),
                             "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}

    def _member(self, name: str, *command: str) -> Member:
        return Member(name, [self.diffarm, *command], self.folder, self._env())

    def _members(self) -> tuple[Member, list[Member]]:
        job = [str(self.manifest), "-m", self.model, "-o", str(self.out), "--format", self.world.job.format,
               "--micro-batch", str(self.world.micro_batch), "--sink", self.world.sink]
        if self.world.kind == "render":
            client = self._member("client", "render", *job, "--workers", "2", "--threads", "1", "--output", "quiet",
                                  "--pipeline", str(self.world.render_pipeline))
            return client, [client]
        self.endpoint = f"tcp://127.0.0.1:{free_port()}"
        self.keyed = ["--keys", str(self.keys)] if self.world.keys else []
        worker = ["worker", "--connect", self.endpoint, "--threads", "1", "--micro-batch", str(self.world.micro_batch),
                  *self.keyed]
        client = self._member("client", "submit", *job, "--connect", self.endpoint, "--wait", "--job-id", JOB_ID,
                              *self.keyed)
        coordinator = self._member("coordinator", "coordinator", "--state", str(self.state), "--bind", self.endpoint,
                                   "--lease-timeout-ms", str(LEASE_TIMEOUT_MS), "--heartbeat-ms", "300",
                                   "--stall-retry-ms", "300", "--lease-seconds", "1", *self.keyed)
        pipeline = self._member("pipeline", *worker, "--pipeline", "2", "--stall-timeout", str(STALL_TIMEOUT_S))
        return client, [coordinator, client, self._member("worker 1", *worker), self._member("worker 2", *worker),
                        pipeline]

    def _ranks_below(self, pid: int | None) -> dict[str, int]:
        found: dict[str, int] = {}
        for mpirun in children(pid) if pid else []:
            if not arguments(mpirun)[:1] == ["mpirun"]:
                continue
            found["mpirun"] = mpirun
            for rank in children(mpirun):
                if (number := environment(rank).get("OMPI_COMM_WORLD_RANK")) is not None:
                    found[f"rank {number}"] = rank
        return found

    def _pids(self) -> dict[str, int]:
        """Who is there, by role."""
        found = {member.name: pid for member in self.members if (pid := member.pid())}
        if self.world.kind == "farm":
            return found | self._ranks_below(found.get("pipeline"))
        workers = []
        for pid in children(found["client"]) if "client" in found else []:
            kind = arguments(pid)[1:2]
            if kind == ["coordinator"]:
                found["coordinator"] = pid
            elif kind == ["worker"]:
                workers.append(pid)
        found |= {f"worker {n}": pid for n, pid in enumerate(workers, 1)}
        if self.world.render_pipeline > 1 and workers:
            found |= self._ranks_below(workers[-1])
        return found

    # blows

    def _n_done(self) -> int:
        """Pictures in place; those of finished shards no longer lie apart."""
        if (self.out / "job.json").exists():
            return self.n_rows
        if self.world.job.format == "tar" and (self.out / "shard-000000.tar").exists():
            return self.n_rows
        hidden = self.out / ".diffarm"
        where = hidden / "shard-000000" if self.world.job.format == "tar" else self.out
        return sum(1 for path in where.rglob("*.png") if where != self.out or hidden not in path.parents)

    def _note(self, text: str) -> None:
        with open(self.trouble, "a", encoding="utf-8") as log:
            log.write(f"{time.strftime('%H:%M:%S')}.{int(time.time() * 1000) % 1000:03} {text}\n")

    def _strike(self, blow: Blow) -> None:
        there = self._pids()
        for role in blow.roles:
            pid = there.get(role)
            if pid is None:
                self.counts["found nobody"] += 1
                continue
            if not send(pid, signal.SIGKILL if blow.action == "kill" else signal.SIGSTOP):
                continue
            if blow.action == "stop":
                self.stopped.append((time.monotonic() + blow.seconds, pid))
            self.counts[f"{blow.action} {role}"] += 1
            self._note(f"{blow.action} {role} ({pid}) {blow.seconds if blow.action == 'stop' else ''}")

    def _draw_near(self) -> None:
        """Blows whose moment has been reached get their time."""
        n_done, now = self._n_done(), time.monotonic()
        if n_done and self.first_at is None:
            self.first_at = now
        for blow in list(self.pending):
            if blow.after_s is None:
                reached = n_done >= max(1, round(blow.done * self.n_rows))
                at = now + blow.delay_s
            else:
                reached = self.first_at is not None
                at = (self.first_at or 0) + blow.after_s
            if reached:
                self.pending.remove(blow)
                self.due.append((at, blow))

    def _act(self) -> None:
        now = time.monotonic()
        for at, pid in [entry for entry in self.stopped if entry[0] <= now]:
            self.stopped.remove((at, pid))
            send(pid, signal.SIGCONT)
        for at, blow in [entry for entry in self.due if entry[0] <= now]:
            self.due.remove((at, blow))
            self._strike(blow)

    # its course

    def _client_ended(self, code: int) -> bool:
        """True when the job is done."""
        self._note(f"the client ended with {code}")
        if code == 0:
            return True
        if code == 2:
            raise Broken(f"the client was refused: {self.client.log().read_text()[-300:]}")
        if code == 1:
            self._retry()
        self.client.start_after(self.world.chance.uniform(0, 1))
        return False

    def _retry(self) -> None:
        """Rows that lost too many workers are failed, and rightly: they might be what kills them. One who knows better
        says so."""
        failed = self.out / "failures.jsonl"
        errors = [json.loads(line)["error"] for line in failed.read_text().splitlines()] if failed.exists() else []
        if not errors or not all("worker died" in error for error in errors):
            raise Broken(f"the client ended with 1; failures: {errors[:3]}")
        if self.world.kind == "render" or self.world.job.format == "tar":
            raise Broken(f"{len(errors)} rows failed by lost workers, of which there were too few for that")
        self.counts["rows retried"] += len(errors)
        for _ in range(30):  # the coordinator may be down
            said = subprocess.run([self.diffarm, "retry", JOB_ID, "--connect", self.endpoint, *self.keyed],
                                  cwd=self.folder, env=self._env(), timeout=60, capture_output=True, text=True)
            if said.returncode == 0:
                return
            self._turn()
        raise Broken(f"retry: {said.stderr}")

    def _turn(self) -> None:
        self._draw_near()
        self._act()
        for member in self.members:
            if member is self.client:
                continue
            if (code := member.ended()) is not None:
                self._note(f"{member.name} ended with {code}")
                self.counts["restarts"] += 1
                if member.name == "coordinator":
                    check_database(self.state, self.folder / "copy")
                member.start_after(self.world.chance.uniform(0.05, 1))
            member.start_if_due()
        time.sleep(0.02)

    def _until_done(self) -> None:
        self.client.start()
        limit = time.monotonic() + END_S
        while True:
            n = len(self.pending) + len(self.due)
            self._turn()
            if len(self.pending) + len(self.due) < n:
                limit = time.monotonic() + END_S
            if time.monotonic() > limit:
                raise Broken(f"nothing ended {END_S} s after the last blow: {self._pids()}")
            if (code := self.client.ended()) is not None and self._client_ended(code):
                return
            if not self.client.process:
                if self.world.kind == "render":
                    check_database(self.out / ".diffarm-render", self.folder / "copy")
                starts = self.client.starts
                self.client.start_if_due()
                self.counts["restarts"] += self.client.starts - starts

    def _stop_all(self) -> None:
        for _, pid in self.stopped:
            send(pid, signal.SIGCONT)
        ending = {member.name: member.process for member in self.members if member.process}
        for name in sorted(ending, key=lambda name: name == "coordinator"):
            ending[name].send_signal(signal.SIGTERM)
        until = time.monotonic() + STOP_S
        for name, process in ending.items():
            try:
                process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                raise Broken(f"{name} does not end on SIGTERM") from None

    def _check_nobody_left(self) -> None:
        until = time.monotonic() + QUIET_S
        while (left := of_run(self.marker)) and time.monotonic() < until:
            time.sleep(0.1)
        if left:
            raise Broken(f"left behind: {[' '.join(arguments(pid)) for pid in left]}")

    def _count_results(self) -> None:
        database = sqlite3.connect(self.state / "farm.db")
        jobs = database.execute("SELECT n_retried, n_duplicates, n_conflicts FROM jobs").fetchall()
        database.close()
        if len(jobs) != 1:
            raise Broken(f"{len(jobs)} jobs instead of one")
        retried, duplicates, conflicts = jobs[0]
        self.counts["rows lent again"] += retried
        self.counts["late results dropped"] += duplicates
        if conflicts:
            raise Broken(f"{conflicts} late results with other bytes")

    def _kill_all(self) -> None:
        for pid in of_run(self.marker):
            send(pid, signal.SIGKILL)
        for member in self.members:
            if member.process:
                member.process.wait()

    def play(self) -> None:
        """Raises Broken."""
        (self.folder / "tmp").mkdir()
        try:
            for member in self.members:
                if member is not self.client:
                    member.start()
            self._until_done()
            self.counts["blows too late"] += len(self.pending) + len(self.due)
            self._stop_all()
            self._check_nobody_left()
            if self.world.kind == "farm":
                check_database(self.state, self.folder / "copy")
                self._count_results()
            check_same(self.expected, self.out)
        finally:
            self._kill_all()
