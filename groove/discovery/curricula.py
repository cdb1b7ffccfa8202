"""Curricula by name, and the checks of which scores and worlds go with them."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from groove.config import TrainConfig
from levels.generators.distributions import DISTRIBUTIONS
from levels.generators.solvable import is_solvable
from levels.level import Level
from levels.level_generator import LevelGenerator
from levels.mutators import MUTATORS, Edits, Limits
from levels.worlds.random_grid import RandomGrid
from levels.worlds.tabular_grid import TabularGrid
from ued.curriculum import Curriculum, DomainRandomization
from ued.learnability_sampling import LearnabilitySampling
from ued.priorities import Priorities
from ued.replay import Edit, PrioritizedLevelReplay, num_replayed_places
from ued.scores import SCORES, Need

DEFAULT_SCORE = "algorithmic_regret"


@dataclass(frozen=True)
class ChosenCurriculum:
    """A curriculum and the measurements that it needs.

    Attributes:
        curriculum: chooses the levels.
        needs: measurements that its score needs.
    """

    curriculum: Curriculum
    needs: frozenset[Need]


def build_curriculum(config: TrainConfig, generator: LevelGenerator, num_levels: int) -> ChosenCurriculum:
    """Build the curriculum of a config.

    Args:
        config: config whose curriculum, score, buffer and replay fields are read.
        generator: source of the fresh levels.
        num_levels: number of levels in a generation.

    Returns:
        The curriculum.

    Raises:
        ValueError: a name is unknown, or the parts do not go together; the message gives the reason.
    """
    if config.curriculum not in CURRICULA:
        raise ValueError(f"unknown curriculum {config.curriculum!r}; known: {', '.join(CURRICULA)}")
    if (config.level_folder is None) == (config.curriculum == "fixed"):
        raise ValueError("--level-folder goes with --curriculum fixed, and each needs the other")
    if config.curriculum not in ("dr", "fixed") and config.buffer < num_levels:
        raise ValueError(f"--buffer must be >= {num_levels}, the levels in use in a generation, got {config.buffer}")
    if config.curriculum not in ("dr", "fixed") and num_replayed_places(num_levels, config.replay_fraction) == 0:
        raise ValueError(
            f"--curriculum {config.curriculum} replays levels, but --replay-fraction {config.replay_fraction} of the "
            f"{num_levels} in a generation rounds to none; raise it or --levels-per-candidate, or use --curriculum dr"
        )
    return CURRICULA[config.curriculum](config, generator, num_levels)


def _unranked(config: TrainConfig, generator: LevelGenerator, num_levels: int) -> ChosenCurriculum:
    del generator, num_levels
    if config.score is not None:
        raise ValueError(f"--score has no effect on --curriculum {config.curriculum}, which replays no levels")
    return ChosenCurriculum(DomainRandomization(), frozenset())


def _replay(config: TrainConfig, generator: LevelGenerator, num_levels: int) -> ChosenCurriculum:
    name = DEFAULT_SCORE if config.score is None else config.score
    if name not in SCORES:
        raise ValueError(f"unknown score {name!r}; known: {', '.join(SCORES)}")
    score = SCORES[name]
    if "optimum" in score.needs and not isinstance(generator.world, TabularGrid):
        raise ValueError(
            f"--score {name} needs an exact solver; {config.levels} has none, since its levels fix no grid layout"
        )
    if config.priorities == "proportional" and not score.non_negative:
        raise ValueError(f"--priorities proportional needs a score that is never negative; {name} can be")
    robust, edit, world = config.curriculum != "plr", None, generator.world
    if config.curriculum == "accel":
        if not isinstance(world, TabularGrid | RandomGrid):
            raise ValueError(f"--curriculum accel edits grid levels; {config.levels} is not a grid")
        edit = _edits(config, world)
    num_new = num_levels - num_replayed_places(num_levels, config.replay_fraction)
    first_replay = math.ceil(config.min_filled * config.buffer / num_new)
    if robust and first_replay >= config.generations:
        raise ValueError(
            f"--curriculum {config.curriculum} trains on replayed levels alone, but --min-filled {config.min_filled} "
            f"of --buffer {config.buffer} takes {first_replay} generations of {num_new} new levels, and --generations "
            f"is {config.generations}"
        )
    if robust and config.es == "PGPE":
        raise ValueError(
            f"--es PGPE adapts its standard deviations to every pair, but --curriculum {config.curriculum} leaves some "
            "pairs without a level that trains; use Open_ES or a strategy without pairs"
        )
    curriculum = PrioritizedLevelReplay(
        score=score,
        priorities=Priorities(config.priorities, config.temperature, config.staleness),
        capacity=config.buffer,
        replay_fraction=config.replay_fraction,
        min_filled=config.min_filled,
        robust=robust,
        edit=edit,
        edit_fraction=config.edit_fraction,
    )
    return ChosenCurriculum(curriculum, score.needs)


def _edits(config: TrainConfig, world: TabularGrid | RandomGrid) -> Edit:
    """Build edits within the limits of the distribution that, with --solvable, keep a prize within reach."""
    names, num_types = set(MUTATORS), None
    if isinstance(world, RandomGrid):
        # Episodes redraw these positions, so such an edit would put the same task into another slot.
        names, num_types = names - {"move_start", "move_object"}, world.num_types
    if config.levels in DISTRIBUTIONS:
        drawn = DISTRIBUTIONS[config.levels]
        limits = Limits(drawn.min_steps, drawn.max_steps, num_types)
    else:
        # Regret grows with the horizon, so a horizon that no distribution bounds would double again and again.
        names, limits = names - {"max_steps"}, Limits(num_types=num_types)
    edits = Edits(config.num_edits, tuple(name for name in MUTATORS if name in names), limits)
    return edits if not config.solvable else partial(_solvable_edit, edits)


def _solvable_edit(edits: Edits, key: Key[Array, ""], level: Level) -> Level:
    """Return the edited level, or the level itself if no object of positive reward would remain within reach."""
    child = edits(key, level)
    return jax.tree.map(lambda new, old: jnp.where(is_solvable(child), new, old), child, level)


def _learnability(config: TrainConfig, generator: LevelGenerator, num_levels: int) -> ChosenCurriculum:
    del generator
    if config.score not in (None, "learnability"):
        raise ValueError(f"--curriculum sfl keeps levels by learnability, got --score {config.score}; plr takes any")
    pool = (num_levels - num_replayed_places(num_levels, config.replay_fraction)) * config.sfl_period
    if config.buffer >= pool:
        raise ValueError(
            f"--buffer must be < {pool}, the new levels of --sfl-period {config.sfl_period} generations among which "
            f"sfl chooses, got {config.buffer}"
        )
    curriculum = LearnabilitySampling(config.buffer, config.sfl_period, config.replay_fraction)
    return ChosenCurriculum(curriculum, curriculum.score.needs)


CURRICULA: dict[str, Callable[[TrainConfig, LevelGenerator, int], ChosenCurriculum]] = {
    "dr": _unranked,
    "fixed": _unranked,
    "plr": _replay,
    "robust_plr": _replay,
    "accel": _replay,
    "sfl": _learnability,
}
"""Name -> function that builds the curriculum."""
