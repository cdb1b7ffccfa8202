"""The shapes that public functions declare are checked while tests run."""

import jax
import jax.numpy as jnp
import pytest
from jaxtyping import TypeCheckError

from levels.generators.solvable import reachable
from lpg.policy import action_log_prob


def test_calls_are_checked_in_every_room():
    with pytest.raises(TypeCheckError, match="walls"):
        reachable(jnp.zeros((2, 2)), jnp.int32(0))
    with pytest.raises(TypeCheckError, match="logits"):
        action_log_prob(jnp.zeros((2, 3)), jnp.zeros((2,), jnp.int32))


def test_calls_are_checked_while_they_are_traced():
    with pytest.raises(TypeCheckError, match="logits"):
        jax.jit(action_log_prob)(jnp.zeros((2, 3)), jnp.zeros((2,), jnp.int32))
