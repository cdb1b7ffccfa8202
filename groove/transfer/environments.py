"""Environments of a suite: where agents of any rule live, for how long, and the anchors of their returns."""

import hashlib
import zlib
from dataclasses import dataclass, field, replace
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, PyTree

from groove.scoring.heldout import TRANSFER_STREAM, draw_level_set, stream_key
from levels.level_generator import LevelGenerator
from levels.world import ObservationKind, World, observation_kind
from lpg.networks import Dense, Network, network_for
from lpg.policy import num_logits

Torso = Literal["standard", "minatar", "dense"]
"""standard: the network of `lpg.networks.network_for`; minatar: conv 16 (3×3, no padding) and dense 128 on
[H, W, planes]; dense: 64-64 on the flattened observation."""

WORKERS, ROLLOUT_LENGTH = 64, 20
"""Workers, and steps between two updates, of all agents where lifetimes are updates, as in LPG and GROOVE."""

SHAPE_BY_KIND: dict[ObservationKind, tuple[int, int]] = {
    "table": (WORKERS, ROLLOUT_LENGTH),
    "vector": (16, 20),
    "image": (32, 8),
}
"""Workers, and steps between two updates, where lifetimes are environment steps, by the kind of observation. Those of
vectors and images have the highest mean worth over PPO and A2C on validation environments (docs/benchmark.md)."""

EPISODES = 64
"""Episodes that an agent's return is the mean of, where single episodes are not known to be noisy."""


