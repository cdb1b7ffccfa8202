"""Environment steps per second with random actions, world by world."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding, PartitionSpec
from jaxtyping import Array, Key, PyTree

from benchmarks.readings import Reading, Subject
from benchmarks.timing import seconds_of
from groove.job.devices import lives_mesh
from groove.transfer.suites import SUITES
from levels.registry import generator
from levels.world import World
from lpg.episodes import random_policy
from lpg.rollout import collect, reset_workers

ROLLOUT_LENGTH = 20
REPEATS = 5


def world_and_levels(name: str, num_levels: int) -> tuple[World, PyTree]:
    """Build a world and levels to act on.

    Args:
        name: name of a source of levels, or SUITE/ENVIRONMENT.
        num_levels: number of levels n.

    Returns:
        The world and [n, …] levels.

    Raises:
        ValueError: the suite has no such environment, or there is no such source.
    """
    suite, _, environment_name = name.rpartition("/")
    if not suite:
        source = generator(name)
        return source.world, jax.jit(jax.vmap(source.sample))(jax.random.split(jax.random.key(0), num_levels))
    known = {environment.name: environment for environment in SUITES[suite].build(suite)}
    if environment_name not in known:
        raise ValueError(f"no environment {environment_name!r} in suite {suite}; known: {', '.join(known)}")
    environment = known[environment_name]
    repeated = [number % environment.num_levels for number in range(num_levels)]
    return environment.world, environment.levels_of(repeated)


def measure(
    names: list[str], num_levels: int, num_workers: int, num_rollouts: int, repeats: int = REPEATS
) -> list[Reading]:
    """Measure environment steps per second of each world, over all devices.

    Workers act as agents do, through `lpg.rollout.collect`, ROLLOUT_LENGTH steps at a time, batched over levels
    that are spread over devices. Everything that agents learn from is computed and kept until the next rollout.

    Args:
        names: names of the worlds.
        num_levels: number of levels side by side on each device.
        num_workers: number of workers on each level.
        num_rollouts: number of consecutive rollouts in a timed call.
        repeats: number of timed calls.

    Returns:
        A reading for each world.
    """
    sizes = {"num_levels": num_levels, "num_workers": num_workers, "num_rollouts": num_rollouts}
    num_devices = lives_mesh(None).size
    steps = num_devices * num_levels * num_workers * num_rollouts * ROLLOUT_LENGTH
    readings = []
    for name in names:
        seconds = seconds_of(_acting(name, num_levels * num_devices, num_workers, num_rollouts), repeats)
        subject = Subject("worlds", name, sizes)
        readings.append(subject.reading("env steps", "1/s", [steps / taken for taken in seconds]))
    return readings


def _acting(name: str, num_levels: int, num_workers: int, num_rollouts: int) -> Any:
    """Return a function without arguments that lets all workers act on and returns their last rollout."""
    world, levels = world_and_levels(name, num_levels)
    mesh = lives_mesh(None)

    def start(key: Key[Array, ""], level: PyTree) -> PyTree:
        return reset_workers(key, world, world.plan(level), num_workers)

    def act(key: Key[Array, ""], level: PyTree, states: PyTree) -> Any:
        plan, policy = world.plan(level), random_policy(world)

        def roll(key: Key[Array, ""], states: PyTree) -> Any:
            return collect(key, world, plan, policy, states, ROLLOUT_LENGTH)

        # Carried and returned, because a rollout that is never read would not be computed.
        blank = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(roll, key, states)[1])
        keys = jax.random.split(key, num_rollouts)
        return jax.lax.scan(lambda carry, key: (roll(key, carry[0]), None), (states, blank), keys)[0]

    spec = PartitionSpec("lives")
    place = NamedSharding(mesh, spec)
    levels = jax.device_put(levels, place)
    states = jax.jit(jax.vmap(start), out_shardings=place)(jax.random.split(jax.random.key(1), num_levels), levels)
    # Compiled for a fixed placement; otherwise the second call would compile again for the placement of its states.
    on_devices = (
        jax.jit(
            jax.shard_map(jax.vmap(act), mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False),
            donate_argnums=2,
            in_shardings=place,
            out_shardings=place,
        )
        .lower(jax.device_put(jax.random.split(jax.random.key(2), num_levels), place), levels, states)
        .compile()
    )
    num_calls = 0

    def act_on() -> Any:
        nonlocal states, num_calls
        num_calls += 1
        keys = jax.device_put(jax.random.split(jax.random.fold_in(jax.random.key(2), num_calls), num_levels), place)
        states, rollout = on_devices(keys, levels, states)
        return rollout

    return act_on
