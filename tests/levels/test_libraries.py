"""Environments of other libraries: refusals, and one environment played for every installed library."""

import importlib.util
import subprocess
import sys
import tomllib
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct

from levels.libraries import LIBRARIES, Library, library_environment
from levels.time_limit import NO_LIMIT, time_limit
from lpg.episodes import random_policy
from lpg.rollout import collect, reset_workers

ROOT = Path(__file__).parents[2]
NUM_STEPS, NUM_WORKERS = 20, 2

SMALL = {
    "pgx": "tic_tac_toe",
    "xminigrid": "MiniGrid-EmptyRandom-5x5",
    "navix": "Navix-Empty-Random-5x5-v0",
    "jumanji": "Maze-v0",
    "craftax": "Craftax-Classic-Symbolic-v1",
    "brax": "inverted_pendulum",
    "gymnasium": "CartPole-v1",
}
"""One environment of each library."""

SLOW = {"craftax", "brax"}
"""Libraries that take longer than ten seconds to compile."""


@struct.dataclass
class Walk:
    """What `collect` records, with vectors as actions."""

    observation: jax.Array
    action: jax.Array
    reward: jax.Array
    terminated: jax.Array
    truncated: jax.Array
    next_observation: jax.Array


def installed(library):
    return pytest.importorskip(LIBRARIES[library].module, exc_type=ImportError)


def played(world, num_steps=NUM_STEPS):
    """Compiled (key, level) -> first states, states after, rollout; random actions of whichever kind."""

    def run(key, level):
        plan = world.plan(level)
        reset_key, rollout_key = jax.random.split(key)
        states = reset_workers(reset_key, world, plan, NUM_WORKERS)
        if not world.continuous_actions:
            return states, *collect(rollout_key, world, plan, random_policy(world), states, num_steps)
        return states, *walked(rollout_key, world, plan, states, num_steps)

    return jax.jit(run)


def walked(key, world, plan, states, num_steps):
    """Collect a rollout like `collect`, with vectors as actions, some of them out of range."""
    noise = world.noise(key, plan, (num_steps, NUM_WORKERS))
    actions = 2 * jax.random.normal(key, (num_steps, NUM_WORKERS, world.num_actions))
    observe = jax.vmap(world.observe, (None, 0))

    def step(states, inputs):
        noise, action = inputs
        stepped, reward, terminated, truncated = jax.vmap(world.step, (0, None, 0, 0))(noise, plan, states, action)
        fresh = jax.vmap(world.reset, (0, None))(noise, plan)
        done = terminated | truncated
        after = jax.tree.map(
            lambda new, old: jnp.where(done.reshape(-1, *[1] * (old.ndim - 1)), new, old), fresh, stepped
        )
        return after, Walk(observe(plan, states), action, reward, terminated, truncated, observe(plan, stepped))

    return jax.lax.scan(step, states, (noise, actions))


@pytest.mark.parametrize(
    "library", [pytest.param(library, marks=[pytest.mark.slow] * (library in SLOW)) for library in SMALL]
)
def test_library_environment_is_played(library):
    installed(library)
    world, level = library_environment(f"{library}:{SMALL[library]}")
    assert library_environment(f"{library}:{SMALL[library]}")[0] is world
    first, states, rollout = jax.tree.map(np.asarray, played(world)(jax.random.key(0), time_limit(7)))
    shape = (NUM_STEPS, NUM_WORKERS)
    assert rollout.observation.shape == rollout.next_observation.shape == (*shape, *world.observation_shape)
    assert rollout.observation.dtype == np.float32 and world.num_observations is None
    assert rollout.action.shape == ((*shape, world.num_actions) if world.continuous_actions else shape)
    assert (rollout.reward.shape, rollout.reward.dtype) == (shape, np.float32)
    assert rollout.terminated.dtype == rollout.truncated.dtype == bool
    assert all(np.isfinite(leaf).all() for leaf in (rollout.observation, rollout.next_observation, rollout.reward))
    assert jax.tree.structure(first) == jax.tree.structure(states)
    assert level.max_steps_in_episode > 7
    restarts_by_its_limit(rollout, 7)


def restarts_by_its_limit(rollout, limit):
    """Assert that episodes are truncated exactly at the limit and that observations go on within episodes."""
    done = rollout.terminated | rollout.truncated
    for worker in range(NUM_WORKERS):
        time = 0
        for t in range(NUM_STEPS):
            time += 1
            assert rollout.truncated[t, worker] == (time == limit)
            if done[t, worker]:
                time = 0
            elif t + 1 < NUM_STEPS:
                np.testing.assert_array_equal(rollout.next_observation[t, worker], rollout.observation[t + 1, worker])
    assert done.sum(axis=0).min() >= NUM_STEPS // limit