@dataclass(frozen=True, eq=False)
class Environment:
    """One environment at one lifetime.

    Attributes:
        suite: name of the suite it belongs to.
        name: name, unique within the suite except for variants that differ in `lifetime`.
        world: the world; environments with equal worlds, torsos and budgets share one compiled program.
        levels: [n, …] levels.
        workers: workers B of each agent, whatever its rule.
        rollout_length: steps T between two updates, whatever the rule.
        every_level: whether a quarter of the seeds live on each level, for suites with many levels; otherwise
            seed s lives only on level s mod n.
        num_updates: updates per life, None if the budget is num_steps.
        num_steps: environment steps per life, over all workers, None if the budget is num_updates.
        episodes: episodes that an agent's return is the mean of, at each point of its life, whatever its rule.
        lifetime: length of a life as a multiple of the environment's own.
        random: [n] expected return of random actions, None if not known exactly.
        optimum: [n] expected return of the best policy, None if not known exactly.
        torso: torso of the agents' networks.
        draw: label of the draw that the levels come from, "" if they were not drawn. Environments with one label share
            their levels, as those that differ in `lifetime` alone do; others are drawn separately.
        source_sha256: digest of the user's file that defines it, "" for our own and those of other libraries.
    """

    suite: str
    name: str
    world: World
    levels: PyTree
    workers: int
    rollout_length: int
    every_level: bool = False
    num_updates: int | None = None
    num_steps: int | None = None
    episodes: int = EPISODES
    lifetime: float = 1.0
    random: Float[np.ndarray, "n"] | None = field(default=None, repr=False)
    optimum: Float[np.ndarray, "n"] | None = field(default=None, repr=False)
    torso: Torso = "standard"
    draw: str = ""
    source_sha256: str = ""

    def __post_init__(self) -> None:
        if (self.num_updates is None) == (self.num_steps is None):
            raise ValueError(f"{self.suite}/{self.name}: exactly one of num_updates and num_steps must be given")
        for name in ("workers", "rollout_length", "episodes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{self.suite}/{self.name}: {name} must be >= 1, got {getattr(self, name)}")

    @property
    def num_levels(self) -> int:
        """Number of levels n."""
        return int(jax.tree.leaves(self.levels)[0].shape[0])

    @property
    def steps_per_update(self) -> int:
        """Environment steps between two updates, over all workers."""
        return self.workers * self.rollout_length

    @property
    def updates(self) -> int:
        """Number of updates in a life, ≥ 1."""
        return self.updates_of(self.workers, self.rollout_length)

    def updates_of(self, workers: int, rollout_length: int) -> int:
        """Return the number of updates in a life of as many steps with other workers or steps between updates.

        Args:
            workers: workers of the agent.
            rollout_length: steps between two updates.

        Returns:
            A number ≥ 1; steps of a last, incomplete rollout are left out.
        """
        num_steps = self.num_steps
        if num_steps is None:
            assert self.num_updates is not None
            num_steps = self.num_updates * self.steps_per_update
        return max(1, num_steps // (workers * rollout_length))

    def network(self, prediction_size: int, has_value: bool) -> Network:
        """Return the agents' network, the same for every rule except for value and prediction.

        Args:
            prediction_size: number of classes Y of the prediction; 0 for none.
            has_value: whether it has a value.

        Returns:
            The network.
        """
        world, logits = self.world, num_logits(self.world)
        if self.torso == "minatar":
            return Dense(
                logits, prediction_size, (128,), (16,), 3, channels_last=True, padded=False, has_value=has_value
            )
        if self.torso == "dense":
            rank = len(world.observation_shape)
            return Dense(logits, prediction_size, observation_rank=rank, has_value=has_value)
        return network_for(world, prediction_size, has_value)

    def lives(self, num_seeds: int) -> list[tuple[int, int]]:
        """List the lives to live for a number of seeds.

        Args:
            num_seeds: number of seeds 0, 1, …; with `every_level`, a quarter of them, rounded up, on each level.

        Returns:
            Pairs of level and seed.
        """
        if self.every_level:
            return [(level, seed) for level in range(self.num_levels) for seed in range(-(-num_seeds // 4))]
        return [(seed % self.num_levels, seed) for seed in range(num_seeds)]

    def levels_of(self, numbers: list[int]) -> PyTree:
        """Select levels by number.

        Args:
            numbers: N level numbers in 0..n − 1.

        Returns:
            [N, …] levels.
        """
        return jax.tree.map(lambda x: x[jnp.array(numbers)], self.levels)

    def life_keys(self, level: Int[Array, "N"], seed: Int[Array, "N"]) -> Key[Array, "N"]:
        """Return the keys of lives, which depend neither on the rule nor on the other lives in the batch.

        Args:
            level: [N] int32 level numbers in 0..n − 1.
            seed: [N] int32 seeds.

        Returns:
            [N] keys.
        """
        # The lifetime is part of the key: lives of different lengths are independent, not prefixes of each other.
        name = f"{self.suite}/{self.name} x {self.lifetime:g}"
        own = jax.random.fold_in(stream_key(TRANSFER_STREAM), zlib.crc32(name.encode()))
        return jax.vmap(lambda level, seed: jax.random.fold_in(jax.random.fold_in(own, level), seed))(level, seed)

    def fingerprint(self) -> str:
        """Hash everything that a rule's returns in this environment depend on, except the dynamics of a library's.

        Returns:
            The SHA-256 as hexadecimal digits.
        """
        digest = hashlib.sha256()
        budget = (self.lifetime, self.num_updates, self.num_steps, self.workers, self.rollout_length)
        words = (self.suite, self.name, *budget, self.episodes, self.torso)
        digest.update(repr((words, self.world.num_actions, self.world.observation_shape)).encode())
        digest.update(self.source_sha256.encode())
        for leaf in jax.tree.leaves(self.levels):
            digest.update(str(leaf.dtype).encode() + np.asarray(leaf).tobytes())
        return digest.hexdigest()

    def at_lifetime(self, factor: float) -> "Environment":
        """Return the same environment with longer or shorter lives.

        Args:
            factor: multiple of this environment's budget, > 0.

        Returns:
            The environment.
        """

        def scaled(budget: int | None) -> int | None:
            return None if budget is None else max(1, round(budget * factor))

        return replace(self, lifetime=factor, num_updates=scaled(self.num_updates), num_steps=scaled(self.num_steps))


def of_generator(
    suite: str, name: str, generator: LevelGenerator, num_levels: int, stream: int = TRANSFER_STREAM
) -> Environment:
    """Build an environment from levels of a generator, at their own lifetime.

    Every environment has a draw of its own, seeded with the names of suite and environment. Environments of worlds
    alike would otherwise share the random numbers of their levels, down to the same objects in different mazes.

    Args:
        suite: name of the suite it belongs to, with its version and the seed of its levels.
        name: name of the environment.
        generator: generator whose levels all have the same lifetime.
        num_levels: number of levels to draw.
        stream: stream of random numbers to draw them from.

    Returns:
        The environment, with exact anchors if the world has a solver.
    """
    draw = f"{suite}/{name}"
    drawn = draw_level_set(generator, stream, num_levels, zlib.crc32(draw.encode()))
    lifetimes = np.unique(drawn.levels.lifetime)
    if lifetimes.size != 1:
        raise ValueError(f"{suite}/{name}: levels must all have the same lifetime, got {lifetimes.tolist()}")
    return Environment(
        suite=suite,
        name=name,
        world=generator.world,
        levels=drawn.levels,
        workers=WORKERS,
        rollout_length=ROLLOUT_LENGTH,
        num_updates=int(lifetimes[0]),
        random=drawn.random,
        optimum=drawn.optimum,
        draw=draw,
    )


def of_world(
    suite: str, name: str, world: World, level: PyTree, num_steps: int, torso: Torso = "standard"
) -> Environment:
    """Build an environment from one level of a world, with a budget of environment steps.

    Args:
        suite: name of the suite it belongs to.
        name: name of the environment.
        world: the world.
        level: level of the world.
        num_steps: environment steps per life.
        torso: torso of the agents' networks.

    Returns:
        The environment, without exact anchors: its scores are normalised by runs of random actions and PPO.
    """
    levels = jax.tree.map(lambda x: jnp.asarray(x)[None], level)
    if not jax.tree.leaves(levels):
        levels = jnp.zeros((1, 0))
    shape = SHAPE_BY_KIND[observation_kind(world)]
    return Environment(suite, name, world, levels, *shape, num_steps=num_steps, torso=torso)
