"""Curricula by name, and the checks of which scores and worlds go with them."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import get_args

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from groove.config import TrainConfig
from groove.discovery.plugin_checks import check_score
from levels.generators.distributions import DISTRIBUTIONS
from levels.generators.solvable import is_solvable
from levels.level import Level
from levels.level_generator import LevelGenerator
from levels.mutators import MUTATORS, Edits, Limits
from levels.near_names import unknown
from levels.plugins import is_plugin, load_object, load_plugin
from levels.solver import exact_grid
from levels.worlds.random_grid import RandomGrid
from levels.worlds.tabular_grid import TabularGrid
from ued.curriculum import Curriculum, DomainRandomization
from ued.learnability_sampling import LearnabilitySampling
from ued.replay import Edit, PrioritizedLevelReplay, num_replayed_places
from ued.scores import SCORES, Need, Score

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
    chosen, replay = config.curriculum, config.replay
    if is_plugin(chosen.curriculum):
        return _of_users(config)
    if chosen.curriculum not in CURRICULA:
        raise ValueError(unknown("curriculum", chosen.curriculum, CURRICULA))
    if (chosen.level_folder is None) == (chosen.curriculum == "fixed"):
        raise ValueError("--level-folder goes with --curriculum fixed, and each needs the other")
    replays = chosen.curriculum not in ("dr", "fixed")
    if replays and chosen.curriculum != "sfl" and replay.buffer < num_levels:
        raise ValueError(f"--buffer must be >= {num_levels}, the levels in use in a generation, got {replay.buffer}")
    if replays and num_replayed_places(num_levels, replay.replay_fraction) == 0:
        raise ValueError(
            f"--curriculum {chosen.curriculum} replays levels, but --replay-fraction {replay.replay_fraction} of the "
            f"{num_levels} in a generation rounds to 0; raise it or --levels-per-candidate, or use --curriculum dr"
        )
    if replays and _num_tasks(config, generator) == 1:
        raise ValueError(
            f"--curriculum {chosen.curriculum} chooses among levels, but all levels of {config.world.levels} are one "
            "task; use --curriculum dr"
        )
    return CURRICULA[chosen.curriculum](config, generator, num_levels)


def why_no_replay(config: TrainConfig, generator: LevelGenerator, num_levels: int) -> str | None:
    """Say why a curriculum that replays levels replays none before the run ends.

    Args:
        config: config whose curriculum, replay and generations fields are read.
        generator: source of the fresh levels.
        num_levels: number of levels in a generation.

    Returns:
        The reason, with numbers; None if levels are replayed, or if the curriculum is dr, fixed or a user's own.
    """
    replay, build = config.replay, CURRICULA.get(config.curriculum.curriculum)
    first = first_replay(config, num_levels)
    if build is _replay:
        num_replayed = num_replayed_places(num_levels, replay.replay_fraction)
        needed, num_tasks = max(replay.least_kept, num_replayed), _num_tasks(config, generator)
        filled = f"--min-filled {replay.min_filled} of --buffer {replay.buffer}"
        if num_tasks is not None and num_tasks < needed:
            asks = filled if needed > num_replayed else f"a batch of {num_replayed}"
            return f"{asks} needs {needed} different levels, {config.world.levels} has {num_tasks}"
        reason = f"{filled} takes {first} generations of {_num_scored(config, num_levels)} new levels"
    else:
        reason = f"the first pool takes --sfl-period {replay.sfl_period} generations"
    return f"{reason}, --generations is {config.run.generations}" if 0 < first >= config.run.generations else None


def first_replay(config: TrainConfig, num_levels: int) -> int:
    """Return the first generation in which levels can be replayed.

    Args:
        config: config whose curriculum and replay fields are read.
        num_levels: number of levels in a generation.

    Returns:
        Its number; 0 if the curriculum is dr, fixed or a user's own.
    """
    replay, build = config.replay, CURRICULA.get(config.curriculum.curriculum)
    if build is _replay:
        needed = max(replay.least_kept, num_replayed_places(num_levels, replay.replay_fraction))
        return math.ceil(needed / _num_scored(config, num_levels))
    return replay.sfl_period if build is _learnability else 0


def why_untrained(config: TrainConfig, num_kept: int | None) -> str:
    """Say why the rule has learned from no level.

    Args:
        config: config whose curriculum and replay fields are read.
        num_kept: number of levels that the curriculum keeps, None if it does not report it.

    Returns:
        The reason, with numbers.
    """
    replay, name = config.replay, config.curriculum.curriculum
    if CURRICULA.get(name) is not _replay or num_kept is None:
        return f"no level of --curriculum {name} trains it"
    return (
        f"--curriculum {name} trains it on replayed levels alone, which begin once {replay.least_kept} different "
        f"levels with a score are kept (--min-filled {replay.min_filled} of --buffer {replay.buffer}), and {num_kept} "
        "are; lower --buffer or use --curriculum plr"
    )


def _num_scored(config: TrainConfig, num_levels: int) -> int:
    """Return how many new levels of a generation can be scored before replay begins: all if none must be measured."""
    if find_score(config.curriculum.score or DEFAULT_SCORE).needs <= {"values"}:
        return num_levels
    return num_levels - num_replayed_places(num_levels, config.replay.replay_fraction)


def _num_tasks(config: TrainConfig, generator: LevelGenerator) -> int | None:
    """Return the number of different tasks among the new levels, None if not known; edits make more of them."""
    return None if config.curriculum.curriculum == "accel" else getattr(generator, "num_tasks", None)


def _of_users(config: TrainConfig) -> ChosenCurriculum:
    """Load a curriculum of the user's own; it may have `needs`, what its levels must be measured for."""
    chosen = config.curriculum
    if chosen.score is not None or chosen.level_folder is not None:
        raise ValueError(f"--score and --level-folder have no effect on --curriculum {chosen.curriculum}")
    members = ("num_measured", "init", "sample", "update", "report")
    curriculum = load_plugin(chosen.curriculum, "a curriculum", members, CURRICULA, config.replay)
    needs = frozenset(getattr(curriculum, "needs", ()))
    if not needs <= set(get_args(Need)):
        raise ValueError(f"{chosen.curriculum}: needs must be among {', '.join(get_args(Need))}, got {sorted(needs)}")
    return ChosenCurriculum(curriculum, needs)


