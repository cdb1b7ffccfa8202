"""The learner, which creates, trains and evaluates agents of any rule."""

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float, Int, Key, PyTree

from levels.world import World, observation_kind
from lpg.episodes import Policy, episode_returns
from lpg.networks import Network, Table, network_for
from lpg.normalisation import Normalisation
from lpg.optimizer import Optimizer
from lpg.rollout import Rollout, collect, reset_workers
from lpg.settings import AgentSettings
from lpg.update_rule import Hyperparameters, Metrics, Progress, UpdateRule, passes_of, reads_novelty


@struct.dataclass
class Agent:
    """One agent at some point of its lifetime."""

    params: PyTree  # network parameters
    optimizer_state: PyTree
    states: PyTree  # [B, …] world states of the workers
    num_updates: Int[Array, ""]  # [] int32, updates done, n
    lifetime: Int[Array, ""]  # [] int32, lifetime in updates, N
    hyper: Hyperparameters
    rule_state: PyTree = ()  # what the rule remembers of its life
    normalisation: Normalisation | None = None  # statistics of its observations and rewards, if the learner keeps them
    visits: Int[Array, "S"] | None = None  # [S] int32, how often it has come to each observation, if its rule reads it

    @property
    def progress(self) -> Progress:
        """Where the agent is in its life."""
        return Progress(
            fraction=self.num_updates / self.lifetime,
            log_lifetime=jnp.log10(self.lifetime.astype(jnp.float32)),
        )


