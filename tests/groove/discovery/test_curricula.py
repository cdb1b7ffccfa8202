"""Curricula from the config: valid ones are built, the others refused with one line that says why."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console

from groove.building import build_generator, build_training
from groove.commands.main import main
from groove.commands.running import build_run
from groove.discovery.curricula import CURRICULA, build_curriculum, first_replay, why_no_replay
from groove.discovery.ignored_fields import READ, refuse_ignored
from groove.job.devices import lives_mesh
from groove.job.distributed import Job
from groove.records.run_folder import RunFolder
from groove.run.train import Run, RunStopped
from levels.generators.emptied import Emptied
from levels.generators.solvable import Solvable, is_solvable
from levels.generators.with_lifetime import WithLifetime
from levels.level_file import save_level
from levels.level_folder import FixedLevels
from levels.registry import generator
from tests.smallest_run import SMALLEST, StubPopulation, metrics, settle_devices, stub_populations
from ued.curriculum import DomainRandomization
from ued.learnability_sampling import LearnabilitySampling
from ued.replay import PrioritizedLevelReplay
from ued.scores import SCORES

GRID = SMALLEST.replaced(levels="small", population=8, buffer=8)
"""Four levels a generation."""

MAZE = generator("maze_spiral")
REPLAY = ("plr", "robust_plr", "accel")
PAIRS = [*itertools.product(REPLAY, SCORES), ("sfl", "learnability"), *((name, None) for name in CURRICULA)]


def training_of(curriculum, score, tmp_path, **fields):
    """Build the meta-training of a config, with lives that cost nothing."""
    if curriculum == "fixed":
        save_level(tmp_path / "level.toml", generator("small").sample(jax.random.key(0)))
        fields["level_folder"] = str(tmp_path)
    training = build_training(GRID.replaced(curriculum=curriculum, score=score, **fields), lives_mesh(1))

    def stub(population):
        return StubPopulation(population.learner, population.mesh, 64, population.value_probe)

    measurement = dataclasses.replace(training.measurement, population=stub(training.measurement.population))
    return dataclasses.replace(training, population=stub(training.population), measurement=measurement)


@pytest.mark.parametrize(("curriculum", "score"), PAIRS)
def test_curriculum_and_score_that_go_together_are_built(curriculum, score, tmp_path):
    training = training_of(curriculum, score, tmp_path)
    kinds = {"dr": DomainRandomization, "fixed": DomainRandomization, "sfl": LearnabilitySampling}
    assert isinstance(training.curriculum, kinds.get(curriculum, PrioritizedLevelReplay))
    if curriculum in REPLAY:
        chosen = SCORES["algorithmic_regret" if score is None else score]
        assert training.curriculum.score is chosen and training.measurement.needs == chosen.needs
        assert training.curriculum.robust == (curriculum != "plr")
        assert (training.curriculum.edit is not None) == (curriculum == "accel")
        assert (training.population.value_probe is not None) == ("values" in chosen.needs)
    assert isinstance(training.generator, Emptied) == (curriculum == "accel")
    if curriculum == "fixed":
        assert isinstance(training.generator, WithLifetime) and isinstance(training.generator.generator, FixedLevels)


@pytest.mark.parametrize(
    ("curriculum", "score"), [*(("robust_plr", score) for score in SCORES), *((name, None) for name in CURRICULA)]
)
def test_generation_measures_all_that_the_score_reads(curriculum, score, tmp_path):
    training = training_of(curriculum, score, tmp_path)
    state = jax.eval_shape(training.init, jax.random.key(0))
    after, metrics = jax.eval_shape(training.generation, jax.random.key(1), state)
    assert jax.tree.structure(after) == jax.tree.structure(state)
    assert all(x.shape == y.shape and x.dtype == y.dtype for x, y in zip(*map(jax.tree.leaves, (state, after))))  # noqa: B905
    assert all(value.shape == () for value in metrics.values())


REFUSED = [
    ({"curriculum": "prl"}, "unknown curriculum 'prl'; perhaps plr; known: "),
    ({"curriculum": "plr", "score": "exact_return"}, "unknown score 'exact_return'; perhaps exact_regret; known: "),
    ({"curriculum": "paired"}, "unknown curriculum 'paired'; known: dr, fixed, plr, robust_plr, accel, sfl"),
    ({"curriculum": "plr", "score": "td"}, "unknown score 'td'; known: algorithmic_regret, exact_regret, "),
    ({"score": "uniform"}, "--score has no effect on --curriculum dr"),
    ({"curriculum": "sfl", "score": "uniform"}, "--curriculum sfl keeps levels by learnability, got --score uniform"),
    ({"curriculum": "fixed"}, "--level-folder goes with --curriculum fixed"),
    ({"curriculum": "plr", "level_folder": "levels"}, "--level-folder goes with --curriculum fixed"),
    ({"curriculum": "plr", "buffer": 3}, "--buffer must be >= 4, the levels in use in a generation, got 3"),
    ({"buffer": 0}, "--buffer must be >= 1, got 0"),
    ({"replay_fraction": 1.5}, "--replay-fraction must be in 0..1, got 1.5"),
    ({"replay_fraction": -0.5}, "--replay-fraction must be in 0..1, got -0.5"),
    ({"staleness": 2.0}, "--staleness must be in 0..1, got 2.0"),
    ({"min_filled": 1.1}, "--min-filled must be in 0..1, got 1.1"),
    ({"edit_fraction": -1.0}, "--edit-fraction must be in 0..1, got -1.0"),
    ({"temperature": 0.0}, "--temperature must be > 0 and finite, got 0.0"),
    ({"temperature": -1.0}, "--temperature must be > 0 and finite, got -1.0"),
    ({"temperature": float("nan")}, "--temperature must be > 0 and finite, got nan"),
    ({"antagonist_seeds": 0}, "--antagonist-seeds must be >= 1, got 0"),
    ({"antagonist_seeds": 9}, "--antagonist-max-seeds must be >= --antagonist-seeds 9, got 8"),
    ({"score_uncertainty": "none"}, "--score-uncertainty must be one of mean, lower_bound, shrunken, got 'none'"),
    ({"sfl_period": 0}, "--sfl-period must be >= 1, got 0"),
    ({"num_edits": 0}, "--num-edits must be >= 1, got 0"),
    ({"value_steps": 0}, "--value-steps must be >= 1, got 0"),
    ({"curriculum": "plr", "score": "exact_regret", "levels": "chain_short"}, "--score exact_regret needs an exact "),
    ({"curriculum": "plr", "score": "exact_regret", "levels": "random_small"}, "--score exact_regret needs an exact "),
    ({"curriculum": "plr", "antagonist": "expert", "levels": "chain_short"}, "--antagonist expert needs an exact "),
    ({"curriculum": "accel", "levels": "chain_short"}, "--curriculum accel edits grid levels; chain_short is not "),
    ({"curriculum": "plr", "priorities": "proportional"}, "--priorities proportional needs a score that is never "),
    ({"curriculum": "robust_plr", "es": "PGPE"}, "--es PGPE adapts its standard deviations to every pair"),
    ({"curriculum": "robust_plr", "replay_fraction": 0.0}, "--curriculum robust_plr replays levels"),
    # A tenth of four levels rounds to none.
    ({"curriculum": "accel", "replay_fraction": 0.1}, "--curriculum accel replays levels"),
    ({"curriculum": "plr", "replay_fraction": 0.0}, "--curriculum plr replays levels"),
    ({"curriculum": "plr", "es": "SNES"}, "--curriculum plr replays levels, but --replay-fraction 0.5 of the 1 in a"),
    ({"curriculum": "robust_plr", "es": "SNES"}, "--curriculum robust_plr replays levels"),
    ({"curriculum": "sfl", "replay_fraction": 0.0}, "--curriculum sfl replays levels"),
    # With 2 new levels per generation, half of a buffer of 48 is full after 12 generations; the run ends after 6.
    ({"curriculum": "robust_plr", "buffer": 48}, "--curriculum robust_plr trains on replayed levels alone"),
    (
        {"curriculum": "plr", "levels": "random_small", "lifetime": None},
        "--curriculum plr chooses among levels, but all",
    ),
    (
        {"curriculum": "sfl", "levels": "random_dense", "lifetime": (9, 9)},
        "--curriculum sfl chooses among levels, but ",
    ),
    # Chains of 26 lengths, each with 2 lifetimes.
    (
        {"curriculum": "robust_plr", "levels": "chain_short", "buffer": 106, "generations": 500},
        "--curriculum robust_plr trains on replayed levels alone: --min-filled 0.5 of --buffer 106 needs 53 different "
        "levels, chain_short has 52",
    ),
    (
        {"curriculum": "sfl", "sfl_period": 4},
        "--sfl-fraction 0.25 keeps 2 of the 8 new levels",
    ),
]


@pytest.mark.parametrize(("fields", "message"), REFUSED, ids=lambda value: None if isinstance(value, dict) else value)
def test_what_makes_no_sense_is_refused_before_the_run(fields, message):
    with pytest.raises(ValueError) as refusal:
        build_training(GRID.replaced(**fields), lives_mesh(1))
    assert str(refusal.value).startswith(message) and "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("levels", "map_rows", "message"),
    [
        ("small", None, "must hold at least one level file"),
        ("small", "S" + "." * 40, "must fit the array's"),
        ("chain_short", "S.", "--level-folder holds grid levels; chain_short is not a grid"),
    ],
)
def test_fixed_levels_that_are_none_or_do_not_fit_are_refused(levels, map_rows, message, tmp_path):
    if map_rows:
        (tmp_path / "level.toml").write_text(
            f'max_steps = 9\nlifetime = 3\nnum_slots = 0\nmap = """\n{map_rows}\n"""\n'
        )
    config = GRID.replaced(levels=levels, curriculum="fixed", level_folder=str(tmp_path))
    with pytest.raises(ValueError, match=message):
        build_training(config, lives_mesh(1))


# Of 4 levels in a generation 2 are new, so that half a buffer of 20 is full after 5 generations; the run ends after 6.
@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"curriculum": "plr", "buffer": 20}, None),
        (
            {"curriculum": "plr", "buffer": 24},
            "--min-filled 0.5 of --buffer 24 takes 6 generations of 2 new levels, --generations is 6",
        ),
        # A score that needs no measurement is known of all 4 new levels.
        ({"curriculum": "plr", "buffer": 40, "score": "uniform"}, None),
        (
            {"curriculum": "plr", "buffer": 48, "score": "uniform"},
            "--min-filled 0.5 of --buffer 48 takes 6 generations of 4 new levels, --generations is 6",
        ),
        ({"curriculum": "sfl", "sfl_period": 5, "sfl_fraction": 1.0}, None),
        (
            {"curriculum": "sfl", "sfl_period": 6, "sfl_fraction": 1.0},
            "the first pool takes --sfl-period 6 generations, --generations is 6",
        ),
        ({"curriculum": "dr"}, None),
    ],
)
def test_run_notes_why_no_level_is_replayed(fields, reason, tmp_path, monkeypatch, capsys):
    settle_devices(monkeypatch)
    fields = fields | {"solvable": False}  # compiles faster
    config = GRID.replaced(**fields)
    assert why_no_replay(config, build_generator(config), 4) == reason
    build_run(config, Job(), None, seeds=(0, 1))  # a group, which prints the note of its runs once
    notes = [line for line in capsys.readouterr().out.splitlines() if line.startswith("note: ")]
    prefix = f"note: --curriculum {fields['curriculum']} replays no level in this run: "
    assert notes == ([] if reason is None else [prefix + reason])
    training = training_of(tmp_path=tmp_path, **{"score": None} | fields)
    state, replayed = jax.jit(training.init)(jax.random.key(0)), 0
    generation = jax.jit(training.generation)
    for _ in range(config.run.generations):
        state, row = generation(jax.random.key(1), state)
        replayed += row.get("levels_replayed", 0)
    assert (replayed > 0) == (reason is None and fields["curriculum"] != "dr")


def test_run_that_trains_on_nothing_stops_and_says_why(tmp_path, monkeypatch):
    stub_populations(monkeypatch)
    monkeypatch.setattr("groove.run.train.LEAST_PATIENCE", 4)
    config = GRID.replaced(curriculum="robust_plr", score="uniform", buffer=4, generations=9, checkpoint_every=9)
    run = Run(config.replaced(validation_every=9), Console(quiet=True))
    trained = {0: 2}

    def programs(run_key, state):
        def advance(run_key, state):
            row = {"generation": state.generation, "levels_trained": trained.get(int(state.generation), 0)}
            row |= {
                "levels_kept": 1,
                "fitness_mean": 0.0,
                "failed_candidates": 0,
                "updates_lived": 0,
                "antagonist_updates": 0,
            }
            return dataclasses.replace(state, generation=state.generation + 1), row

        return advance

    monkeypatch.setattr(run.parts, "programs", programs)
    with RunFolder.create(tmp_path / "run") as folder:
        with pytest.raises(RunStopped) as stopped:
            run.start(folder)
        assert str(stopped.value) == (
            "generation 4: the rule has learned from no level for 4 generations: --curriculum robust_plr trains it on "
            "replayed levels alone, which begin once 2 different levels with a score are kept (--min-filled 0.5 of "
            "--buffer 4), and 1 are; lower --buffer or use --curriculum plr; the state is saved in "
            f"{folder.checkpoints_path}"
        )
        assert len(metrics(tmp_path / "run")) == 5
        # A resumed run has not forgotten.
        with pytest.raises(RunStopped, match="^generation 5: the rule has learned from no level for 5 generations: "):
            run.resume(folder)


def test_few_levels_are_a_reason_to_replay_none():
    config = GRID.replaced(levels="chain_short", lifetime=(2, 2), curriculum="plr", buffer=54, generations=40)
    reason = "--min-filled 0.5 of --buffer 54 needs 27 different levels, chain_short has 26"
    assert why_no_replay(config, build_generator(config), 4) == reason
    assert why_no_replay(config.replaced(buffer=52), build_generator(config), 4) is None


def test_patience_covers_the_generations_before_replay_begins():
    # 2 new levels a generation fill half a buffer of 400 in 100 generations.
    assert first_replay(GRID.replaced(curriculum="robust_plr", buffer=400), 4) == 100
    # No batch is replayed before there are 2 levels for it.
    assert first_replay(GRID.replaced(curriculum="plr", min_filled=0.0), 4) == 1
    assert first_replay(GRID.replaced(curriculum="sfl", sfl_period=7), 4) == 7
    assert first_replay(GRID, 4) == 0


@pytest.mark.parametrize("name", ["chain_short", "random_small"])
def test_number_of_tasks_is_that_of_the_levels_drawn(name):
    levels = generator(name)
    drawn = jax.jit(jax.vmap(levels.sample))(jax.random.split(jax.random.key(0), 512))
    if name == "random_small":
        # Every episode places these again.
        drawn = drawn.replace(start=0 * drawn.start, object_cells=0 * drawn.object_cells)
    rows = np.concatenate([np.asarray(leaf, float).reshape(512, -1) for leaf in jax.tree.leaves(drawn)], axis=1)
    assert len(np.unique(rows, axis=0)) == levels.num_tasks
    assert WithLifetime(levels, 3, 5).num_tasks == 3 * levels.num_tasks
    assert WithLifetime(generator("small"), 3, 3).num_tasks is None


@pytest.mark.parametrize(
    ("fields", "flag", "curriculum"),
    [
        ({"curriculum": "dr"}, "--temperature", "dr"),
        ({"curriculum": "dr"}, "--antagonist-seeds", "dr"),
        ({"curriculum": "fixed"}, "--buffer", "fixed"),
        ({"curriculum": "plr"}, "--num-edits", "plr"),
        ({"curriculum": "robust_plr"}, "--sfl-period", "robust_plr"),
        ({"curriculum": "plr"}, "--value-steps", "plr with --score algorithmic_regret"),
        ({"curriculum": "plr", "score": "uniform"}, "--antagonist", "plr with --score uniform"),
        ({"curriculum": "accel", "score": "uniform"}, "--score-uncertainty", "accel with --score uniform"),
        ({"curriculum": "plr", "priorities": "top"}, "--temperature", "plr with --priorities top"),
        ({"curriculum": "plr", "antagonist": "expert"}, "--antagonist-max-seeds", "plr with --antagonist expert"),
        ({"curriculum": "plr", "antagonist": "expert"}, "--score-uncertainty", "plr with --antagonist expert"),
        ({"curriculum": "sfl"}, "--buffer", "sfl"),
        ({"curriculum": "sfl"}, "--staleness", "sfl"),
    ],
)
def test_flags_that_the_curriculum_ignores_are_refused(fields, flag, curriculum):
    name = flag.removeprefix("--").replace("-", "_")
    with pytest.raises(ValueError) as refusal:
        refuse_ignored(GRID.replaced(**fields), ["levels", name])
    assert str(refusal.value) == f"{flag} has no effect on --curriculum {curriculum}"


@pytest.mark.parametrize(
    ("rule", "flag"),
    [("lpg", "--base"), ("ta-lpg", "--features"), ("residual", "--cell"), ("residual", "--scale-free")],
)
def test_flags_that_the_rule_ignores_are_refused(rule, flag):
    name = flag.removeprefix("--").replace("-", "_")
    with pytest.raises(ValueError) as refusal:
        refuse_ignored(GRID.replaced(rule=rule), ["levels", name])
    assert str(refusal.value) == f"{flag} has no effect on --rule {rule}"
    refuse_ignored(GRID.replaced(rule="mine.py:OWN"), [name])


@pytest.mark.parametrize(("size", "flag"), [("linear", "--units"), ("linear", "--kl-cost"), ("mlp", "--classes")])
def test_flags_that_a_size_of_residual_rules_ignores_are_refused(size, flag):
    name = flag.removeprefix("--").replace("-", "_")
    with pytest.raises(ValueError, match=f"^{flag} has no effect on --rule residual with --size {size}$"):
        refuse_ignored(GRID.replaced(rule="residual", size=size), ["levels", name])
    refuse_ignored(GRID.replaced(rule="residual", size="recurrent"), [name])


def test_features_are_refused_where_the_drift_alone_is_learned():
    with pytest.raises(ValueError, match="^--features has no effect on --rule residual with --outputs drift$"):
        refuse_ignored(GRID.replaced(rule="residual", outputs=("drift",)), ["outputs", "features"])


def test_flags_that_some_curriculum_reads_are_not_refused_there():
    assert set().union(*READ.values()) == set(vars(GRID.replay)) and set(READ) == set(CURRICULA)
    every = ["levels", "curriculum", "score", *vars(GRID.replay), *vars(GRID.antagonist), "value_steps"]
    refuse_ignored(GRID.replaced(curriculum="mine.py:OWN"), every)
    refuse_ignored(GRID.replaced(curriculum="accel"), [*READ["accel"], *vars(GRID.antagonist), "score"])
    refuse_ignored(GRID.replaced(curriculum="plr", score="l1_value_loss"), ["value_steps", "temperature"])


def test_command_line_refuses_ignored_flags_and_no_numbers_of_the_experiment(tmp_path, monkeypatch, capsys):
    settle_devices(monkeypatch)
    monkeypatch.chdir(tmp_path)
    # The experiment's own --buffer is no reason to refuse sfl.
    for flag in ("--num_edits=4", "--num-edits=4"):
        assert main(["train", "tiny", "--curriculum", "sfl", flag]) == 2
        assert capsys.readouterr().err == "groove: --num-edits has no effect on --curriculum sfl\n"
    assert not list(tmp_path.iterdir())


def test_command_line_refuses_in_one_line(tmp_path, monkeypatch, capsys):
    settle_devices(monkeypatch)
    monkeypatch.chdir(tmp_path)
    assert main(["train", "tiny", "--curriculum", "plr", "--buffer", "3"]) == 2
    errors = capsys.readouterr().err
    assert "--buffer must be >= 32, the levels in use in a generation, got 3" in errors and errors.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_edits_stay_within_the_limits_of_the_distribution():
    config = GRID.replaced(curriculum="accel", num_edits=7)
    edits = build_curriculum(config, generator("small"), 4).curriculum.edit
    drawn = generator("small")
    assert edits.num_edits == 7
    assert (edits.limits.min_steps, edits.limits.max_steps) == (drawn.min_steps, drawn.max_steps)
    edits = build_curriculum(config.replaced(levels="random_small"), generator("random_small"), 4)
    assert edits.curriculum.edit.limits.num_types == generator("random_small").world.num_types


def test_edits_where_no_distribution_bounds_the_horizon_leave_it_alone():
    # Trap: regret grows with the horizon, and the winner's is doubled again and again.
    edits = build_curriculum(GRID.replaced(curriculum="accel", levels="maze_spiral"), MAZE, 4)
    assert "max_steps" not in edits.curriculum.edit.names and "flip_wall" in edits.curriculum.edit.names


def test_edits_leave_places_alone_that_every_episode_draws_anew():
    config = GRID.replaced(curriculum="accel", levels="random_small")
    edits = build_curriculum(config, generator("random_small"), 4).curriculum.edit
    assert not {"move_start", "move_object"} & set(edits.names)
    assert edits.limits.num_types == generator("random_small").world.num_types


def test_edits_of_solvable_levels_are_solvable():
    source = Solvable(generator("small"))
    levels = jax.vmap(source.sample)(jax.random.split(jax.random.key(0), 64))
    config = GRID.replaced(curriculum="accel", num_edits=20)

    def solvable_share(config):
        edit = build_curriculum(config, source, 4).curriculum.edit
        return float(jnp.mean(jax.vmap(is_solvable)(jax.vmap(edit)(jax.random.split(jax.random.key(1), 64), levels))))

    assert solvable_share(config) < 1.0
    assert solvable_share(config.replaced(solvable=True)) == 1.0
