"""The config: what it refuses, that it survives JSON, and that no field of it is ignored."""

import functools

import jax
import pytest
from rich.console import Console

from groove.config import EXPERIMENTS, TrainConfig
from groove.records.run_folder import RunFolder
from groove.run.train import Run
from levels.level_file import save_level
from levels.registry import generator
from tests.smallest_run import SMALLEST, stub_populations

BUILT = {
    "levels": "chain_long",
    "solvable": True,
    "lifetime": (2, 4),
    "curriculum": "plr",
    "score": "uniform",
    "level_folder": "others",
    "buffer": 50,
    "replay_fraction": 0.75,
    "min_filled": 0.25,
    "priorities": "proportional",
    "temperature": 0.5,
    "staleness": 0.1,
    "score_uncertainty": "shrunken",
    "edit_fraction": 0.25,
    "num_edits": 3,
    "sfl_period": 70,
    "sfl_fraction": 0.5,
    "value_steps": 30,
    "antagonist": "random",
    "antagonist_seeds": 3,
    "antagonist_max_seeds": 5,
    "rule": "ta-lpg",
    "cell": "lstm",
    "hidden_size": 3,
    "embedding_size": 3,
    "prediction_size": 3,
    "base": "a2c",
    "features": ("entropy", "advantage"),
    "outputs": ("step",),
    "size": "recurrent",
    "units": 3,
    "classes": 3,
    "scale_free": True,
    "workers": 3,
    "rollout_length": 3,
    "agent_learning_rate": 1.5,
    "agent_prediction_learning_rate": 1.5,
    "kl_cost": 0.25,
    "es": "PGPE",
    "population": 6,
    "sigma": 0.2,
    "es_learning_rate": 0.5,
    "es_learning_rate_decay": 0.5,
    "es_min_learning_rate": 0.5,
    "perturbation": "lowrank:1",
    "shaping": "relative",
    "fitness": "normalised",
    "end_returns": "exact",
    "average": 3,
    "end_episodes": 3,
    "levels_per_candidate": 2,
    "seed": 1,
    "devices": 1,
    "chunk": 3,
    "precision": "bfloat16",
}
"""Another value for each field that decides what a run is built of."""

_PLR = {"curriculum": "plr"}
_RESIDUAL = {"rule": "residual"}
_ACCEL = {"curriculum": "accel", "levels": "small", "buffer": 4}
BASES = {
    "solvable": {"levels": "small"},
    "score": _PLR,
    "level_folder": {"curriculum": "fixed", "levels": "small", "level_folder": "some"},
    "buffer": _PLR,
    "replay_fraction": _PLR,
    "min_filled": _PLR,
    "priorities": _PLR | {"score": "uniform"},
    "temperature": _PLR,
    "staleness": _PLR,
    "score_uncertainty": _PLR,
    "edit_fraction": _ACCEL,
    "num_edits": _ACCEL,
    "sfl_period": {"curriculum": "sfl"},
    "sfl_fraction": {"curriculum": "sfl"},
    "value_steps": _PLR | {"score": "l1_value_loss"},
    "base": _RESIDUAL,
    "features": _RESIDUAL,
    "outputs": _RESIDUAL,
    "size": _RESIDUAL,
    "units": _RESIDUAL | {"size": "mlp"},
    "classes": _RESIDUAL | {"size": "recurrent"},
    "fitness": {"levels": "small"},
    "end_returns": {"levels": "small"},
    "antagonist": _PLR,
    "antagonist_seeds": _PLR | {"antagonist_max_seeds": 4},
    "antagonist_max_seeds": _PLR,
}
"""What else must be so for a field to matter."""

LOOPED = {
    "generations": 7,
    "validation_every": 4,
    "heldout_levels": 3,
    "checkpoint_every": 3,
    "keep_checkpoints": 2,
    "keep": "best",
    "tune_configurations": 5,
}
"""Another value for each field that decides what a run does and when."""


@functools.cache
def parts(config):
    """All that a run is made of, as text."""
    run = Run(config, Console(quiet=True))
    training = run.training
    key = jax.random.key_data(run.key).tolist()
    hyper = jax.tree.map(float, training.hyper)
    chooses = (training.generator, training.curriculum, training.measurement)
    return repr(
        (
            *chooses,
            training.population,
            training.search.evolution,
            training.levels_per_candidate,
            training.exact,
            hyper,
            key,
        )
    )


def test_every_field_is_tried():
    assert {*BUILT, *LOOPED} == set(SMALLEST.flat())
    for name, value in (BUILT | LOOPED).items():
        assert value != SMALLEST.flat()[name]


@pytest.fixture
def two_folders(tmp_path, monkeypatch):
    """Two folders of a level each, where the test runs."""
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(("some", "others")):
        (tmp_path / name).mkdir()
        save_level(tmp_path / name / "level.toml", generator("small").sample(jax.random.key(number)))


@pytest.mark.parametrize("name", BUILT)
def test_field_changes_what_a_run_is_built_of(name, two_folders):
    base = SMALLEST.replaced(**BASES.get(name, {}))
    assert parts(base.replaced(**{name: BUILT[name]})) != parts(base)


@pytest.mark.parametrize("name", ["levels", *BASES])
def test_equal_configs_build_equal_runs(name, two_folders):
    base = SMALLEST.replaced(**BASES.get(name, {}))
    assert parts.__wrapped__(base) == parts(base)


