"""What a residual rule can read of a rollout: numbers without a unit, most of them between −1 and 1."""

from collections.abc import Callable

import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from lpg.networks import Outputs
from lpg.policy import action_entropy, action_log_prob
from lpg.rollout import Rollout
from lpg.scale import Scale, symlog
from lpg.update_rule import Progress


@struct.dataclass
class Memory:
    """What a residual rule remembers of an agent's life."""

    scale: Scale  # of its raw advantages
    novelty: Scale  # of the novelty of where it came to
    birth_entropy: Float[Array, ""]  # [] float32, mean entropy of the policy at the first update, in nats
    quiet: Float[Array, ""]  # [] float32, rollouts so far in which no worker saw a reward
    frozen: Float[Array, ""]  # [] float32, updates skipped because the rule's outputs were not finite

    @classmethod
    def at_birth(cls) -> "Memory":
        """Return the memory of an agent that has not yet learned."""
        return cls(Scale.at_birth(), Scale.at_birth(), *[jnp.zeros(())] * 3)

    def after(self, advantage: Float[Array, "T B"], entropy: Float[Array, "T B"], rollout: Rollout) -> "Memory":
        """Return the memory with one more rollout.

        Args:
            advantage: [T, B] raw advantages.
            entropy: [T, B] entropies of the policy in nats.
            rollout: the rollout [T, B].

        Returns:
            The memory.
        """
        birth = jnp.where(self.scale.count == 0, jnp.mean(entropy), self.birth_entropy)
        return Memory(
            scale=self.scale.after(advantage),
            novelty=self.novelty if rollout.novelty is None else self.novelty.after(rollout.novelty),
            birth_entropy=birth,
            quiet=self.quiet + jnp.all(rollout.reward == 0),
            frozen=self.frozen,
        )


@struct.dataclass
class Seen:
    """A rollout as features read it."""

    outputs: Outputs  # the agent's outputs for observations [T, B]
    rollout: Rollout  # [T, B]
    progress: Progress
    advantage: Float[Array, "T B"]  # [T, B] advantages with mean 0 and standard deviation 1
    td_error: Float[Array, "T B"]  # [T, B] one-step errors δ of the value
    memory: Memory  # this rollout included

    @property
    def centred_progress(self) -> Float[Array, ""]:
        """[] float32, 2n/N − 1, from −1 at birth to 1 at the end."""
        return 2.0 * self.progress.fraction - 1.0

    @property
    def remaining(self) -> Float[Array, ""]:
        """[] float32, 1 − n/N, from 1 at birth to 0 at the end."""
        return 1.0 - self.progress.fraction

    @property
    def relative_entropy(self) -> Float[Array, "T B"]:
        """[T, B], 2H/log A − 1 for A integer actions; for vectors of d floats tanh((H − H₀)/d), H₀ that at birth."""
        entropy = action_entropy(self.outputs.logits, self.rollout.action)
        if self._num_components:
            return jnp.tanh((entropy - self.memory.birth_entropy) / self._num_components)
        return 2.0 * entropy / self._most_entropy - 1.0

    @property
    def relative_novelty(self) -> Float[Array, "T B"]:
        """[T, B], symlog(u/σ), u the novelty of where each step leads and σ its root mean square over the life."""
        assert self.rollout.novelty is not None
        return self.memory.novelty.relative(self.rollout.novelty)

    @property
    def bounded_advantage(self) -> Float[Array, "T B"]:
        """[T, B], tanh Â."""
        return jnp.tanh(self.advantage)

    @property
    def relative_log_prob(self) -> Float[Array, "T B"]:
        """[T, B], log π(a|s)/log A, symlogged and plus 1; for vectors of d floats tanh((log π(a|s) + H₀)/d)."""
        log_prob = action_log_prob(self.outputs.logits, self.rollout.action)
        if self._num_components:
            return jnp.tanh((log_prob + self.memory.birth_entropy) / self._num_components)
        return symlog(log_prob / self._most_entropy + 1.0)

    @property
    def _num_components(self) -> int:
        """Components of an action, 0 where actions are integers."""
        vectors = jnp.issubdtype(self.rollout.action.dtype, jnp.floating)
        return self.rollout.action.shape[-1] if vectors else 0

    @property
    def _most_entropy(self) -> Float[Array, ""]:
        return jnp.log(max(self.outputs.logits.shape[-1], 2))


FEATURES: dict[str, Callable[[Seen], Array]] = {
    "progress": lambda seen: seen.centred_progress,
    "entropy": lambda seen: seen.relative_entropy,
    "advantage": lambda seen: seen.bounded_advantage,
    "remaining": lambda seen: seen.remaining,
    "remaining*entropy": lambda seen: seen.remaining * seen.relative_entropy,
    "remaining*advantage": lambda seen: seen.remaining * seen.bounded_advantage,
    "progress*entropy": lambda seen: seen.centred_progress * seen.relative_entropy,
    "progress*advantage": lambda seen: seen.centred_progress * seen.bounded_advantage,
    "entropy*advantage": lambda seen: seen.relative_entropy * seen.bounded_advantage,
    "log_prob": lambda seen: seen.relative_log_prob,
    "td_error": lambda seen: seen.memory.scale.relative(seen.td_error),
    "reward": lambda seen: seen.memory.scale.relative(seen.rollout.reward),
    "value": lambda seen: seen.memory.scale.relative(seen.outputs.value - jnp.mean(seen.outputs.value)),
    "done": lambda seen: seen.rollout.done.astype(jnp.float32),
    "quiet": lambda seen: seen.memory.quiet / seen.memory.scale.count,
    "novelty": lambda seen: seen.relative_novelty - 0.5,
    "log_lifetime": lambda seen: seen.progress.log_lifetime - 2.4,
}
"""Name -> what it is of a rollout, [] or [T, B]; `lpg.settings.RESIDUAL_FEATURES` says it in words."""


def stacked(names: tuple[str, ...], seen: Seen) -> Float[Array, "T B F"]:
    """Return features of a rollout.

    Args:
        names: keys of FEATURES.
        seen: the rollout.

    Returns:
        [T, B, F] float32, in the order of the names.
    """
    shape = seen.rollout.reward.shape
    return jnp.stack([jnp.broadcast_to(FEATURES[name](seen), shape) for name in names], axis=-1)
