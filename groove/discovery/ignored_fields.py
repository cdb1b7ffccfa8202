"""Fields of a config that its curriculum or its rule does not read."""

from collections.abc import Iterable

from groove.config import TrainConfig, flag_of
from groove.discovery.curricula import CURRICULA, DEFAULT_SCORE, find_score
from lpg.settings import LEARNED_RULES
from ued.scores import SCORES

_REPLAY = ("buffer", "replay_fraction", "min_filled", "priorities", "temperature", "staleness", "score_uncertainty")
READ: dict[str, tuple[str, ...]] = {
    "dr": (),
    "fixed": (),
    "plr": _REPLAY,
    "robust_plr": _REPLAY,
    "accel": (*_REPLAY, "edit_fraction", "num_edits"),
    "sfl": ("replay_fraction", "sfl_period", "sfl_fraction"),
}
"""Replay settings that each curriculum reads."""

_OF_LPG = ("cell", "hidden_size", "embedding_size", "prediction_size", "scale_free", "precision")
"""Settings of rules that are LPG's network."""


_UNREAD_BY_SIZE = {"linear": ("units", "classes", "kl_cost"), "mlp": ("classes", "kl_cost"), "recurrent": ()}
"""Settings that residual rules do not read, by size."""


def refuse_ignored(config: TrainConfig, given: Iterable[str]) -> None:
    """Refuse fields that a user has set and that the config's curriculum or rule does not read.

    Args:
        config: the config.
        given: names of the fields that the user has set.

    Raises:
        ValueError: a field has no effect; names its flag and the curriculum or rule.
    """
    evolution = config.evolution
    if "fitness" in given and (evolution.fitness, evolution.shaping, evolution.levels_per_candidate) == (
        "normalised",
        "pairwise",
        1,
    ):
        raise ValueError(
            "--fitness normalised has no effect on --shaping pairwise with --levels-per-candidate 1, which asks only "
            "which of a pair is better on their one level"
        )
    by_curriculum, rule = why_ignored(config), config.rule.rule
    unread = dict.fromkeys(vars(config.residual), rule)
    if rule == "residual":
        size = config.residual.size
        unread = dict.fromkeys(_OF_LPG, rule)
        unread |= dict.fromkeys(_UNREAD_BY_SIZE[size], f"residual with --size {size}")
        if not config.residual.step_outputs:
            unread["features"] = "residual with --outputs drift"
    for name in given:
        if name in by_curriculum:
            raise ValueError(f"{flag_of(name)} has no effect on --curriculum {by_curriculum[name]}")
        if name in unread and rule in LEARNED_RULES:
            raise ValueError(f"{flag_of(name)} has no effect on --rule {unread[name]}")


def why_ignored(config: TrainConfig) -> dict[str, str]:
    """Return the fields that the config's curriculum does not read.

    Args:
        config: config whose curriculum, score, priorities and antagonist fields are read.

    Returns:
        Name of a field -> what it has no effect on; empty for a curriculum of a user's own, which may read any, and for
        an unknown one.

    Raises:
        ValueError: the score is unknown.
    """
    curriculum, replay = config.curriculum.curriculum, config.replay
    if curriculum not in CURRICULA:
        return {}
    ignored = {name: curriculum for name in vars(replay) if name not in READ[curriculum]}
    score, by = None, curriculum
    if curriculum == "sfl":
        score = SCORES["learnability"]
    elif READ[curriculum]:
        name = config.curriculum.score or DEFAULT_SCORE
        score, by = find_score(name), f"{curriculum} with --score {name}"
        if score.noise is None:
            ignored["score_uncertainty"] = by
        if replay.priorities == "top":
            ignored["temperature"] = f"{curriculum} with --priorities top"
    needs = frozenset() if score is None else score.needs
    if "values" not in needs:
        ignored["value_steps"] = by
    if "antagonist" not in needs:
        ignored |= dict.fromkeys(vars(config.antagonist), by)
    elif config.antagonist.antagonist == "expert":
        # The expert's return has no error.
        unread = ("antagonist_seeds", "antagonist_max_seeds", "score_uncertainty")
        ignored |= dict.fromkeys(unread, f"{curriculum} with --antagonist expert")
    return ignored
