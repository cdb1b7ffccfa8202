"""Domain randomisation: fresh levels, all of them, and nothing kept."""

import jax
import jax.numpy as jnp
import numpy as np

from ued.curriculum import DomainRandomization, Outcome


def levels(first, count=5):
    return {"walls": jnp.arange(first, first + count * 4.0).reshape(count, 2, 2), "lifetime": jnp.arange(count)}


def test_domain_randomization_hands_on_all_fresh_levels_in_their_order():
    curriculum = DomainRandomization()
    state = curriculum.init(jax.tree.map(lambda x: x[0], levels(0)))
    for key in jax.random.split(jax.random.key(0), 3):
        state, batch = curriculum.sample(key, state, levels(7))
        jax.tree.map(np.testing.assert_array_equal, batch.levels, levels(7))


def test_domain_randomization_forgets():
    curriculum = DomainRandomization()
    first = state = curriculum.init(levels(0))
    for number, key in enumerate(jax.random.split(jax.random.key(0), 3)):
        state, batch = curriculum.sample(key, state, levels(number))
        state = curriculum.update(key, state, batch, Outcome(agent_return=jnp.arange(5.0) * number))
    assert state == first and jax.tree.leaves(state) == []


def test_domain_randomization_is_the_same_jitted():
    curriculum = DomainRandomization()
    _, batch = jax.jit(curriculum.sample)(jax.random.key(0), curriculum.init(levels(0)), levels(3))
    jax.tree.map(np.testing.assert_array_equal, batch.levels, levels(3))
