"""Whole lifetimes of many agents, sorted by length and run in chunks over the devices of a mesh."""

from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp
from flax import struct
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, Float, Int, Key, PyTree

from groove.discovery.chunks import default_chunk
from levels.solver import policy_return
from levels.worlds.tabular_grid import TabularGrid
from lpg.cores.low_rank import row_axes, rows, whole
from lpg.learner import Agent, Learner
from lpg.update_rule import Hyperparameters
from lpg.value_losses import ValueLosses, ValueProbe

EARLY_STREAM = 2**31
"""Folded into a life's key for evaluations before its end; larger than any index of a split."""


@struct.dataclass
class Lives:
    """N lives to run. Lives with the same key see the same random numbers."""

    keys: Key[Array, "N"]  # [N] typed keys
    candidates: Int[Array, "N"] | None  # [N] int32, row of the meta-parameters used by each life; None = one rule
    levels: PyTree  # [N, …] levels
    lengths: Int[Array, "N"]  # [N] int32, updates of each life, ≥ 1
    hyper: Hyperparameters  # [N] float32 each


def lives_of_one_rule(keys: Key[Array, "N"], levels: PyTree, lengths: Int[Array, "N"], hyper: Hyperparameters) -> Lives:
    """Build lives under one rule, with the same learning rates and costs.

    Args:
        keys: [N] keys.
        levels: [N, …] levels.
        lengths: [N] int32, lifetimes in updates, ≥ 1.
        hyper: scalar hyperparameters.

    Returns:
        N lives.
    """
    return Lives(
        keys=keys,
        candidates=None,
        levels=levels,
        lengths=lengths,
        hyper=jax.tree.map(lambda x: jnp.broadcast_to(jnp.asarray(x), lengths.shape), hyper),
    )


@struct.dataclass
class LifeResults:
    """The outcomes of N lives."""

    # [N] float32, mean return of E first episodes at the end of life, or its expectation; NaN for a broken agent
    returns: Float[Array, "N"]
    episode_returns: Float[Array, "N E"]  # [N, E] float32, returns of those episodes, NaN for a broken agent
    curve: Float[Array, "N K"]  # [N, K] float32, mean returns of episodes after 1/K, 2/K … of the life
    value_losses: ValueLosses | None  # [N] float32 each, NaN for a broken agent, None without a probe
    num_updates: Int[Array, "N"]  # [N] int32, updates that the agent made
    updates_run: Int[Array, ""]  # [] int32, updates computed for all lives, including those past an agent's end
    # [N] float32, updates that were skipped because the rule's outputs were not finite; None if the rule counts none
    frozen_updates: Float[Array, "N"] | None = None


