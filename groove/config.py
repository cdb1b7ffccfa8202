"""What a run is made of. Imports no JAX, so that the command line answers at once."""

import dataclasses
import json
import math
from dataclasses import dataclass
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints


@dataclass(frozen=True)
class TrainConfig:
    """Numbers of one meta-training run; every field is a flag of `groove train`."""

    levels: str = "small"
    """Level distribution, named world or maze to discover the rule on (see `groove levels`)."""
    solvable: bool = False
    """Redraw training levels in which no object of positive reward can be reached."""
    lifetime: tuple[int, int] | None = None
    """Updates an agent lives, log-uniform between two bounds; the distribution's own by default."""

    curriculum: str = "dr"
    """Who chooses the levels: dr (fresh ones), fixed (those of --level-folder), plr, robust_plr, accel or sfl."""
    score: str | None = None
    """What plr, robust_plr and accel rank levels by, algorithmic_regret by default; sfl: learnability."""
    level_folder: str | None = None
    """Folder of level files, for --curriculum fixed."""
    buffer: int = 4000
    """Levels that the curriculum keeps."""
    replay_fraction: float = 0.5
    """Part of a generation's levels that is replayed."""
    min_filled: float = 0.5
    """Part of the buffer that must be filled before levels are replayed (not sfl)."""
    priorities: Literal["rank", "proportional"] = "rank"
    """How a score becomes a chance of replay."""
    temperature: float = 0.3
    """Smaller temperatures prefer the highest scores more."""
    staleness: float = 0.3
    """Part of the chance of replay that goes by the generations since the last replay."""
    edit_fraction: float = 1.0
    """Part of accel's new levels that are edits of the replayed ones."""
    num_edits: int = 5
    """Edits that make a child of a level in accel."""
    sfl_period: int = 50
    """Generations whose new levels are one pool of sfl."""
    value_steps: int = 750
    """Steps within which an episode must end to count for value losses."""
    antagonist: Literal["a2c", "ppo", "random", "expert"] = "a2c"
    """Whom the rule's agents are compared with; the expert is the exact solver."""
    antagonist_seeds: int = 2
    """Antagonists trained on a new level."""
    antagonist_max_seeds: int = 2
    """Antagonists on a level at most: above --antagonist-seeds, each replay adds one."""

    rule: Literal["lpg", "ta-lpg"] = "lpg"
    """Learned rule: lpg, or ta-lpg which also reads the lifetime."""
    cell: Literal["gru", "lstm"] = "gru"
    """Recurrent cell of the rule."""
    hidden_size: int = 256
    """Units of the recurrent cell."""
    embedding_size: int = 16
    """Width of the net that embeds predictions."""
    prediction_size: int = 8
    """Classes of the agent's prediction."""

    workers: int = 64
    """Environments each agent acts in side by side."""
    rollout_length: int = 20
    """Steps between two updates of an agent."""
    agent_learning_rate: float | None = None
    """Agent's step size: 40 on integer observations (SGD), 1e-3 on images, 5e-4 on vectors (Adam) by default."""
    agent_prediction_learning_rate: float | None = None
    """Agent's step size for a table of predictions, a tenth of --agent-learning-rate by default; others ignore it."""
    kl_cost: float = 0.5
    """Weight of the prediction's divergence in an agent's loss, alpha_y."""

    es: str = "Open_ES"
    """Evolution strategy: any distribution-based strategy of evosax."""
    population: int = 1024
    """Candidate rules per generation; antithetic strategies form pairs of them."""
    sigma: float = 0.1
    """Deviation of the noise on the mean rule."""
    es_learning_rate: float = 1e-2
    """Adam's step size on the mean rule, at the start."""
    es_learning_rate_decay: float = 0.999
    """Factor of that step size per generation."""
    es_min_learning_rate: float = 1e-5
    """Floor of that step size."""
    perturbation: str = "full"
    """Noise on the rule's matrices: full, or lowrank:r, which lets candidates share the products with the mean."""
    levels_per_candidate: int = 1
    """Lifetimes that make up a candidate's fitness, each on a level of its own. Pairs share their levels;
    where a strategy has no pairs, all candidates share the same ones."""

    generations: int = 2500
    """Generations to run."""
    seed: int = 0
    """Seed of everything the run draws, but for the held-out levels, which are the same in all runs."""
    heldout_every: int = 25
    """Generations between two scores on the held-out levels."""
    heldout_levels: int = 128
    """Held-out levels, solvable, from a seed range of their own."""
    checkpoint_every: int = 25
    """Generations between two checkpoints."""
    keep_checkpoints: int = 3
    """Checkpoints kept, newest first."""
    tune_configurations: int = 16
    """Configurations in the random search that tunes A2C for the closing table, on 3 seeds each."""
    devices: int | None = None
    """Devices to spread the population over, of each process in a job; by default all, on CPU one per core (one in
    a job)."""
    chunk: int | None = None
    """Lifetimes side by side on a device; bounds the memory. By default those of 128 workers on CPU,
    elsewhere what fits into half the memory, up to 1024."""
    precision: Literal["float32", "tf32", "bfloat16"] | None = None
    """Of the rule's recurrent products, whose sums stay float32: by default float32 on CPU, tf32 elsewhere."""

    def __post_init__(self) -> None:
        for name in _COUNTS:
            if getattr(self, name) < 1:
                raise ValueError(f"{flag_of(name)} must be >= 1, got {getattr(self, name)}")
        for name in ("devices", "chunk"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{flag_of(name)} must be >= 1, got {value}")
        for name, value in dataclasses.asdict(self).items():
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError(f"{flag_of(name)} must be finite, got {value}")
        for name in _SHARES:
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{flag_of(name)} must be in 0..1, got {getattr(self, name)}")
        if not self.temperature > 0:
            raise ValueError(f"{flag_of('temperature')} must be > 0, got {self.temperature}")
        if self.antagonist_max_seeds < self.antagonist_seeds:
            raise ValueError(
                f"{flag_of('antagonist_max_seeds')} must be >= --antagonist-seeds {self.antagonist_seeds}, "
                f"got {self.antagonist_max_seeds}"
            )
        for name in ("agent_learning_rate", "agent_prediction_learning_rate"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{flag_of(name)} must be > 0, got {value}")
        if not self.kl_cost >= 0:
            raise ValueError(f"{flag_of('kl_cost')} must be >= 0, got {self.kl_cost}")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"{flag_of('seed')} must be in 0..{2**32 - 1}, got {self.seed}")
        if self.lifetime is not None and not 1 <= self.lifetime[0] <= self.lifetime[1] < 2**31:
            low, high = self.lifetime
            raise ValueError(f"{flag_of('lifetime')} must be two numbers 1 <= LOW <= HIGH < 2**31, got {low} {high}")

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values.

        Returns:
            A dict that `from_json` reads.
        """
        return json.loads(json.dumps(dataclasses.asdict(self)))

    @staticmethod
    def from_json(fields: Any) -> "TrainConfig":
        """A config from what `to_json` wrote.

        Args:
            fields: JSON object of values by name.

        Returns:
            The config.

        Raises:
            ValueError: a field is missing, unknown, of another type or out of range.
        """
        if not isinstance(fields, dict):
            raise ValueError(f"config must be a JSON object, got a {type(fields).__name__}")
        known = get_type_hints(TrainConfig)
        fields = _ADDED | {_RENAMED.get(name, name): value for name, value in fields.items()}
        if set(fields) != set(known):
            raise ValueError(f"config: fields missing or unknown: {', '.join(sorted(set(fields) ^ set(known)))}")
        for name, kind in known.items():
            if not _fits(fields[name], kind):
                allowed = kind.__name__ if isinstance(kind, type) and not get_args(kind) else kind
                raise ValueError(f"config: {name} must be {allowed}, got {fields[name]!r}")
        lifetime = fields["lifetime"]
        return TrainConfig(**{**fields, "lifetime": None if lifetime is None else tuple(lifetime)})


_ADDED: dict[str, Any] = {"perturbation": "full", "precision": None}
"""Fields that older files lack, with what there was before them."""

_RENAMED = {"prediction_cost": "kl_cost", "replay_share": "replay_fraction", "edit_share": "edit_fraction"}
"""Old names of fields, which files written before 0.2.0 have."""

_SHARES = ("replay_fraction", "min_filled", "staleness", "edit_fraction")

_COUNTS = (
    "buffer",
    "num_edits",
    "sfl_period",
    "value_steps",
    "antagonist_seeds",
    "hidden_size",
    "embedding_size",
    "workers",
    "rollout_length",
    "levels_per_candidate",
    "generations",
    "heldout_every",
    "heldout_levels",
    "checkpoint_every",
    "keep_checkpoints",
    "tune_configurations",
)


def _fits(value: Any, kind: Any) -> bool:
    """Whether a JSON value is of an annotated type; bool is no number, and a list stands for a tuple."""
    if get_origin(kind) in (UnionType, Union):
        return any(_fits(value, one) for one in get_args(kind))
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    if get_origin(kind) is tuple:
        kinds = get_args(kind)
        return type(value) is list and len(value) == len(kinds) and all(map(_fits, value, kinds))
    if kind is float:
        return type(value) in (int, float)
    return type(value) is kind


def flag_of(name: str) -> str:
    """How a field is set on the command line.

    Args:
        name: of the field.

    Returns:
        The flag.
    """
    return "--" + name.replace("_", "-")


EXPERIMENTS: dict[str, TrainConfig] = {
    # Minutes on two cores: a small rule on small levels, short lives with longer strides.
    "tiny": TrainConfig(
        curriculum="plr",
        buffer=1000,
        lifetime=(100, 100),
        hidden_size=32,
        workers=16,
        agent_learning_rate=100.0,
        population=64,
        es_learning_rate=0.1,
        es_learning_rate_decay=0.992,
        generations=500,
    ),
    # Under an hour on two cores; recorded in runs/published/laptop.
    "laptop": TrainConfig(
        curriculum="plr",
        buffer=1000,
        hidden_size=32,
        workers=16,
        agent_learning_rate=100.0,
        population=128,
        es_learning_rate=0.05,
        es_learning_rate_decay=0.9963,
        generations=800,
        heldout_every=50,
    ),
    # GROOVE (arXiv:2310.02782): levels replayed by algorithmic regret, with evolution as its authors corrected it.
    "groove": TrainConfig(levels="all", curriculum="plr"),
    # LPG (arXiv:2007.08794): its own rule, with evolution in place of the meta-gradient.
    "lpg": TrainConfig(levels="all", cell="lstm", prediction_size=30),
    # TA-LPG (arXiv:2402.05828): lifetimes log-uniform from 10 to 250 updates, read by the rule.
    "ta-lpg": TrainConfig(levels="all", rule="ta-lpg", lifetime=(10, 250)),
}
"""Named starting points; flags change single numbers."""
