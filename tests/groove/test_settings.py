"""The settings of a run: each value that is not allowed is named, whether it comes from a flag or from Python."""

from typing import Literal, get_args, get_origin, get_type_hints

import pytest

from groove.config import TrainConfig
from groove.settings import AntagonistSettings, EvolutionSettings

KINDS = [
    (type(group), name, kind)
    for group in vars(TrainConfig()).values()
    for name, annotation in get_type_hints(type(group)).items()
    for kind in (annotation, *get_args(annotation))
]
"""Every field of every group with each of its types, for `T | None` those are `T | None`, T and None."""


@pytest.mark.parametrize(("group", "name"), [(group, name) for group, name, kind in KINDS if kind is float])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_numbers_must_be_finite(group, name, value):
    with pytest.raises(ValueError, match=rf"^{group.__name__}\.{name} must be .*, got {value}$"):
        group(**{name: value})


@pytest.mark.parametrize(
    ("group", "name", "kind"), [(*field, kind) for *field, kind in KINDS if get_origin(kind) is Literal]
)
def test_a_choice_must_be_a_known_one(group, name, kind):
    with pytest.raises(ValueError, match=rf"^{group.__name__}\.{name} must be .*, got 'pp0'$") as refused:
        group(**{name: "pp0"})
    assert all(known in str(refused.value) for known in get_args(kind))
    for known in get_args(kind):
        group(**{name: known})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("population", 3),
        ("population", 0),
        ("sigma", 0.0),
        ("sigma", float("nan")),
        ("es_learning_rate", -1.0),
        ("es_learning_rate_decay", 1.1),
        ("es_learning_rate_decay", 0.0),
        ("es_min_learning_rate", -1e-9),
        ("levels_per_candidate", 0),
    ],
)
def test_evolution_refuses_numbers_out_of_range(field, value):
    with pytest.raises(ValueError, match=f"^EvolutionSettings.{field} must be .*, got {value}$"):
        EvolutionSettings(**{field: value})


@pytest.mark.parametrize(
    ("perturbation", "strategy", "message"),
    [
        ("lowrank", "Open_ES", "perturbation must be full or lowrank:r with a rank r >= 1, got 'lowrank'"),
        ("lowrank:0", "Open_ES", "perturbation must be full or lowrank:r with a rank r >= 1, got 'lowrank:0'"),
        ("low", "Open_ES", "perturbation must be full or lowrank:r with a rank r >= 1, got 'low'"),
        ("lowrank:2", "PGPE", "perturbation lowrank:2 needs the strategy Open_ES, got PGPE"),
    ],
)
def test_evolution_refuses_other_perturbations(perturbation, strategy, message):
    with pytest.raises(ValueError, match=message):
        EvolutionSettings(strategy, perturbation=perturbation)


def test_antagonists_need_a_seed_and_a_cap_above_it():
    with pytest.raises(ValueError, match=r"^AntagonistSettings.antagonist_seeds must be >= 1, got 0$"):
        AntagonistSettings(antagonist_seeds=0)
    with pytest.raises(ValueError, match=r"antagonist_max_seeds must be >= --antagonist-seeds 3, got 2$"):
        AntagonistSettings(antagonist_seeds=3, antagonist_max_seeds=2)