def test_fields_change_what_a_run_does_and_when(tmp_path, monkeypatch):
    stub_populations(monkeypatch)
    closing = {}

    class Recorded:
        def __init__(self, **arguments):
            closing.update(arguments)

        def scores(self, rules, start=None):
            return []

    monkeypatch.setattr("groove.run.run_parts.ClosingTable", Recorded)
    monkeypatch.setattr("groove.run.train.render", lambda *_: "")
    run = Run(SMALLEST.replaced(**LOOPED), Console(quiet=True))
    with RunFolder.create(tmp_path / "run") as folder:
        run.start(folder)
    rows = folder.metrics_path.read_text().splitlines()
    assert len(rows) == 7
    assert [number for number, row in enumerate(rows, 1) if "validation_score" in row] == [4, 7]
    kept = sorted(int(path.stem.removeprefix("generation_")) for path in folder.checkpoints_path.iterdir())
    assert kept == [6, 7]
    assert (
        closing["heldout"].life_keys.shape == closing["validation"].life_keys.shape == (3,)
        and closing["num_configurations"] == 5
    )


def test_old_names_of_fields_are_read():
    fields = SMALLEST.replaced(replay_fraction=0.25, validation_every=9).to_json()
    for old, new in (("replay_share", "replay_fraction"), ("heldout_every", "validation_every")):
        fields[old] = fields.pop(new)
    found = TrainConfig.from_json(fields)
    assert (found.replay.replay_fraction, found.run.validation_every) == (0.25, 9)


def test_config_survives_json():
    for config in (
        TrainConfig(),
        SMALLEST,
        SMALLEST.replaced(**BUILT | {"perturbation": "full", "shaping": "pairwise"}),
        SMALLEST.replaced(shaping="relative"),
        *EXPERIMENTS.values(),
    ):
        assert TrainConfig.from_json(config.to_json()) == config


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"workers": "many"}, "config: workers must be int, got 'many'"),
        ({"workers": True}, "config: workers must be int, got True"),
        ({"workers": 0}, "--workers must be >= 1, got 0"),
        ({"sigma": None}, "config: sigma must be float, got None"),
        ({"rule": "ppo"}, "--rule must be one of lpg, ta-lpg, residual or FILE.py:NAME, got 'ppo'"),
        ({"lifetime": 5}, "config: lifetime must be tuple.*, got 5"),
        ({"lifetime": [1, 2, 3]}, "config: lifetime must be tuple.*"),
        ({"lifetime": [3, 2]}, "--lifetime must be two numbers 1 <= LOW <= HIGH < 2"),
        ({"momentum": 0.9}, "config: fields missing or unknown: momentum"),
    ],
)
def test_from_json_names_the_field(change, message):
    with pytest.raises(ValueError, match=message):
        TrainConfig.from_json(SMALLEST.to_json() | change)


@pytest.mark.parametrize("content", [None, [], "tiny", 3])
def test_from_json_refuses_what_is_no_object(content):
    with pytest.raises(ValueError, match=f"config must be a JSON object, got {type(content).__name__}"):
        TrainConfig.from_json(content)


def test_from_json_reads_files_from_before_a_field_was_added():
    fields = SMALLEST.to_json()
    older = {name: value for name, value in fields.items() if name not in ("perturbation", "precision")}
    assert len(older) == len(fields) - 2 and TrainConfig.from_json(older) == SMALLEST


def test_from_json_misses_no_other_field():
    fields = SMALLEST.to_json()
    added = {
        "perturbation",
        "precision",
        "sfl_fraction",
        "score_uncertainty",
        "shaping",
        "fitness",
        "average",
        "end_returns",
        "end_episodes",
        "scale_free",
        "keep",
    }
    for name in fields.keys() - added - set(vars(SMALLEST.residual)):
        with pytest.raises(ValueError, match=f"config: fields missing or unknown: {name}"):
            TrainConfig.from_json({other: value for other, value in fields.items() if other != name})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("generations", 0),
        ("devices", 0),
        ("chunk", -1),
        ("agent_learning_rate", 0.0),
        ("agent_learning_rate", float("nan")),
        ("agent_prediction_learning_rate", -1.0),
        ("kl_cost", -0.5),
        ("sigma", float("inf")),
        ("seed", -1),
        ("seed", 2**32),
        ("lifetime", (0, 5)),
        ("lifetime", (5, 2**31)),
    ],
)
def test_config_names_the_flag_of_a_number_out_of_range(field, value):
    with pytest.raises(ValueError, match=f"^--{field.replace('_', '-')} must be "):
        SMALLEST.replaced(**{field: value})


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_experiment_builds(name):
    run = Run(EXPERIMENTS[name], Console(quiet=True))
    assert run.record["config"] == EXPERIMENTS[name].to_json()
    assert set(run.record["versions"]) >= {"groove", "jax", "evosax", "gymnax"}


def test_solvable_filter_needs_objects_that_the_level_places():
    for levels in ("chain_short", "random_small"):
        with pytest.raises(ValueError, match=f"--solvable needs a grid .*, {levels} is not one"):
            Run(SMALLEST.replaced(levels=levels, solvable=True), Console(quiet=True))
