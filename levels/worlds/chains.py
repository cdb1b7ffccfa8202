"""LPG's delayed chains (arXiv:2007.08794, appendix) as a gymnax environment, and their generators."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from gymnax.environments import spaces
from gymnax.environments.environment import Environment, EnvParams, EnvState
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from levels.lifetimes import updates_in
from levels.world import GymnaxWorld

NUM_RELEVANT_BITS = 2
"""Observed bits that carry information: which of the two actions is right."""


@struct.dataclass(kw_only=True)
class ChainLevel(EnvParams):
    """One chain: the gymnax parameters of a DelayedChain."""

    max_steps_in_episode: Int[Array, ""]  # [] int32, above length, so a chain ends but is never truncated
    length: Int[Array, ""]  # [] int32, steps of an episode, 1..max_length
    lifetime: Int[Array, ""]  # [] int32, updates an agent trains on this chain


@struct.dataclass
class ChainState(EnvState):
    """State of an episode."""

    time: Int[Array, ""]  # [] int32, steps taken
    right_action: Int[Array, ""]  # [] int32, 0 or 1, the first action that will pay off
    chose_right: Bool[Array, ""]  # [] bool, whether the first action was the right one
    distractors: Bool[Array, "D"] | None  # [D] bool, meaningless observed bits; None if D = 0


@dataclass(frozen=True)
class DelayedChain(Environment[ChainState, ChainLevel]):
    """A chain whose first action alone decides the reward of its last step, +1 or −1.

    Which of the two actions is right is drawn in every episode and seen in the first state only.
    In a noisy chain every step between the first and the last pays +1 or −1 at random, whatever
    the action.

    Without distractors, the observation is one integer: the right action (0 or 1) in the first
    state, 1 + t after t steps; it shows the position, not the choice. With D distractors, it is
    2 + D bits: bit a is set in the first state if action a is right, and both are 0 afterwards; the
    other D are drawn at every step. Environments with equal fields are equal and have the same hash.

    Attributes:
        max_length: length of the longest chain, ≥ 1.
        noisy: whether mid-chain steps pay random rewards.
        num_distractors: number of meaningless bits D, ≥ 0.
    """

    max_length: int = 30
    noisy: bool = False
    num_distractors: int = 0

    def __post_init__(self) -> None:
        if self.max_length < 1:
            raise ValueError(f"DelayedChain.max_length must be >= 1, got {self.max_length}")
        if self.num_distractors < 0:
            raise ValueError(f"DelayedChain.num_distractors must be >= 0, got {self.num_distractors}")

    @property
    def name(self) -> str:
        return "DelayedChain-groove"

    @property
    def num_actions(self) -> int:
        return 2

    @property
    def default_params(self) -> ChainLevel:
        """The longest chain, with a lifetime of 1M steps."""
        return chain_level(jnp.int32(self.max_length), updates_in(1_000_000))

    def reset_env(self, key: Key[Array, ""], params: ChainLevel) -> tuple[Array, ChainState]:
        action_key, distractor_key = jax.random.split(key)
        state = ChainState(
            time=jnp.int32(0),
            right_action=jax.random.bernoulli(action_key).astype(jnp.int32),
            chose_right=jnp.zeros((), bool),
            distractors=self._distractors(distractor_key),
        )
        return self.observe(key, state, None, params), state

    def step_env(
        self, key: Key[Array, ""], state: ChainState, action: Any, params: ChainLevel
    ) -> tuple[Array, ChainState, Float[Array, ""], Bool[Array, ""], dict[str, Any]]:
        noise_key, distractor_key = jax.random.split(key)
        is_first = state.time == 0
        next_state = ChainState(
            time=state.time + 1,
            right_action=state.right_action,
            chose_right=jnp.where(is_first, action == state.right_action, state.chose_right),
            distractors=self._distractors(distractor_key),
        )
        terminated = self.is_terminated(next_state, params)
        between = jnp.zeros(())
        if self.noisy:
            between = jnp.where(is_first, 0.0, jax.random.rademacher(noise_key, (), jnp.float32))
        reward = jnp.where(terminated, jnp.where(next_state.chose_right, 1.0, -1.0), between)
        return self.observe(key, next_state, action, params), next_state, reward, terminated, {}

    def observe(self, key: Key[Array, ""], state: ChainState, action: Any, params: ChainLevel) -> Array:
        del key, action, params
        is_first = state.time == 0
        if state.distractors is None:
            return jnp.where(is_first, state.right_action, state.time + 1)
        relevant = (jnp.arange(NUM_RELEVANT_BITS) == state.right_action) & is_first
        return jnp.concatenate([relevant, state.distractors])

    def is_terminated(self, state: ChainState, params: ChainLevel) -> Bool[Array, ""]:
        return state.time >= params.length

    def action_space(self, params: ChainLevel | None = None) -> spaces.Discrete:
        del params
        return spaces.Discrete(2)

    def observation_space(self, params: ChainLevel | None = None) -> spaces.Discrete | spaces.Box:
        del params
        if self.num_distractors == 0:
            return spaces.Discrete(self.max_length + 2)
        return spaces.Box(0, 1, (NUM_RELEVANT_BITS + self.num_distractors,), jnp.bool_)

    def state_space(self, params: ChainLevel | None = None) -> spaces.Dict:
        del params
        parts = {
            "time": spaces.Discrete(self.max_length + 1),
            "right_action": spaces.Discrete(2),
            "chose_right": spaces.Discrete(2),
        }
        if self.num_distractors:
            parts["distractors"] = spaces.Box(0, 1, (self.num_distractors,), jnp.bool_)
        return spaces.Dict(parts)

    def _distractors(self, key: Key[Array, ""]) -> Bool[Array, "D"] | None:
        # None rather than an empty array, on which XLA of jaxlib 0.11 crashes once a scan is spread over devices.
        return jax.random.bernoulli(key, shape=(self.num_distractors,)) if self.num_distractors else None


def chain_level(length: Int[Array, ""], lifetime: int) -> ChainLevel:
    """Build the chain of a given length.

    Args:
        length: [] int32, steps of an episode, ≥ 1.
        lifetime: lifetime in updates, ≥ 1.

    Returns:
        A chain whose time limit lies one step beyond its end.
    """
    return ChainLevel(max_steps_in_episode=length + 1, length=length, lifetime=jnp.int32(lifetime))


@dataclass(frozen=True)
class ChainGenerator:
    """Chains (levels.level_generator.LevelGenerator) of one kind, with a length drawn per lifetime.

    Attributes:
        chain: the environment; its max_length is the longest length drawn.
        min_length: shortest length drawn, 1..max_length.
        lifetime: lifetime in updates, ≥ 1.
    """

    chain: DelayedChain = DelayedChain()
    min_length: int = 5
    lifetime: int = updates_in(1_000_000)

    def __post_init__(self) -> None:
        if not 1 <= self.min_length <= self.chain.max_length:
            raise ValueError(f"ChainGenerator.min_length must be in 1..{self.chain.max_length}, got {self.min_length}")
        if self.lifetime < 1:
            raise ValueError(f"ChainGenerator.lifetime must be >= 1, got {self.lifetime}")

    @property
    def world(self) -> GymnaxWorld:
        """The rollout's view of the chain."""
        return GymnaxWorld(self.chain)

    @property
    def num_tasks(self) -> int:
        """Number of lengths."""
        return self.chain.max_length - self.min_length + 1

    def sample(self, key: Key[Array, ""]) -> PyTree:
        """Draw a chain.

        Args:
            key: random key.

        Returns:
            A ChainLevel of length uniform in min_length..max_length.
        """
        length = jax.random.randint(key, (), self.min_length, self.chain.max_length + 1, jnp.int32)
        return chain_level(length, self.lifetime)


CHAINS: dict[str, ChainGenerator] = {
    "short": ChainGenerator(),
    "short_noisy": ChainGenerator(DelayedChain(noisy=True)),
    "long": ChainGenerator(DelayedChain(max_length=50)),
    "long_noisy": ChainGenerator(DelayedChain(max_length=50, noisy=True)),
    "distractor": ChainGenerator(DelayedChain(num_distractors=20), lifetime=updates_in(2_000_000)),
}
"""LPG's five delayed chains (arXiv:2007.08794, appendix)."""
