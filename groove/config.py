"""What a run is made of. Imports no JAX, so that the command line answers at once."""

import dataclasses
import json
import re
from dataclasses import dataclass
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from groove.settings import AntagonistSettings, CurriculumSettings, EvolutionSettings, RunSettings
from levels.settings import WorldSettings
from lpg.settings import AgentSettings, ResidualSettings, RuleSettings
from ued.settings import ReplaySettings


@dataclass(frozen=True)
class TrainConfig:
    """Everything that is set of one meta-training run; every field of every group is a flag of `groove train`.

    No two groups have a field of the same name, so that a field is known by its name alone: `of`, `replaced` and JSON
    are flat.
    """

    world: WorldSettings = WorldSettings()
    curriculum: CurriculumSettings = CurriculumSettings()
    replay: ReplaySettings = ReplaySettings()
    antagonist: AntagonistSettings = AntagonistSettings()
    rule: RuleSettings = RuleSettings()
    residual: ResidualSettings = ResidualSettings()
    agents: AgentSettings = AgentSettings()
    evolution: EvolutionSettings = EvolutionSettings()
    run: RunSettings = RunSettings()

    @classmethod
    def of(cls, **fields: Any) -> "TrainConfig":
        """Build a config from fields of its groups.

        Args:
            fields: values by name; the others are the defaults.

        Returns:
            The config.

        Raises:
            ValueError: a field is unknown or out of range.
        """
        return cls().replaced(**fields)

    def replaced(self, **fields: Any) -> "TrainConfig":
        """Return a copy with other values of fields of its groups.

        Args:
            fields: values by name.

        Returns:
            The config.

        Raises:
            ValueError: a field is unknown or out of range.
        """
        unknown = set(fields) - set(FIELDS)
        if unknown:
            raise ValueError(f"config has no field {', '.join(sorted(unknown))}; fields: {', '.join(FIELDS)}")
        try:
            groups = {
                group: dataclasses.replace(
                    settings, **{name: fields[name] for name in vars(settings) if name in fields}
                )
                for group, settings in vars(self).items()
            }
        except ValueError as error:
            raise ValueError(with_flags(str(error))) from error
        return TrainConfig(**groups)

    def flat(self) -> dict[str, Any]:
        """Return the values of all fields.

        Returns:
            Name -> value.
        """
        return {name: value for settings in vars(self).values() for name, value in vars(settings).items()}

    def to_json(self) -> dict[str, Any]:
        """Return the values of all fields as JSON values.

        Returns:
            A dict that `from_json` reads.
        """
        return json.loads(json.dumps(self.flat()))

    @staticmethod
    def from_json(fields: Any) -> "TrainConfig":
        """Return the config that `to_json` wrote.

        Args:
            fields: JSON object of values by name.

        Returns:
            The config.

        Raises:
            ValueError: a field is missing, unknown, of another type or out of range.
        """
        if not isinstance(fields, dict):
            raise ValueError(f"config must be a JSON object, got {type(fields).__name__}")
        fields = _ADDED | {_RENAMED.get(name, name): value for name, value in fields.items()}
        if set(fields) != set(FIELDS):
            raise ValueError(f"config: fields missing or unknown: {', '.join(sorted(set(fields) ^ set(FIELDS)))}")
        for settings in vars(TrainConfig()).values():
            for name, kind in get_type_hints(type(settings)).items():
                if not _fits(fields[name], kind):
                    allowed = kind.__name__ if isinstance(kind, type) and not get_args(kind) else kind
                    raise ValueError(f"config: {name} must be {allowed}, got {fields[name]!r}")
        return TrainConfig.of(**{name: tuple(x) if type(x) is list else x for name, x in fields.items()})


FIELDS = tuple(TrainConfig().flat())
"""Names of the fields of all groups, in their order."""

_ADDED: dict[str, Any] = {
    "perturbation": "full",
    "precision": None,
    "sfl_fraction": 0.25,
    "score_uncertainty": "mean",
    "shaping": "pairwise",
    "fitness": "return",
    "end_returns": "sampled",
    "average": 0,
    "end_episodes": None,
    "keep": "last",
    "scale_free": False,
    **{name: list(x) if type(x) is tuple else x for name, x in vars(ResidualSettings()).items()},
}
"""Fields that older files lack, with what there was before them."""

_RENAMED = {
    "prediction_cost": "kl_cost",
    "replay_share": "replay_fraction",
    "edit_share": "edit_fraction",
    "heldout_every": "validation_every",
}
"""Old names of fields, which files written before 0.2.0 have."""


def _fits(value: Any, kind: Any) -> bool:
    """Whether a JSON value is of an annotated type; bool is no number, and a list stands for a tuple."""
    if get_origin(kind) in (UnionType, Union):
        return any(_fits(value, one) for one in get_args(kind))
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    if get_origin(kind) is tuple:
        kinds = get_args(kind)
        if kinds[-1] is Ellipsis:
            kinds = (kinds[0],) * len(value) if type(value) is list else ()
        return type(value) is list and len(value) == len(kinds) and all(map(_fits, value, kinds))
    if kind is float:
        return type(value) in (int, float)
    return type(value) is kind


def flag_of(name: str) -> str:
    """Return the flag that sets a field on the command line.

    Args:
        name: the field's name.

    Returns:
        The flag.
    """
    return "--" + name.replace("_", "-")


def with_flags(message: str) -> str:
    """Return a complaint of a group of settings that names fields as flags.

    Args:
        message: such as "ReplaySettings.temperature must be > 0".

    Returns:
        The message, such as "--temperature must be > 0".
    """
    return re.sub(r"\b\w+Settings\.(\w+)", lambda field: flag_of(field[1]), message)


EXPERIMENTS: dict[str, TrainConfig] = {
    # Minutes on two cores: a small rule on small levels, short lives with longer strides.
    "tiny": TrainConfig.of(
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
    "laptop": TrainConfig.of(
        curriculum="plr",
        buffer=1000,
        hidden_size=32,
        workers=16,
        agent_learning_rate=100.0,
        population=128,
        es_learning_rate=0.05,
        es_learning_rate_decay=0.9963,
        generations=800,
        validation_every=50,
    ),
    # Minutes on two cores: ten numbers on top of PPO.
    "residual": TrainConfig.of(
        levels="all",
        rule="residual",
        workers=16,
        population=64,
        sigma=0.4,
        es_learning_rate=0.05,
        es_learning_rate_decay=0.995,
        shaping="relative",
        fitness="normalised",
        end_returns="exact",
        average=30,
        keep="best",
        generations=150,
    ),
    # GROOVE (arXiv:2310.02782): levels replayed by algorithmic regret, with evolution in place of the meta-gradient.
    "groove": TrainConfig.of(levels="all", curriculum="plr"),
    # LPG (arXiv:2007.08794): its own rule, with evolution in place of the meta-gradient.
    "lpg": TrainConfig.of(levels="all", cell="lstm", prediction_size=30),
    # TA-LPG (arXiv:2402.05828): lifetimes log-uniform from 10 to 250 updates, read by the rule.
    "ta-lpg": TrainConfig.of(levels="all", rule="ta-lpg", lifetime=(10, 250)),
}
"""Named starting points; flags change single numbers."""
