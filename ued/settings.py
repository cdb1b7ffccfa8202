"""Settings of a curriculum that replays levels. Imports no JAX."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

ScoreUncertainty = Literal["mean", "lower_bound", "shrunken"]


# Defaults: buffer and replay_fraction are those of GROOVE (arXiv:2310.02782); temperature, edit_fraction and num_edits
# those of ACCEL's MiniGrid runs (arXiv:2203.01302); min_filled and staleness those of JaxUED (arXiv:2403.13091);
# sfl_period that of SFL in JaxNav (arXiv:2408.15099). sfl_fraction is chosen here (SFL keeps 2% to 4% of more levels),
# and so is score_uncertainty (docs/curricula.md has the simulation).
@dataclass(frozen=True)
class ReplaySettings:
    """Which levels are kept, and how they are replayed."""

    buffer: int = 4000
    """Number of levels that the curriculum keeps."""
    replay_fraction: float = 0.5
    """Fraction of a generation's levels that is replayed."""
    min_filled: float = 0.5
    """Fraction of the buffer that must be filled before levels are replayed (not sfl)."""
    priorities: Literal["rank", "proportional", "top"] = "rank"
    """How the places that go by score are drawn: by rank, in proportion to the score, or the highest scores."""
    temperature: float = 0.3
    """Temperature of the priorities; smaller values prefer the highest scores more."""
    staleness: float = 0.3
    """Fraction of the replayed places that go to levels by staleness, the generations since their last replay."""
    score_uncertainty: ScoreUncertainty = "lower_bound"
    """What levels are ranked by where a score has a known error, as algorithmic_regret has: mean, the score itself;
    lower_bound, two standard errors below it; shrunken, drawn towards the mean of all levels."""
    edit_fraction: float = 1.0
    """Fraction of accel's new levels that are edits of the replayed ones."""
    num_edits: int = 5
    """Number of edits that turn a level into its child in accel."""
    sfl_period: int = 50
    """Number of generations whose new levels form one pool of sfl."""
    sfl_fraction: float = 0.25
    """Fraction of a pool that sfl keeps, the most learnable levels; sfl ignores --buffer."""

    def __post_init__(self) -> None:
        for name in ("buffer", "num_edits", "sfl_period"):
            if getattr(self, name) < 1:
                raise ValueError(f"ReplaySettings.{name} must be >= 1, got {getattr(self, name)}")
        for name in ("replay_fraction", "min_filled", "staleness", "edit_fraction", "sfl_fraction"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"ReplaySettings.{name} must be in 0..1, got {getattr(self, name)}")
        if self.priorities not in ("rank", "proportional", "top"):
            raise ValueError(f"ReplaySettings.priorities must be rank, proportional or top, got {self.priorities!r}")
        if self.score_uncertainty not in get_args(ScoreUncertainty):
            raise ValueError(
                f"ReplaySettings.score_uncertainty must be one of {', '.join(get_args(ScoreUncertainty))}, "
                f"got {self.score_uncertainty!r}"
            )
        if not 0 < self.temperature < math.inf:
            raise ValueError(f"ReplaySettings.temperature must be > 0 and finite, got {self.temperature}")

    @property
    def least_kept(self) -> int:
        """Number of levels that must be kept before any is replayed."""
        # Rounded first, because .07 * 100 is 7.000000000000001.
        return math.ceil(round(self.min_filled * self.buffer, 6))
