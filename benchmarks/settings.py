"""Settings that are measured: names and sizes. Imports no JAX."""

from typing import Any

from groove.config import EXPERIMENTS, TrainConfig

LIFETIME = 250
A = TrainConfig.of(levels="small", population=16, workers=16, hidden_size=32, lifetime=(LIFETIME, LIFETIME))
B = TrainConfig.of(levels="all", population=4, workers=64, hidden_size=256, lifetime=(LIFETIME, LIFETIME))
SETTINGS: dict[str, TrainConfig] = {"A": A, "B": B}
"""Generations that are measured everywhere; one more line adds another."""

_CHEAPER: dict[str, dict[str, Any]] = {
    "lowrank:1": {"perturbation": "lowrank:1"},
    "lowrank:4": {"perturbation": "lowrank:4"},
    "bfloat16": {"precision": "bfloat16"},
}

OPTIONS: dict[str, TrainConfig] = {
    f"{name}, {option}": config.replaced(**fields)
    for name, config in SETTINGS.items()
    for option, fields in _CHEAPER.items()
}
"""Settings measured only as generations, not with GROOVE's curriculum."""

WIDE = B.replaced(levels="small", workers=16, lifetime=(1, 1))
"""Of which the peak memory over population is measured: wide rules, and lives that cost nothing."""

WIDE_POPULATIONS = (64, 512)

PAPER: dict[str, TrainConfig] = {
    "paper": EXPERIMENTS["groove"].replaced(curriculum="dr", lifetime=(LIFETIME, LIFETIME))
}
"""GROOVE's own setting (arXiv:2310.02782): 512 levels × 64 workers, GRU 256, 1024 candidates; accelerators only."""

MEMORY_LIFETIMES = (25, 250, 1000)
"""Lifetimes in updates at which the peak memory of A is measured."""

MIXED = A.replaced(rule="ta-lpg", population=128, lifetime=(10, LIFETIME))
"""Lives of log-uniform length, as TA-LPG discovers rules on (arXiv:2402.05828), at the sizes of A."""

WORLDS = (
    "small",
    "large",
    "all",
    "tabular_dense",
    "random_dense",
    "random_small",
    "chain_short",
    "chain_distractor",
    "maze_four_rooms",
    "maze_perfect_branching",
    "classic/CartPole",
    "classic/Acrobot",
    "bsuite/Catch",
    "bsuite/DeepSea 8",
    "minatar/Breakout",
    "minatar/Asterix",
)
"""A few of each kind: sources of levels by name, environments of suites as SUITE/NAME."""

WORLD_WORKERS, WORLD_ROLLOUTS = 64, 5
"""Number of workers on each level, and of rollouts in a timed call."""

SOLVED = {"small": 128, "all": 16}
"""Number of levels of each distribution that are solved at once."""

SHORT = A.replaced(lifetime=(20, 20))
"""What scaling starts from: A with lives short enough for a thousand candidates."""

AXES: dict[str, tuple[TrainConfig, tuple[int, ...]]] = {
    "population": (SHORT, (8, 16, 32, 64, 128, 256, 512, 1024)),
    "workers": (SHORT, (4, 16, 64, 256)),
    "hidden_size": (SHORT, (16, 32, 64, 128, 256, 512)),
}
"""Config fields that are varied one at a time, with the starting config and the values."""

DEVICES_FROM = SHORT.replaced(population=64, lifetime=(50, 50))
"""What is spread over 1, 2, 4 … devices."""

GROWTH = {"population": (64, 512)}
"""Two values of an axis whose costs are compared in turn."""


def settings_of(config: TrainConfig) -> dict[str, Any]:
    """Return the fields of a config that differ from the default.

    Args:
        config: config of a generation.

    Returns:
        JSON values by name.
    """
    defaults = TrainConfig().to_json()
    return {name: value for name, value in config.to_json().items() if value != defaults[name]}


def point_name(axis: str, value: int) -> str:
    """Name a point in the readings.

    Args:
        axis: varied field of the config.
        value: value of the field.

    Returns:
        The name.
    """
    return f"{axis.replace('_', ' ')} {value}"
