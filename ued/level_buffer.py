"""The levels that a curriculum keeps; they are evicted by score alone."""

from dataclasses import replace

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from ued.curriculum import NOT_KEPT, Batch, Extras, Outcome, unknown_extras
from ued.ranking import BY_SCORE, Ranking


@struct.dataclass
class LevelBuffer:
    """C slots for levels."""

    levels: PyTree  # [C, …] levels
    filled: Bool[Array, "C"]  # [C] bool, the slot holds a level
    in_use: Bool[Array, "C"]  # [C] bool, agents live on the level, so it is neither drawn again nor evicted
    score: Float[Array, "C"]  # [C] float32, -inf = never scored or impossible to score
    agent_return: Float[Array, "C"]  # [C] float32, mean return of the rule's agents at the last visit
    extras: Extras  # [C]
    identity: Int[Array, "C"]  # [C] int32, number of the level in the order of arrival, -1 = empty slot
    parent: Int[Array, "C"]  # [C] int32, identity of the level that it is an edit of, -1 = none
    born: Int[Array, "C"]  # [C] int32, generation of its arrival
    last_drawn: Int[Array, "C"]  # [C] int32, generation of its last visit
    visits: Int[Array, "C"]  # [C] int32, generations in which agents lived on it
    generation: Int[Array, ""]  # [] int32, updates so far
    num_arrived: Int[Array, ""]  # [] int32, levels ever stored
    num_evicted: Int[Array, ""]  # [] int32, levels evicted in favour of others at least as good

    @property
    def capacity(self) -> int:
        """Number of slots C."""
        return self.filled.shape[0]

    @property
    def available(self) -> Bool[Array, "C"]:
        """[C] bool, slots whose level may be drawn: scored and not in use."""
        return self.filled & ~self.in_use & jnp.isfinite(self.score)

    @property
    def age(self) -> Int[Array, "C"]:
        """[C] int32, generations since the level was last drawn."""
        return self.generation - self.last_drawn


def empty_buffer(example_level: PyTree, capacity: int) -> LevelBuffer:
    """Build a buffer without levels.

    Args:
        example_level: one level, for its shapes.
        capacity: number of slots C, ≥ 1.

    Returns:
        The buffer.
    """
    none, zero = jnp.full(capacity, NOT_KEPT, jnp.int32), jnp.zeros(capacity, jnp.int32)
    return LevelBuffer(
        levels=jax.tree.map(lambda x: jnp.zeros((capacity, *jnp.shape(x)), jnp.asarray(x).dtype), example_level),
        filled=zero > 0,
        in_use=zero > 0,
        score=jnp.full(capacity, -jnp.inf, jnp.float32),
        agent_return=jnp.full(capacity, jnp.nan, jnp.float32),
        extras=unknown_extras(capacity),
        identity=none,
        parent=none,
        born=zero,
        last_drawn=zero,
        visits=zero,
        generation=jnp.int32(0),
        num_arrived=jnp.int32(0),
        num_evicted=jnp.int32(0),
    )


def draw_slots(key: Key[Array, ""], available: Bool[Array, "C"], num_slots: int) -> Int[Array, "k"]:
    """Draw distinct slots uniformly.

    Args:
        key: random key, consumed.
        available: [C] bool, slots that may be drawn.
        num_slots: number of slots k ≤ C.

    Returns:
        [k] int32; -1 where fewer than k slots are available.
    """
    value, slot = jax.lax.top_k(jnp.where(available, jax.random.uniform(key, available.shape), -1.0), num_slots)
    return jnp.where(value < 0, NOT_KEPT, slot).astype(jnp.int32)


def kept_or_fresh(kept: PyTree, slots: Int[Array, "k"], fresh: PyTree) -> PyTree:
    """Return the levels in the given slots, and fresh ones where there is no slot.

    Args:
        kept: [C, …] levels.
        slots: [k] slots, -1 = none.
        fresh: [k, …] levels.

    Returns:
        [k, …] levels.
    """
    old = jax.tree.map(lambda x: x[jnp.maximum(slots, 0)], kept)
    return first_or_second(slots != NOT_KEPT, old, fresh)


def first_or_second(is_first: Bool[Array, "k"], first: PyTree, second: PyTree) -> PyTree:
    """Choose one of two pytrees row by row.

    Args:
        is_first: [k] bool, whether the row comes from the first.
        first: [k, …] pytree.
        second: [k, …] pytree of the same shapes.

    Returns:
        [k, …] pytree.
    """
    return jax.tree.map(lambda a, b: jnp.where(is_first.reshape(-1, *[1] * (a.ndim - 1)), a, b), first, second)


def take(buffer: LevelBuffer, slots: Int[Array, "k"]) -> LevelBuffer:
    """Mark levels as in use and as drawn now.

    Args:
        buffer: buffer to change.
        slots: [k] slots, -1 = none.

    Returns:
        The changed buffer.
    """
    where = _kept(buffer, slots)
    return replace(
        buffer,
        in_use=buffer.in_use.at[where].set(True, mode="drop"),
        last_drawn=buffer.last_drawn.at[where].set(buffer.generation, mode="drop"),
    )


