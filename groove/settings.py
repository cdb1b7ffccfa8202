"""What a user sets of a run: curriculum, antagonists, evolution, how long and how often. Imports no JAX."""

import math
import re
from dataclasses import dataclass
from typing import Literal, get_args

from lpg.settings import Precision

AntagonistKind = Literal["a2c", "ppo", "random", "expert"]
Kept = Literal["last", "best"]
EndReturns = Literal["sampled", "exact"]
Shaping = Literal["pairwise", "relative"]
Fitness = Literal["return", "normalised"]


# value_steps is chosen here: no level of `all` has a longer horizon.
@dataclass(frozen=True)
class CurriculumSettings:
    """Who chooses the levels, and by what score."""

    curriculum: str = "dr"
    """Who chooses the levels: dr (fresh ones), fixed (those of --level-folder), plr, robust_plr, accel or sfl, or
    FILE.py:NAME of a curriculum of your own."""
    score: str | None = None
    """What plr, robust_plr and accel rank levels by, algorithmic_regret by default, or FILE.py:NAME of a score of
    your own; sfl uses learnability."""
    level_folder: str | None = None
    """Folder of level files, for --curriculum fixed."""
    value_steps: int = 750
    """Steps within which an episode must end to count for value losses."""

    def __post_init__(self) -> None:
        if self.value_steps < 1:
            raise ValueError(f"CurriculumSettings.value_steps must be >= 1, got {self.value_steps}")


# A2C is GROOVE's antagonist (arXiv:2310.02782). Two seeds, and up to eight by replay, are chosen here, because the
# return of one is noisy (docs/curricula.md).
@dataclass(frozen=True)
class AntagonistSettings:
    """The antagonists that algorithmic regret compares the rule's agents with."""

    antagonist: AntagonistKind = "a2c"
    """Kind of antagonist: a2c and ppo train for the level's lifetime, random acts uniformly, expert is the exact
    solver."""
    antagonist_seeds: int = 2
    """Number of antagonists trained on a new level."""
    antagonist_max_seeds: int = 8
    """Largest number of antagonists on a level; as long as it has fewer, each replay adds one."""

    def __post_init__(self) -> None:
        if self.antagonist not in get_args(AntagonistKind):
            raise ValueError(
                f"AntagonistSettings.antagonist must be one of {', '.join(get_args(AntagonistKind))}, "
                f"got {self.antagonist!r}"
            )
        if self.antagonist_seeds < 1:
            raise ValueError(f"AntagonistSettings.antagonist_seeds must be >= 1, got {self.antagonist_seeds}")
        if self.antagonist_max_seeds < self.antagonist_seeds:
            raise ValueError(
                "AntagonistSettings.antagonist_max_seeds must be >= --antagonist-seeds "
                f"{self.antagonist_seeds}, got {self.antagonist_max_seeds}"
            )