@dataclass(frozen=True)
class Learner:
    """A trainer of one agent on one level with one update rule; batch over agents with `jax.vmap`.

    Attributes:
        world: the environment.
        network: the agent's function approximator, with the outputs that the rule reads.
        rule: the update rule.
        optimizer: the agent's optimizer.
        num_workers: number of parallel environments B, ≥ 1.
        rollout_length: number of steps T between updates, ≥ 1.
        epochs: passes over a rollout per update, ≥ 1; each takes one gradient step per minibatch.
        minibatches: number of equal parts into which each epoch splits a rollout at random, ≥ 1. It must
            divide T·B but need not divide B: targets are computed before the first gradient step, so the loss
            treats samples one by one, and it is better to spread one worker's samples over all parts.
        normalised: whether agents see normalised observations, when they act, learn and are evaluated, and learn from
            normalised rewards (`lpg.normalisation`). Returns are discounted by the rule's `discount`, or by .99 if it
            has none. Rollouts and evaluations report what the world gives.
    """

    world: World
    network: Network
    rule: UpdateRule
    optimizer: Optimizer
    num_workers: int = AgentSettings.workers
    rollout_length: int = AgentSettings.rollout_length
    epochs: int = 1
    minibatches: int = 1
    normalised: bool = False

    @classmethod
    def for_world(cls, world: World, rule: UpdateRule, **settings: int) -> "Learner":
        """Return the learner that suits the kind of observation: tables with SGD, networks with Adam.

        Observations and rewards are normalised where observations are vectors and actions are continuous. A residual
        rule has the epochs and minibatches of its base, all other rules 1 and 1.

        Args:
            world: the environment.
            rule: the update rule.
            settings: num_workers, rollout_length, epochs, minibatches or normalised, to override the defaults.

        Returns:
            The learner.

        Raises:
            ValueError: a setting is out of range.
        """
        kind = observation_kind(world)
        optimizer = Optimizer("sgd" if kind == "table" else "adam")
        epochs, minibatches = passes_of(rule)
        normalised = world.continuous_actions and kind == "vector"
        fields: dict[str, Any] = {"epochs": epochs, "minibatches": minibatches, "normalised": normalised, **settings}
        return cls(world, network_for(world, rule.prediction_size, rule.reads_value), rule, optimizer, **fields)

    def __post_init__(self) -> None:
        for name in ("num_workers", "rollout_length", "epochs", "minibatches"):
            if getattr(self, name) < 1:
                raise ValueError(f"Learner.{name} must be >= 1, got {getattr(self, name)}")
        if self.num_samples % self.minibatches:
            raise ValueError(
                f"Learner.minibatches must divide num_workers * rollout_length = {self.num_samples}, "
                f"got {self.minibatches}"
            )
        has = (self.network.prediction_size, self.network.has_value)
        reads = (self.rule.prediction_size, self.rule.reads_value)
        if has != reads:
            raise ValueError(
                f"Learner.network must have the prediction size and value that its rule reads, {reads}, got {has}"
            )
        if self._counts and self.world.num_observations is None:
            raise ValueError("Learner.rule reads novelty, which needs observations that are integers")
        if self.normalised and self.world.num_observations is not None:
            raise ValueError("Learner.normalised must be False where observations are integers, got True")

    @property
    def _counts(self) -> bool:
        """Whether the agent counts its visits."""
        return reads_novelty(self.rule)

    @property
    def num_samples(self) -> int:
        """Number of steps in a rollout over all workers, T·B."""
        return self.num_workers * self.rollout_length

    def init(
        self,
        key: Key[Array, ""],
        level: PyTree,
        hyper: Hyperparameters | None = None,
        lifetime: Int[Array, ""] | int | None = None,
    ) -> Agent:
        """Return a new agent at the start of its life.

        Args:
            key: consumed.
            level: the level it will live on.
            hyper: its learning rates and costs; `Hyperparameters()` by default.
            lifetime: [] int32, its lifetime in updates; the level's own by default.

        Returns:
            The agent.

        Raises:
            ValueError: neither the caller nor the level gives a lifetime.
        """
        if lifetime is None:
            lifetime = getattr(level, "lifetime", None)
        if lifetime is None:
            raise ValueError("Learner.init: lifetime must be given in updates, because the level has none of its own")
        network_key, worker_key = jax.random.split(key)
        plan = self.world.plan(level)
        states = reset_workers(worker_key, self.world, plan, self.num_workers)
        observation = jax.vmap(self.world.observe, in_axes=(None, 0))(plan, states)
        params = self.network.init(network_key, observation)
        return Agent(
            params=params,
            optimizer_state=self.optimizer.init(params, self.network.labels(params)),
            states=states,
            num_updates=jnp.int32(0),
            lifetime=jnp.asarray(lifetime, jnp.int32),
            hyper=(hyper or Hyperparameters()).completed(self.world, self.epochs * self.minibatches),
            rule_state=self.rule.init_state(),
            normalisation=Normalisation.at_birth(observation) if self.normalised else None,
            visits=jnp.zeros(self.world.num_observations, jnp.int32) if self._counts else None,
        )

    def update(
        self, key: Key[Array, ""], meta_params: PyTree, agent: Agent, level: PyTree, plan: PyTree | None = None
    ) -> tuple[Agent, Rollout, Metrics]:
        """Collect one rollout and learn from it.

        The targets are computed once, from the outputs of the parameters that acted. Then epochs ×
        minibatches gradient steps are taken.

        Args:
            key: consumed.
            meta_params: the rule's meta-parameters.
            agent: the agent.
            level: the level it lives on.
            plan: `world.plan(level)`, if it has already been computed.

        Returns:
            The agent after the update, the rollout [T, B] as the world made it, and the loss's metrics, averaged over
            gradient steps.
        """
        plan = self.world.plan(level) if plan is None else plan
        batches = None
        if self.minibatches > 1:
            key, shuffle_key = jax.random.split(key)
            batches = shuffled(shuffle_key, self.num_samples, self.epochs, self.minibatches)
        states, rollout = collect(
            key,
            self.world,
            plan,
            self.policy(agent),
            agent.states,
            self.rollout_length,
        )
        normalisation, seen = agent.normalisation, rollout
        if normalisation is not None:
            normalisation, seen = normalisation.after(rollout, getattr(self.rule, "discount", 0.99))
        visits = agent.visits
        if visits is not None:
            visits = visits.at[rollout.next_observation].add(1)
            seen = replace(seen, novelty=1 / jnp.sqrt(visits[rollout.next_observation].astype(jnp.float32)))
        rule_state, targets, step_scale = self.rule.targets(
            meta_params,
            agent.rule_state,
            self.network.apply(agent.params, seen.observation),
            self.network.apply(agent.params, seen.next_observation),
            seen,
            agent.progress,
        )
        params, optimizer_state, metrics = self.descend(agent, seen, targets, batches, step_scale)
        if not isinstance(step_scale, float):
            # Adam's moments must not learn from an update that is skipped, and 0 times NaN would be NaN.
            learned, born = (params, optimizer_state), (agent.params, agent.optimizer_state)
            params, optimizer_state = jax.tree.map(lambda new, old: jnp.where(step_scale > 0, new, old), learned, born)
        next_agent = Agent(
            params=params,
            optimizer_state=optimizer_state,
            states=states,
            num_updates=agent.num_updates + 1,
            lifetime=agent.lifetime,
            hyper=agent.hyper,
            rule_state=rule_state,
            normalisation=normalisation,
            visits=visits,
        )
        return next_agent, rollout, metrics

    def descend(
        self,
        agent: Agent,
        rollout: Rollout,
        targets: PyTree,
        batches: Int[Array, "K S"] | None,
        step_scale: Float[Array, ""] | float = 1.0,
    ) -> tuple[PyTree, PyTree, Metrics]:
        """Take the gradient steps of one update, with the learning rates and entropy cost of the agent's age.

        Args:
            agent: the agent.
            rollout: the rollout [T, B], as the agent sees it.
            targets: the rule's targets, leaves [T, B, …].
            batches: [K, S] int32, samples for each of K gradient steps, as positions in the flattened rollout;
                None to use all samples in each of `epochs` steps.
            step_scale: factor on every gradient step.

        Returns:
            The agent's new parameters, its optimizer state, and the loss's metrics.
        """
        labels, hyper = self.network.labels(agent.params), agent.hyper.at(agent.progress.fraction)

        def step(
            learned: tuple[PyTree, PyTree], seen: tuple[Array, Rollout, PyTree]
        ) -> tuple[tuple[PyTree, PyTree], Metrics]:
            (params, optimizer_state), (read, rollout, targets) = learned, seen

            def loss(params: PyTree) -> tuple[Array, Metrics]:
                return self.rule.loss(self.network.apply(params, read), rollout, targets, hyper)

            grads, metrics = jax.grad(loss, has_aux=True)(params)
            return self.optimizer.step(grads, optimizer_state, params, labels, hyper, step_scale), metrics

        whole, born = (rollout.observation, rollout, targets), (agent.params, agent.optimizer_state)
        if batches is None and self.epochs == 1:
            (params, optimizer_state), metrics = step(born, whole)
            return params, optimizer_state, metrics
        table = self.network if isinstance(self.network, Table) and self.optimizer.kind == "sgd" else None
        if table is not None and table.num_observations <= self.num_samples:
            table = None
        if table is not None:
            # Several steps change no rows but those of the rollout, so all others need not be read in each of them.
            observation = rollout.observation.reshape(-1)
            rows, places = table.rows(agent.params, observation)
            whole = (places.reshape(rollout.observation.shape), rollout, targets)
            born = (rows, agent.optimizer_state)
        if batches is None:
            learned, metrics = jax.lax.scan(lambda learned, _: step(learned, whole), born, length=self.epochs)
        else:
            samples = jax.tree.map(lambda x: x.reshape(1, -1, *x.shape[2:]), whole)
            learned, metrics = jax.lax.scan(
                lambda learned, batch: step(learned, jax.tree.map(lambda x: x[:, batch], samples)), born, batches
            )
        params, optimizer_state = learned
        if table is not None:
            params = table.with_rows(agent.params, observation, params, places)
        return params, optimizer_state, jax.tree.map(lambda x: jnp.mean(x, axis=0), metrics)

    def train(
        self,
        key: Key[Array, ""],
        meta_params: PyTree,
        agent: Agent,
        level: PyTree,
        num_updates: int | Int[Array, ""],
        until: Int[Array, ""] | None = None,
    ) -> Agent:
        """Train until the end of the agent's lifetime or until a given age, for at most a given number of updates.

        `num_updates` is a loop bound: when batched over agents that share it, every agent costs that many
        updates, and those that have reached their end no longer change. Training a lifetime in parts with one
        key gives the same result as training it in one go.

        Args:
            key: key of the whole lifetime; an update's random numbers depend on it and on the agent's age.
            meta_params: the rule's meta-parameters.
            agent: the agent.
            level: the level it lives on.
            num_updates: largest number of updates to make.
            until: [] int32, age in updates at which to stop, if that is before the end of the lifetime.

        Returns:
            The agent after these updates.
        """
        plan = self.world.plan(level)

        end = agent.lifetime if until is None else jnp.minimum(agent.lifetime, until)

        def update(_: Array, agent: Agent) -> Agent:
            update_key = jax.random.fold_in(key, agent.num_updates)
            updated = self.update(update_key, meta_params, agent, level, plan)[0]
            alive = agent.num_updates < end
            return jax.tree.map(lambda new, old: jnp.where(alive, new, old), updated, agent)

        return jax.lax.fori_loop(0, num_updates, update, agent)

    def policy(self, agent: Agent) -> Policy:
        """Return an agent's stochastic policy.

        Args:
            agent: the agent.

        Returns:
            A function from observations to logits.
        """
        if agent.normalisation is None:
            return lambda observation: self.network.apply(agent.params, observation).logits
        seen = agent.normalisation.observation
        return lambda observation: self.network.apply(agent.params, seen(observation)).logits

    def evaluate(
        self,
        key: Key[Array, ""],
        agent: Agent,
        level: PyTree,
        max_steps: int = 100_000,
        num_episodes: int | None = None,
    ) -> Float[Array, "E"]:
        """Return undiscounted returns of the first episodes of E fresh workers under the stochastic policy.

        Args:
            key: consumed.
            agent: the agent.
            level: the level.
            max_steps: number of steps, rounded up to a multiple of 20, after which the reward so far counts as the
                return.
            num_episodes: number of episodes E, ≥ 1; as many as the learner's workers by default.

        Returns:
            [E] float32 returns.
        """
        num_episodes = self.num_workers if num_episodes is None else num_episodes
        return episode_returns(key, self.world, level, self.policy(agent), num_episodes, max_steps)


def shuffled(key: Key[Array, ""], num_samples: int, epochs: int, minibatches: int) -> Int[Array, "K S"]:
    """Shuffle each epoch's samples and split them into minibatches.

    This sorts integers whose high bits are random and whose low bits are the positions, which is six times faster
    than `argsort` on CPUs. Ties among the 32 − ⌈log2 S⌉ random bits are rare and are broken by position.

    Args:
        key: consumed by one draw.
        num_samples: number of samples S in an epoch, a multiple of minibatches.
        epochs: passes over the samples.
        minibatches: number of minibatches per epoch.

    Returns:
        [epochs × minibatches, num_samples ÷ minibatches] int32 in 0..num_samples − 1.
    """
    positions = jnp.uint32((1 << (num_samples - 1).bit_length()) - 1)
    draws = jax.random.bits(key, (epochs * num_samples,)).reshape(epochs, num_samples)
    marked = (draws & ~positions) | jnp.arange(num_samples, dtype=jnp.uint32)
    return (jnp.sort(marked, axis=1) & positions).astype(jnp.int32).reshape(epochs * minibatches, -1)
