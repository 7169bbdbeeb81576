"""What a seed draws: a job, the farm that renders it, and the blows that fall on the farm."""
import dataclasses
import random

LEASE_TIMEOUT_MS = 1500
STALL_TIMEOUT_S = 3  # of a pipeline whose rank hangs

# Everything that may be hit, and what a blow on it can cost a lease its rows.
RANKS = ("mpirun", "rank 0", "rank 1")
WORKERS = ("worker 1", "worker 2", "pipeline", *RANKS)
ROLES = {"farm": ("coordinator", "client", *WORKERS), "render": ("client", "coordinator", *WORKERS)}
MAX_LOSSES = 2  # of a row; one more and it counts as the murderer of its workers, and is failed

PROMPTS = ("red apple", "ghost", "tiger face", "rocket", "sunflower", "blue heart", "octopus", "pizza")


@dataclasses.dataclass(frozen=True)
class Blow:
    action: str  # kill: SIGKILL; stop: SIGSTOP, and SIGCONT after `seconds`
    roles: tuple[str, ...]
    after_s: float | None  # since the first picture; None: when `done` of the pictures are committed, and then...
    done: float
    delay_s: float
    seconds: float

    def loses_leases(self) -> bool:
        return any(role in WORKERS for role in self.roles) and (
            self.action == "kill" or self.seconds * 1000 > LEASE_TIMEOUT_MS / 2)


@dataclasses.dataclass(frozen=True)
class Job:
    """One of a few, so that one undisturbed rendering serves many runs."""
    number: int
    format: str

    def lines(self) -> list[dict]:
        rows = (40, 30, 50)[self.number]
        return [self._line(row) for row in range(rows)]

    def _line(self, row: int) -> dict:
        line = {"prompt": PROMPTS[row % len(PROMPTS)], "seed": 100 + row, "steps": (6, 8, 4)[self.number],
                "guidance": 4 if row % 3 else 1}
        if self.number == 1:  # sizes and samplers mixed, names in folders
            line |= {"size": ("32x32", "64x32")[row % 2], "scheduler": ("ddim", "euler_a")[row // 2 % 2],
                     "name": f"{'abc'[row % 3]}/{row:03}"}
        return line


@dataclasses.dataclass(frozen=True)
class World:
    seed: int
    kind: str  # farm: coordinator, workers, submit --wait; render: `diffarm render`, whose farm is its own
    job: Job
    keys: bool
    sink: str  # message, or shared: workers write pictures beside OUT
    micro_batch: int
    render_pipeline: int
    blows: tuple[Blow, ...]
    chance: random.Random  # for what is drawn on the way: how long until a dead process is started again


def _blow(chance: random.Random, roles: tuple[str, ...]) -> Blow:
    n = chance.choice((1, 1, 1, 1, 2, 2, 3, len(roles)))
    late = chance.random() < 0.3  # lists, shards and the marker are written at the end
    return Blow(action=chance.choice(("kill", "kill", "stop")), roles=tuple(chance.sample(roles, n)),
                after_s=None if chance.random() < 0.5 else chance.uniform(-0.3, 5),
                done=1 if late else chance.uniform(0, 1), delay_s=chance.uniform(0, 0.3),
                seconds=chance.choice((chance.uniform(0.02, 0.6), chance.uniform(1.2, 3.5))))


def _spare_workers(blows: list[Blow], others: tuple[str, ...]) -> list[Blow]:
    """Where `diffarm retry` is no way out, no row may lose more workers than it is forgiven."""
    lost, spared = 0, []
    for blow in blows:
        if blow.loses_leases() and (lost := lost + 1) > MAX_LOSSES:
            blow = dataclasses.replace(blow, roles=others)
        spared.append(blow)
    return spared


def draw(seed: int) -> World:
    chance = random.Random(seed)
    kind = chance.choice(("farm", "farm", "farm", "render"))
    job = Job(chance.randrange(3), chance.choice(("png", "png", "tar")))
    blows = [_blow(chance, ROLES[kind]) for _ in range(chance.randint(3, 8))]
    if kind == "render" or job.format == "tar":
        blows = _spare_workers(blows, ("coordinator", "client"))
    return World(seed, kind, job, keys=kind == "farm" and chance.random() < 0.3,
                 sink=chance.choice(("message", "message", "shared")), micro_batch=chance.choice((1, 2, 4)),
                 render_pipeline=chance.choice((1, 2)), blows=tuple(blows), chance=chance)