@dataclass(frozen=True)
class Population:
    """Runs lifetimes on every device of a mesh.

    Lives are sorted by length and dealt to the devices in turn. Each device runs its share in
    chunks, and a chunk runs only as long as its longest life. The chunk size also bounds the memory.

    Attributes:
        learner: trains one agent.
        mesh: mesh of the devices with one axis, "lives".
        chunk_size: number of lives side by side on a device, ≥ 1; None leaves it to `default_chunk`.
        value_probe: measures the value losses of agents at the end of their lives.
        num_points: number K of evenly spaced points of a life at which its agent is evaluated, the end included, ≥ 1.
        num_episodes: number E of episodes in an evaluation, ≥ 1; None for as many as the learner's workers.
        exact: the grid of the learner's world, whose solver then gives each agent's expected return at the end of its
            life in place of the mean of its episodes; None for that mean.
    """

    learner: Learner
    mesh: Mesh
    chunk_size: int | None = None
    value_probe: ValueProbe | None = None
    num_points: int = 1
    num_episodes: int | None = None
    exact: TabularGrid | None = None

    def __post_init__(self) -> None:
        for name in ("chunk_size", "num_points", "num_episodes"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"Population.{name} must be >= 1, got {value}")

    def live(self, meta_params: PyTree, lives: Lives) -> LifeResults:
        """Train every agent for its lifetime and evaluate it.

        Args:
            meta_params: [P, …] meta-parameters (means of low-rank matrices have no axis P); no axis P at all where
                all lives have one rule.
            lives: N lives.

        Returns:
            The outcomes in the order of `lives`.
        """
        num_lives, num_devices = lives.lengths.shape[0], self.mesh.size
        dealt_to_each = -(-num_lives // num_devices)
        num_chunks = -(-dealt_to_each // (self.chunk_size or self._default_chunk(meta_params, lives)))
        # Chunks of equal size, because one that is half empty would cost as much as a full one.
        chunk = -(-dealt_to_each // num_chunks)
        by = [-lives.lengths]
        if self.exact is not None:
            # The solver takes as many steps as the longest time limit of a chunk.
            by.insert(0, lives.levels.max_steps_in_episode)
        order = jnp.lexsort(by)
        # Places beyond the last life repeat it; they are cut off again below.
        places = jnp.arange(num_chunks * chunk * num_devices).reshape(num_chunks * chunk, num_devices).T.reshape(-1)
        dealt = order[jnp.minimum(places, num_lives - 1)]
        dealt_lives = jax.tree.map(lambda x: x[dealt], lives)
        if places.size > num_lives:
            # A repeated life has a key of its own: two of one key would play one episode of a host's environment.
            keys = jax.vmap(jax.random.fold_in)(dealt_lives.keys, places)
            keys = jnp.where(places < num_lives, dealt_lives.keys, keys)
            dealt_lives = replace(dealt_lives, keys=keys)

        def on_device(meta_params: PyTree, lives: Lives) -> tuple[dict[str, PyTree], Array]:
            chunks = jax.tree.map(lambda x: x.reshape(num_chunks, chunk, *x.shape[1:]), lives)
            ends, updates_run = jax.lax.map(partial(self._run_chunk, meta_params), chunks)
            return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), ends), updates_run.sum()[None]

        spec = PartitionSpec("lives")
        ends, updates_run = jax.shard_map(
            on_device, mesh=self.mesh, in_specs=(PartitionSpec(), spec), out_specs=spec, check_vma=False
        )(meta_params, dealt_lives)

        def in_order(x: Array) -> Array:
            in_turn = x.reshape(num_devices, num_chunks * chunk, *x.shape[1:]).swapaxes(0, 1)
            in_turn = in_turn.reshape(-1, *x.shape[1:])[:num_lives]
            return jnp.zeros_like(in_turn).at[order].set(in_turn)

        ends = jax.tree.map(in_order, ends)
        return LifeResults(updates_run=jnp.sum(updates_run), **ends)

    def _default_chunk(self, meta_params: PyTree, lives: Lives) -> int:
        def first(tree: PyTree) -> PyTree:
            return jax.eval_shape(lambda tree: jax.tree.map(lambda x: x[0], whole(tree)), tree)

        one_rule = meta_params if lives.candidates is None else first(meta_params)
        return default_chunk(self.learner, one_rule, first(lives.levels))

    def _run_chunk(self, meta_params: PyTree, lives: Lives) -> tuple[dict[str, PyTree], Array]:
        longest = jnp.max(lives.lengths)
        # Gathered chunk by chunk, because the weights of all lives at once would fill the memory.
        weights, axes = meta_params, None
        if lives.candidates is not None:
            weights, axes = rows(meta_params, lives.candidates), row_axes(meta_params)

        def sound(agent: Agent) -> Array:
            # Rewards are finite whatever the policy, so returns do not show that an agent's parameters are not.
            return jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(agent.params)]))

        def live(
            key: Array, weights: PyTree, level: PyTree, length: Array, hyper: Hyperparameters
        ) -> dict[str, PyTree]:
            init_key, train_key, evaluation_key = jax.random.split(key, 3)
            probe_key, value_losses = evaluation_key, None
            if self.value_probe is not None:
                evaluation_key, probe_key = jax.random.split(evaluation_key)

            def live_on(agent: Agent, point: tuple[Array, Array]) -> tuple[Agent, Array]:
                number, point_key = point
                until = length * number // self.num_points
                agent = self.learner.train(train_key, weights, agent, level, -(-longest // self.num_points), until)
                returns = self.learner.evaluate(point_key, agent, level, num_episodes=self.num_episodes)
                return agent, jnp.where(sound(agent), returns, jnp.nan)

            # Use a separate stream: `fold_in(key, 0)` equals `split(key)[0]`, and the evaluation splits its key.
            early = jax.random.split(jax.random.fold_in(key, EARLY_STREAM), self.num_points - 1)
            points = (jnp.arange(1, self.num_points + 1), jnp.concatenate([early, evaluation_key[None]]))
            agent, returns = jax.lax.scan(live_on, self.learner.init(init_key, level, hyper, length), points)
            if self.value_probe is not None:
                policy = self.learner.policy(agent)
                value_losses = self.value_probe(probe_key, self.learner.world, level, policy, self.learner.num_workers)
                value_losses = jax.tree.map(lambda x: jnp.where(sound(agent), x, jnp.nan), value_losses)
            mean = jnp.mean(returns[-1])
            if self.exact is not None:
                logits = self.learner.policy(agent)(jnp.arange(self.exact.num_observations))
                mean = policy_return(self.exact, level, jax.nn.softmax(logits))
                mean = jnp.where(sound(agent), mean, jnp.nan)
            return {
                "returns": mean,
                "episode_returns": returns[-1],
                "curve": jnp.mean(returns, axis=1),
                "value_losses": value_losses,
                "num_updates": agent.num_updates,
                "frozen_updates": getattr(agent.rule_state, "frozen", None),
            }

        ends = jax.vmap(live, in_axes=(0, axes, 0, 0, 0))(lives.keys, weights, lives.levels, lives.lengths, lives.hyper)
        return ends, longest * lives.lengths.shape[0]