def find_score(name: str) -> Score:
    """Return the score with the given name.

    Args:
        name: key of SCORES, or FILE.py:NAME of a `ued.scores.Score` or of a function from an outcome to scores [n].

    Returns:
        The score.

    Raises:
        ValueError: the name is unknown, or the file does not hold a score that gives a number for each level.
    """
    if not is_plugin(name):
        if name not in SCORES:
            raise ValueError(unknown("score", name, SCORES))
        return SCORES[name]
    own = load_object(name, "a score", SCORES)
    if not callable(own) or isinstance(own, type):
        raise ValueError(
            f"{name} must be a Score or a function from an Outcome to scores [n], got a {type(own).__name__}"
        )
    score = own if isinstance(own, Score) else Score(own)
    check_score(name, score)
    return score


def _unranked(config: TrainConfig, generator: LevelGenerator, num_levels: int) -> ChosenCurriculum:
    del generator, num_levels
    if config.curriculum.score is not None:
        raise ValueError(
            f"--score has no effect on --curriculum {config.curriculum.curriculum}, which replays no levels"
        )
    return ChosenCurriculum(DomainRandomization(), frozenset())


def _replay(config: TrainConfig, generator: LevelGenerator, num_levels: int) -> ChosenCurriculum:
    chosen, replay = config.curriculum, config.replay
    name = DEFAULT_SCORE if chosen.score is None else chosen.score
    score = find_score(name)
    if "optimum" in score.needs and exact_grid(generator.world) is None:
        raise ValueError(f"--score {name} needs an exact solver, and {config.world.levels} has none")
    if replay.priorities == "proportional" and not score.non_negative:
        raise ValueError(f"--priorities proportional needs a score that is never negative, {name} can be")
    robust, edit, world = chosen.curriculum != "plr", None, generator.world
    if chosen.curriculum == "accel":
        if not isinstance(world, TabularGrid | RandomGrid):
            raise ValueError(f"--curriculum accel edits grid levels; {config.world.levels} is not a grid")
        edit = _edits(config, world)
    if robust and (reason := why_no_replay(config, generator, num_levels)):
        raise ValueError(f"--curriculum {chosen.curriculum} trains on replayed levels alone: {reason}")
    if robust and config.evolution.es == "PGPE":
        raise ValueError(
            f"--es PGPE adapts its standard deviations to every pair, but --curriculum {chosen.curriculum} leaves some "
            "without a level that trains; use Open_ES or a strategy without pairs"
        )
    return ChosenCurriculum(PrioritizedLevelReplay(score, replay, robust, edit), score.needs)


def _edits(config: TrainConfig, world: TabularGrid | RandomGrid) -> Edit:
    """Build edits within the limits of the distribution that, with --solvable, keep a prize within reach."""
    names, num_types = set(MUTATORS), None
    if isinstance(world, RandomGrid):
        # Episodes redraw these positions, so such an edit would put the same task into another slot.
        names, num_types = names - {"move_start", "move_object"}, world.num_types
    if config.world.levels in DISTRIBUTIONS:
        drawn = DISTRIBUTIONS[config.world.levels]
        limits = Limits(drawn.min_steps, drawn.max_steps, num_types)
    else:
        # Regret grows with the horizon, so a horizon that no distribution bounds would double again and again.
        names, limits = names - {"max_steps"}, Limits(num_types=num_types)
    edits = Edits(config.replay.num_edits, tuple(name for name in MUTATORS if name in names), limits)
    return edits if not config.world.solvable else partial(_solvable_edit, edits)


def _solvable_edit(edits: Edits, key: Key[Array, ""], level: Level) -> Level:
    """Return the edited level, or the level itself if no object of positive reward would remain within reach."""
    child = edits(key, level)
    return jax.tree.map(lambda new, old: jnp.where(is_solvable(child), new, old), child, level)


def _learnability(config: TrainConfig, generator: LevelGenerator, num_levels: int) -> ChosenCurriculum:
    del generator
    chosen, replay = config.curriculum, config.replay
    if chosen.score not in (None, "learnability"):
        raise ValueError(f"--curriculum sfl keeps levels by learnability, got --score {chosen.score}; plr takes any")
    pool = (num_levels - num_replayed_places(num_levels, replay.replay_fraction)) * replay.sfl_period
    capacity = round(replay.sfl_fraction * pool)
    if capacity < num_levels:
        raise ValueError(
            f"--sfl-fraction {replay.sfl_fraction} keeps {capacity} of the {pool} new levels of --sfl-period "
            f"{replay.sfl_period} generations, fewer than the {num_levels} in use in a generation; raise one of the two"
        )
    curriculum = LearnabilitySampling(capacity, replay)
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
