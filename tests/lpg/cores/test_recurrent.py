"""The backward recurrence: flax's cells as its oracle, and where it resets."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from lpg.cores.low_rank import LowRank
from lpg.cores.recurrent import GATES, BackwardRecurrence
from tests.lpg import numpy_oracles

HIDDEN, WIDTH, NUM_STEPS, NUM_WORKERS = 3, 2, 5, 4
CELLS = sorted(GATES)
INPUTS = jax.random.normal(jax.random.key(0), (NUM_STEPS, NUM_WORKERS, WIDTH))
NEVER = jnp.zeros((NUM_STEPS, NUM_WORKERS), bool)
SOMETIMES = jax.random.bernoulli(jax.random.key(1), 0.3, (NUM_STEPS, NUM_WORKERS))


@functools.cache
def module(cell):
    return BackwardRecurrence(HIDDEN, cell)


@functools.cache
def initialised(cell):
    return jax.jit(module(cell).init)(jax.random.key(2), INPUTS, NEVER)["params"]


@functools.cache
def random_params(cell):
    """Return weights and biases, none of which is zero."""
    keys = jax.random.split(jax.random.key(3), len(initialised(cell)))
    return {
        name: jax.random.normal(key, x.shape)
        for (name, x), key in zip(sorted(initialised(cell).items()), keys, strict=True)
    }


@functools.cache
def program(cell):
    return jax.jit(lambda params, inputs, done: module(cell).apply({"params": params}, inputs, done))


def flax_gru(params):
    """Return the same weights as nn.GRUCell lays them out: biases on the input, and on the recurrent candidate."""
    size = HIDDEN
    kernels, biases = jnp.split(params["input_kernel"], 3, 1), jnp.split(params["bias"], 3)
    recurrent = jnp.split(params["recurrent_kernel"], 3, 1)
    laid_out = {f"i{g}": {"kernel": k, "bias": b} for g, k, b in zip("rzn", kernels, biases, strict=True)}
    laid_out |= {f"h{g}": {"kernel": k} for g, k in zip("rzn", recurrent, strict=True)}
    laid_out["hn"]["bias"] = params["candidate_bias"]
    return nn.GRUCell(size), laid_out, lambda hidden: hidden


def flax_lstm(params):
    """Return the same weights as nn.OptimizedLSTMCell lays them out: biases on the recurrent part."""
    kernels, biases = jnp.split(params["input_kernel"], 4, 1), jnp.split(params["bias"], 4)
    recurrent = jnp.split(params["recurrent_kernel"], 4, 1)
    laid_out = {f"i{g}": {"kernel": k} for g, k in zip("ifgo", kernels, strict=True)}
    laid_out |= {f"h{g}": {"kernel": k, "bias": b} for g, k, b in zip("ifgo", recurrent, biases, strict=True)}
    return nn.OptimizedLSTMCell(HIDDEN), laid_out, lambda hidden: (hidden, hidden)


@pytest.mark.parametrize("cell", CELLS)
def test_recurrence_is_flaxs_cell_from_the_last_step_to_the_first(cell):
    params = random_params(cell)
    flax_cell, flax_params, carry_of = {"gru": flax_gru, "lstm": flax_lstm}[cell](params)
    step = jax.jit(lambda carry, x: flax_cell.apply({"params": flax_params}, carry, x))
    carry, expected = carry_of(jnp.zeros((NUM_WORKERS, HIDDEN))), []
    for x in INPUTS[::-1]:
        carry, hidden = step(carry, x)
        expected.insert(0, hidden)
    np.testing.assert_allclose(program(cell)(params, INPUTS, NEVER), jnp.stack(expected), atol=1e-6)


@pytest.mark.parametrize("cell", CELLS)
def test_recurrence_agrees_with_the_restatement_across_episodes(cell):
    params = random_params(cell)
    expected = numpy_oracles.recurrence(
        jax.tree.map(lambda x: np.asarray(x, np.float64), params), cell, np.asarray(INPUTS), np.asarray(SOMETIMES)
    )
    np.testing.assert_allclose(program(cell)(params, INPUTS, SOMETIMES), expected, atol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_recurrence_passes_nothing_over_the_end_of_an_episode(cell):
    # Worker 0's first episode ends with step 1, worker 1's with step 3; the others' episodes do not end.
    done = NEVER.at[1, 0].set(True).at[3, 1].set(True)
    jacobian = jax.jit(jax.jacrev(program(cell), argnums=1))(random_params(cell), INPUTS, done)
    influence = np.abs(np.asarray(jacobian)).max((2, 5))  # [to step, to worker, from step, from worker]
    assert all(not influence[:, b, :, other].any() for b in range(4) for other in range(4) if other != b)
    later = np.triu(np.ones((NUM_STEPS, NUM_STEPS), bool))
    last = {0: 1, 1: 3, 2: 4, 3: 4}
    for b in range(NUM_WORKERS):
        to_step, from_step = np.indices(later.shape)
        expected = later & ((to_step > last[b]) | (from_step <= last[b]))
        np.testing.assert_array_equal(influence[:, b, :, b] > 0, expected)


@pytest.mark.parametrize("cell", CELLS)
def test_recurrence_starts_an_episodes_end_as_a_rollouts_end(cell):
    params = random_params(cell)
    before_another = program(cell)(params, INPUTS, NEVER.at[2].set(True))
    at_the_end = program(cell)(params, jnp.concatenate([INPUTS[3:], INPUTS[:3]]), NEVER)
    np.testing.assert_allclose(before_another[:3], at_the_end[2:], atol=1e-6)
    np.testing.assert_allclose(before_another[3:], program(cell)(params, INPUTS, NEVER)[3:], atol=1e-6)


@pytest.mark.parametrize("cell", CELLS)
def test_recurrence_starts_orthogonal_per_gate_and_without_bias(cell):
    params = initialised(cell)
    for block in jnp.split(params["recurrent_kernel"], GATES[cell], 1):
        np.testing.assert_allclose(block @ block.T, np.eye(HIDDEN), atol=1e-5)
    assert all(not x.any() for name, x in params.items() if name.endswith("bias"))


def test_recurrence_of_one_step_and_one_worker():
    params = random_params("gru")
    one = program("gru")(params, INPUTS[-1:, :1], NEVER[:1, :1])
    np.testing.assert_allclose(one, program("gru")(params, INPUTS, NEVER)[-1:, :1], atol=1e-6)


@pytest.mark.parametrize("cell", CELLS)
def test_recurrence_takes_a_low_rank_kernel_for_its_matrix(cell):
    params = random_params(cell)
    left_key, right_key = jax.random.split(jax.random.key(4))
    kernel = LowRank(
        mean=params["recurrent_kernel"],
        left=jax.random.normal(left_key, (HIDDEN, 2)),
        right=jax.random.normal(right_key, (2, GATES[cell] * HIDDEN)),
    )
    thin, plain = params | {"recurrent_kernel": kernel}, params | {"recurrent_kernel": jnp.asarray(kernel)}
    np.testing.assert_allclose(
        program(cell)(thin, INPUTS, SOMETIMES), program(cell)(plain, INPUTS, SOMETIMES), atol=1e-5
    )
    assert np.max(np.abs(program(cell)(thin, INPUTS, SOMETIMES) - program(cell)(params, INPUTS, SOMETIMES))) > 1e-2


@pytest.mark.parametrize("precision", ["tf32", "bfloat16"])
def test_recurrence_of_less_precise_products_is_near(precision):
    params = random_params("gru")
    rough = jax.jit(BackwardRecurrence(HIDDEN, "gru", precision).apply)({"params": params}, INPUTS, SOMETIMES)
    error = np.max(np.abs(rough - program("gru")(params, INPUTS, SOMETIMES)))
    assert rough.dtype == jnp.float32 and error < 0.05
    # With eight-bit factors, an exact result would mean that the precision is ignored.
    assert precision == "tf32" or error > 1e-4