def test_pgx_moves_the_others_at_random_until_it_is_the_agents_turn():
    installed("pgx")
    world, level = library_environment("pgx:tic_tac_toe")
    assert level.max_steps_in_episode == NO_LIMIT
    rollout = jax.tree.map(np.asarray, played(world, 400)(jax.random.key(0), level)[2])
    assert (rollout.reward[~rollout.terminated] == 0).all() and not rollout.truncated.any()
    assert {-1.0, 1.0} <= set(rollout.reward[rollout.terminated].tolist()) <= {-1.0, 0.0, 1.0}
    mine, theirs = rollout.observation[..., 0].sum((2, 3)), rollout.observation[..., 1].sum((2, 3))
    assert set((theirs - mine).ravel().tolist()) == {0.0, 1.0}
    # An illegal move, onto an occupied cell, ends the game with −1.
    taken = rollout.observation.any(-1).reshape(400, NUM_WORKERS, 9)
    illegal = np.take_along_axis(taken, rollout.action[..., None], -1)[..., 0]
    assert illegal.any() and rollout.terminated[illegal].all() and (rollout.reward[illegal] == -1).all()


@struct.dataclass
class LostAtOnce:
    """Return the state of a game that the other player wins with the first move."""

    current_player: jax.Array
    legal_action_mask: jax.Array
    rewards: jax.Array
    terminated: jax.Array


class OtherWinsFirst:
    num_players = 2

    def init(self, key):
        del key
        return LostAtOnce(jnp.int32(1), jnp.ones(3, bool), jnp.zeros(2), jnp.asarray(False))

    def step(self, state, action, key):
        del action, key
        rewards = jnp.where(state.terminated, 0.0, jnp.asarray([-0.5, 0.5]))
        return state.replace(rewards=rewards, terminated=jnp.asarray(True))

    def _observe(self, state, player):
        return jnp.full(2, player == 0)


def test_pgx_pays_what_was_lost_before_the_agents_first_turn():
    installed("pgx")
    world = importlib.import_module("levels.worlds.adapters.pgx").PgxWorld(OtherWinsFirst())
    assert (world.num_actions, world.observation_shape) == (3, (2,))
    rollout = played(world)(jax.random.key(0), time_limit(9))[2]
    assert (rollout.reward == -0.5).all() and rollout.terminated.all() and (rollout.observation == 1).all()


def test_jumanji_counts_the_parts_of_an_action_with_the_last_one_fastest():
    jumanji = installed("jumanji")
    world, _ = library_environment("jumanji:Tetris-v0")
    env = jumanji.make("Tetris-v0")
    assert world.action_parts == tuple(env.action_spec.num_values.tolist())
    state, _ = env.reset(jax.random.PRNGKey(0))
    direct = env.step(state, jnp.asarray([1, 2]))[1]
    observation, _, reward, _ = world.advance(jax.random.PRNGKey(1), state, jnp.int32(world.action_parts[1] + 2))
    np.testing.assert_array_equal(observation, world.see(direct))
    assert reward == direct.reward


@pytest.mark.parametrize(
    "name, steps",
    [("jumanji:Maze-v0", 100), ("xminigrid:MiniGrid-DoorKey-5x5", 250), ("navix:Navix-DoorKey-5x5-v0", 100)],
)
def test_library_environment_reports_the_librarys_own_time_limit_as_a_truncation(name, steps):
    installed(name.partition(":")[0])
    world, level = library_environment(name)
    rollout = jax.tree.map(np.asarray, played(world, steps)(jax.random.key(1), level)[2])
    whole = ~rollout.terminated[:-1].any(axis=0)
    assert level.max_steps_in_episode == steps and whole.any()
    assert rollout.truncated[-1, whole].all() and not rollout.terminated[-1, whole].any()


@pytest.mark.parametrize("library", sorted(LIBRARIES))
def test_library_environment_lists_what_a_library_has(library):
    installed(library)
    with pytest.raises(ValueError, match="nothing") as refusal:
        library_environment(f"{library}:nothing")
    assert "\n" not in str(refusal.value)
    assert SMALL[library] in str(refusal.value)


@pytest.mark.parametrize(
    "name, message",
    [
        ("atari:Pong", "^unknown library 'atari'; known: pgx, xminigrid, navix, jumanji, craftax, brax, gymnasium$"),
        ("ant", "^the name of an environment must be library:environment, such as brax:ant, got 'ant'$"),
    ],
)
def test_library_environment_refuses_an_unknown_library(name, message):
    with pytest.raises(ValueError, match=message):
        library_environment(name)


def test_library_environment_says_how_to_install_what_is_missing(monkeypatch):
    monkeypatch.setitem(LIBRARIES, "brax", Library("levels.worlds.adapters.brax", "no_such_library", "brax"))
    with pytest.raises(
        ValueError,
        match=r"^brax:ant needs no_such_library, which is not installed: .* -m pip install 'brax[<>=.,0-9]+'$",
    ):
        library_environment("brax:ant")


def test_library_environment_says_why_a_library_cannot_be_imported(monkeypatch, tmp_path):
    (tmp_path / "broken_library.py").write_text("import no_such_part")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(LIBRARIES, "brax", Library("levels.worlds.adapters.brax", "broken_library", "brax"))
    with pytest.raises(ValueError, match="^brax:ant needs broken_library, which cannot be imported: No module named"):
        library_environment("brax:ant")


def test_libraries_have_an_adapter_and_an_extra():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    for adapter, module, extra in LIBRARIES.values():
        assert importlib.util.find_spec(adapter) is not None
        assert extras[extra][0].startswith(module)


def test_libraries_import_without_jax():
    program = "import sys, levels.libraries; sys.exit('jax' in sys.modules or 'gymnasium' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0
