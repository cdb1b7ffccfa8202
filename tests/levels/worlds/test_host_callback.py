"""Calls to the host: what it sees of nested batches, in pieces, and from two devices at once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, PartitionSpec

from levels.worlds.host_callback import MAX_BYTES, host_callback


class Recorder:
    """Adds on the host and remembers the shapes it saw."""

    def __init__(self):
        self.seen = []
        self.add = host_callback(self.on_host, jax.ShapeDtypeStruct((2,), jnp.float32))

    def on_host(self, vector, scalar):
        vector, scalar = np.asarray(vector), np.asarray(scalar)
        self.seen.append((vector.shape, scalar.shape))
        return vector + scalar[:, None]


@pytest.fixture
def recorder():
    return Recorder()


def test_host_callback_of_one(recorder):
    np.testing.assert_array_equal(jax.jit(recorder.add)(jnp.asarray([1.0, 2.0]), jnp.float32(3)), [4, 5])
    assert recorder.seen == [((1, 2), (1,))]


def test_host_callback_sees_one_axis_of_nested_batches(recorder):
    vector, scalar = jnp.arange(24.0).reshape(4, 3, 2), jnp.arange(3.0)
    inner = jax.vmap(recorder.add, (0, 0))
    result = jax.jit(jax.vmap(inner, (0, None)))(vector, scalar)
    np.testing.assert_array_equal(result, vector + scalar[:, None])
    assert recorder.seen == [((12, 2), (12,))]


def test_host_callback_in_a_batched_loop(recorder):
    def steps(vector):
        return jax.lax.scan(lambda x, _: (recorder.add(x, jnp.float32(1)), None), vector, length=3)[0]

    result = jax.jit(jax.vmap(steps))(jnp.zeros((5, 2)))
    np.testing.assert_array_equal(result, jnp.full((5, 2), 3.0))
    assert recorder.seen == [((5, 2), (5,))] * 3


def test_host_callback_cuts_large_batches(recorder):
    size = MAX_BYTES // 8
    vector = jnp.arange(4.0 * size + 6).reshape(-1, 2)
    result = jax.jit(jax.vmap(recorder.add, (0, None)))(vector, jnp.float32(1))
    np.testing.assert_array_equal(result, vector + 1)
    assert sorted(shape[0][0] for shape in recorder.seen) == [3, size, size]


def test_host_callback_of_large_batches_from_two_devices_does_not_block(recorder):
    mesh = jax.make_mesh((2,), ("lives",), axis_types=(AxisType.Auto,), devices=jax.devices()[:2])
    lives = PartitionSpec("lives")
    add = jax.jit(jax.shard_map(jax.vmap(recorder.add), mesh=mesh, in_specs=lives, out_specs=lives, check_vma=False))
    vector, scalar = jnp.ones((2**18, 2)), jnp.ones(2**18)
    for _ in range(5):
        assert (np.asarray(add(vector, scalar)) == 2).all()