# Defaults: those of TA-LPG (arXiv:2402.05828), sigma and learning rate as its authors corrected them.
@dataclass(frozen=True)
class EvolutionSettings:
    """The evolution strategy that searches for the rule."""

    es: str = "Open_ES"
    """Evolution strategy: any distribution-based strategy of evosax."""
    population: int = 1024
    """Candidate rules per generation, an even number; antithetic strategies form pairs of them."""
    sigma: float = 0.1
    """Standard deviation of the noise on the mean rule, at the start."""
    es_learning_rate: float = 1e-2
    """Adam's learning rate on the mean rule, at the start."""
    es_learning_rate_decay: float = 0.999
    """Factor of that learning rate per generation."""
    es_min_learning_rate: float = 1e-5
    """Lower bound of that learning rate."""
    end_returns: EndReturns = "sampled"
    """Agents' return at the end of their lives: sampled, the mean of --end-episodes episodes, or exact, its
    expectation, which needs a world with an exact solver. The episodes are played in both cases."""
    end_episodes: int | None = None
    """Episodes at the end of a life, whose mean is an agent's return and by which levels are scored; by default one for
    each worker."""
    average: int = 0
    """Generations over which the rule that is found averages the means of the search, exponentially; 0 for the last
    mean alone."""
    perturbation: str = "full"
    """Noise on the rule's matrices: full, or lowrank:r, which lets candidates share the products with the mean
    (Open_ES alone)."""
    shaping: Shaping = "pairwise"
    """How returns guide the search: pairwise asks which of a pair is better, relative (Open_ES alone) also by how
    much."""
    fitness: Fitness = "return"
    """What is compared: the agents' return, or normalised, that return between random play (0) and the optimum (1),
    which needs a world with an exact solver."""
    levels_per_candidate: int = 1
    """Lifetimes that make up a candidate's fitness, each on a level of its own. Pairs share their levels;
    where a strategy has no pairs, all candidates share the same ones."""

    def __post_init__(self) -> None:
        if self.population < 2 or self.population % 2:
            raise ValueError(f"EvolutionSettings.population must be even and >= 2, got {self.population}")
        for name in ("sigma", "es_learning_rate"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"EvolutionSettings.{name} must be > 0 and finite, got {getattr(self, name)}")
        if not 0 < self.es_learning_rate_decay <= 1:
            raise ValueError(
                f"EvolutionSettings.es_learning_rate_decay must be in (0, 1], got {self.es_learning_rate_decay}"
            )
        if not 0 <= self.es_min_learning_rate < math.inf:
            raise ValueError(
                f"EvolutionSettings.es_min_learning_rate must be >= 0 and finite, got {self.es_min_learning_rate}"
            )
        if re.fullmatch(r"full|lowrank:[1-9]\d{0,3}", self.perturbation) is None:
            raise ValueError(
                "EvolutionSettings.perturbation must be full or lowrank:r with a rank r >= 1, "
                f"got {self.perturbation!r}"
            )
        if self.rank is not None and self.es != "Open_ES":
            raise ValueError(
                f"EvolutionSettings.perturbation {self.perturbation} needs the strategy Open_ES, got {self.es}"
            )
        for name, kind in (("shaping", Shaping), ("fitness", Fitness), ("end_returns", EndReturns)):
            allowed = get_args(kind)
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"EvolutionSettings.{name} must be one of {', '.join(allowed)}, got {getattr(self, name)!r}"
                )
        if self.end_episodes is not None and self.end_episodes < 1:
            raise ValueError(f"EvolutionSettings.end_episodes must be >= 1, got {self.end_episodes}")
        if self.average < 0 or self.average == 1:
            raise ValueError(f"EvolutionSettings.average must be 0 or >= 2, got {self.average}")
        if self.shaping == "relative" and self.es != "Open_ES":
            raise ValueError(
                "EvolutionSettings.shaping must be pairwise for strategies other than Open_ES, got relative and "
                f"{self.es}"
            )
        if self.levels_per_candidate < 1:
            raise ValueError(f"EvolutionSettings.levels_per_candidate must be >= 1, got {self.levels_per_candidate}")

    @property
    def rank(self) -> int | None:
        """Rank r of a matrix's perturbation, None for full noise."""
        return None if self.perturbation == "full" else int(self.perturbation.removeprefix("lowrank:"))


# generations is that of TA-LPG (arXiv:2402.05828); the other defaults are chosen here.
@dataclass(frozen=True)
class RunSettings:
    """How long the run goes on, what it records, and on what devices."""

    generations: int = 2500
    """Generations to run."""
    seed: int = 0
    """Seed of everything the run draws, except the held-out and validation levels, which are the same in all runs."""
    validation_every: int = 25
    """Generations between two scores on the validation levels. Held-out levels are scored once, at the end."""
    heldout_levels: int = 128
    """Held-out levels of the closing table, from a seed range of their own; validation levels are as many."""
    checkpoint_every: int = 25
    """Generations between two checkpoints."""
    keep_checkpoints: int = 3
    """Checkpoints kept, newest first."""
    keep: Kept = "last"
    """Rule that the run ends with: last, that of the last generation; best, the one with the highest validation score
    among those scored every --validation-every generations."""
    tune_configurations: int = 16
    """Configurations in the random search that tunes A2C for the closing table, on 3 seeds each."""
    devices: int | None = None
    """Devices of each process to spread the population over; by default all, on CPU one per core (one in a job)."""
    chunk: int | None = None
    """Number of lifetimes that run side by side on a device, which bounds the memory. By default as many as have 128
    workers together on CPU, elsewhere as many as fit into half the memory, up to 1024."""
    precision: Precision | None = None
    """Precision of the rule's recurrent products, whose sums stay float32; by default float32 on CPU, tf32
    elsewhere."""

    def __post_init__(self) -> None:
        counts = ("generations", "validation_every", "heldout_levels", "checkpoint_every", "keep_checkpoints")
        for name in (*counts, "tune_configurations", "devices", "chunk"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"RunSettings.{name} must be >= 1, got {value}")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"RunSettings.seed must be in 0..{2**32 - 1}, got {self.seed}")
        if self.keep not in get_args(Kept):
            raise ValueError(f"RunSettings.keep must be one of {', '.join(get_args(Kept))}, got {self.keep!r}")
        if self.precision is not None and self.precision not in get_args(Precision):
            raise ValueError(
                f"RunSettings.precision must be None or one of {', '.join(get_args(Precision))}, got {self.precision!r}"
            )