def give_back(buffer: LevelBuffer, batch: Batch, outcome: Outcome, score: Float[Array, "n"]) -> LevelBuffer:
    """Store the outcome of replayed levels whose lives ended, and free them.

    Args:
        buffer: buffer to change.
        batch: batch of n levels; those without a slot are skipped.
        outcome: outcome of the batch.
        score: [n] scores, finite or -inf.

    Returns:
        The changed buffer.
    """
    where = _kept(buffer, jnp.where(outcome.ended, batch.slots, NOT_KEPT))

    def store(kept: Array, value: Array) -> Array:
        return kept.at[where].set(value, mode="drop")

    return replace(
        buffer,
        in_use=store(buffer.in_use, jnp.zeros_like(outcome.ended)),
        score=store(buffer.score, score),
        agent_return=store(buffer.agent_return, outcome.agent_return),
        extras=jax.tree.map(store, buffer.extras, outcome.extras),
        visits=buffer.visits.at[where].add(1, mode="drop"),
    )


def is_repeated(buffer: LevelBuffer, levels: PyTree, offered: Bool[Array, "n"]) -> Bool[Array, "n"]:
    """Find the levels that equal, in every number, one in the buffer or one offered before them.

    Args:
        buffer: buffer of C slots.
        levels: [n, …] levels.
        offered: [n] bool, levels to compare.

    Returns:
        [n] bool.
    """
    num_levels = offered.shape[0]

    def equal(first: Array, second: Array) -> Array:
        axes = tuple(range(2, first.ndim + 1))
        return jnp.all(first[:, None] == second[None], axis=axes)

    def all_equal(second: PyTree) -> Array:
        return jnp.all(jnp.stack(jax.tree.leaves(jax.tree.map(equal, levels, second))), axis=0)

    earlier = jnp.arange(num_levels)[:, None] > jnp.arange(num_levels)
    in_buffer = jnp.any(all_equal(buffer.levels) & buffer.filled, axis=1)
    return in_buffer | jnp.any(all_equal(levels) & earlier & offered, axis=1)


def keep_best(
    buffer: LevelBuffer, batch: Batch, outcome: Outcome, score: Float[Array, "n"], ranking: Ranking = BY_SCORE
) -> LevelBuffer:
    """Store new levels as long as they are at least as good as the worst ones kept.

    The best new level is compared with the worst slot, the next best with the next worst, and so on,
    so the C best of the old and new levels are kept. Of equal scores the oldest level goes first, so that a score
    that is the same for all levels keeps the newest ones. An empty slot is worse than any level; a level in
    use is never evicted. Levels are drawn by score and staleness but evicted by score
    alone, because staleness would evict the levels just stored first.

    Args:
        buffer: buffer to change.
        batch: batch of n levels; those with a slot are skipped.
        outcome: outcome of the batch.
        score: [n] scores; levels with score -inf are skipped.
        ranking: what makes a level better than another, given scores and extras of all; the score by default.

    Returns:
        The changed buffer.
    """
    offered = outcome.ended & (batch.slots == NOT_KEPT) & jnp.isfinite(score)
    offered &= ~is_repeated(buffer, batch.levels, offered)
    num_met = min(score.shape[0], buffer.capacity)
    everything = jax.tree.map(
        lambda old, new: jnp.concatenate([old, new]), (buffer.score, buffer.extras), (score, outcome.extras)
    )
    old_value, new_value = jnp.split(ranking(*everything), [buffer.capacity])
    new = jnp.argsort(jnp.where(offered, -new_value, jnp.inf))[:num_met]
    worth = jnp.where(buffer.in_use, jnp.inf, jnp.where(buffer.filled, old_value, -jnp.inf))
    # Empty slots come before kept levels with score -inf, so nothing is evicted while there is room.
    slot = jnp.lexsort((buffer.born, buffer.filled, worth))[:num_met]
    enters = offered[new] & (new_value[new] >= worth[slot])
    where = jnp.where(enters, slot, buffer.capacity)

    def store(kept: Array, value: Array) -> Array:
        return kept.at[where].set(value, mode="drop")

    def store_new(kept: Array, values: Array) -> Array:
        return store(kept, values[new])

    arrivals = buffer.num_arrived + jnp.cumsum(enters) - 1
    return replace(
        buffer,
        levels=jax.tree.map(store_new, buffer.levels, batch.levels),
        filled=store(buffer.filled, enters),
        score=store_new(buffer.score, score),
        agent_return=store_new(buffer.agent_return, outcome.agent_return),
        extras=jax.tree.map(store_new, buffer.extras, outcome.extras),
        identity=store(buffer.identity, arrivals.astype(jnp.int32)),
        parent=store_new(buffer.parent, batch.parents),
        born=buffer.born.at[where].set(buffer.generation, mode="drop"),
        last_drawn=buffer.last_drawn.at[where].set(buffer.generation, mode="drop"),
        visits=buffer.visits.at[where].set(1, mode="drop"),
        num_arrived=buffer.num_arrived + jnp.sum(enters, dtype=jnp.int32),
        num_evicted=buffer.num_evicted + jnp.sum(enters & buffer.filled[slot], dtype=jnp.int32),
    )


def _kept(buffer: LevelBuffer, slots: Int[Array, "k"]) -> Int[Array, "k"]:
    """Slots to index with; -1 becomes C, which updates in mode "drop" skip."""
    return jnp.where(slots == NOT_KEPT, buffer.capacity, slots)
