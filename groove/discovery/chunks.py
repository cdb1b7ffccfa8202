"""The default number of lives that a device runs side by side."""

from typing import Any

import jax
from jaxtyping import Array, Key, PyTree

from lpg.learner import Learner

WORKERS_ON_CPU = 128
"""Environments side by side on a CPU device; more of them overflow a core's cache (docs/performance.md)."""

ELSEWHERE = 1024
"""Maximum number of lives on other devices; smaller chunks waste fewer updates where lifetimes differ."""

MEMORY_SHARE = 0.5
"""Share of an accelerator's memory used for lives."""


def default_chunk(learner: Learner, meta_params: PyTree, level: PyTree) -> int:
    """Choose how many lives run side by side on a device of this process.

    Args:
        learner: trains one agent.
        meta_params: meta-parameters of one rule; only shapes are read.
        level: one level; only shapes are read.

    Returns:
        On CPU, 128 divided by the workers of a life; elsewhere the largest power of two that fits into half the
        memory, up to 1024; at least 1.
    """
    device = jax.local_devices()[0]
    if device.platform == "cpu":
        return max(WORKERS_ON_CPU // learner.num_workers, 1)
    memory = (device.memory_stats() or {}).get("bytes_limit")
    if memory is None:
        return ELSEWHERE
    fitting = max(int(MEMORY_SHARE * memory) // bytes_of_life(learner, meta_params, level), 1)
    # A power of two is the same on devices of one kind, whose free memory may differ a little.
    return min(2 ** (fitting.bit_length() - 1), ELSEWHERE)


def bytes_of_life(learner: Learner, meta_params: PyTree, level: PyTree) -> int:
    """Bound the memory of one life by all that an update computes, as if nothing were fused or reused.

    Args:
        learner: trains one agent.
        meta_params: meta-parameters of one rule; only shapes are read.
        level: one level; only shapes are read.

    Returns:
        Number of bytes.
    """

    def update(key: Key[Array, ""], meta_params: PyTree, level: PyTree) -> Any:
        agent = learner.init(key, level, lifetime=1)
        return learner.update(key, meta_params, agent, level)

    return _bytes_of(jax.make_jaxpr(update)(jax.random.key(0), meta_params, level).jaxpr)


def _bytes_of(jaxpr: Any) -> int:
    """Return the total bytes of all results, sub-jaxprs included (a loop's body counts once)."""
    results = sum(v.aval.size * v.aval.dtype.itemsize for equation in jaxpr.eqns for v in equation.outvars)
    within = [x for equation in jaxpr.eqns for x in jax.tree.leaves(list(equation.params.values()), is_leaf=_is_jaxpr)]
    return results + sum(_bytes_of(getattr(x, "jaxpr", x)) for x in within if _is_jaxpr(x))


def _is_jaxpr(x: Any) -> bool:
    return hasattr(x, "eqns")
