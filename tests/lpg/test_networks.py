"""Networks: gathers, planes and layers against plain restatements."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from lpg.networks import Dense, Table, network_for, patches
from tests.lpg import numpy_oracles

IMAGE = Dense(num_logits=3, prediction_size=2, widths=(5,), channels=(4,), observation_rank=3)
PLANES = jax.random.bernoulli(jax.random.key(0), 0.5, (3, 2, 2, 4, 5))
"""[T, B, planes, H, W] bool."""


@pytest.fixture(scope="module")
def image_params():
    return jax.jit(IMAGE.init)(jax.random.key(1), PLANES[0])


def test_table_looks_up_rows_whatever_the_leading_axes():
    table = Table(num_observations=4, num_logits=2, prediction_size=3)
    params = {"policy": jnp.arange(8.0).reshape(4, 2), "prediction": jnp.arange(12.0).reshape(4, 3)}
    outputs = table.apply(params, jnp.asarray([[3, 0, 1]]))
    np.testing.assert_array_equal(outputs.logits, [[[6, 7], [0, 1], [2, 3]]])
    np.testing.assert_array_equal(outputs.prediction, [[[9, 10, 11], [0, 1, 2], [3, 4, 5]]])
    assert table.apply(params, jnp.int32(2)).logits.shape == (2,)


def test_table_starts_at_zero_with_two_groups():
    table = Table(num_observations=4, num_logits=2, prediction_size=3)
    params = table.init(jax.random.key(0), jnp.zeros(5, jnp.int32))
    assert {name: x.shape for name, x in params.items()} == {"policy": (4, 2), "prediction": (4, 3)}
    assert not any(x.any() for x in params.values())
    assert table.labels(params) == {"policy": "policy", "prediction": "prediction"}


def convolved(params, plane_stack):
    """3×3 convolution of [planes, H, W] with zero padding, in NumPy loops."""
    _, height, width = plane_stack.shape
    padded = np.pad(plane_stack.astype(float), ((0, 0), (1, 1), (1, 1)))
    kernel = params["kernel"].reshape(3, 3, plane_stack.shape[0], -1)  # [3, 3, planes, channels]
    result = np.zeros((height, width, kernel.shape[-1]))
    for row in range(height):
        for column in range(width):
            window = padded[:, row : row + 3, column : column + 3]
            result[row, column] = np.einsum("phw,hwpc->c", window, kernel) + params["bias"]
    return np.maximum(result, 0)


def test_image_network_reads_planes_as_they_are(image_params):
    params = jax.tree.map(np.asarray, image_params)
    outputs = IMAGE.apply(image_params, PLANES)
    assert outputs.logits.shape == (3, 2, 3) and outputs.prediction.shape == (3, 2, 2)
    for t, b in [(0, 0), (2, 1)]:
        hidden = convolved(params["Dense_0"], np.asarray(PLANES[t, b])).ravel()
        hidden = np.maximum(numpy_oracles.dense(params["Dense_1"], hidden), 0)
        np.testing.assert_allclose(outputs.logits[t, b], numpy_oracles.dense(params["Dense_2"], hidden), atol=1e-6)
        np.testing.assert_allclose(outputs.prediction[t, b], numpy_oracles.dense(params["Dense_3"], hidden), atol=1e-5)


@pytest.mark.parametrize("padded", [True, False])
def test_dense_layer_on_patches_is_a_convolution(padded):
    image = jax.random.normal(jax.random.key(0), (2, 4, 5, 3))
    convolution = nn.Conv(6, (3, 3), padding="SAME" if padded else "VALID")
    params = convolution.init(jax.random.key(1), image)["params"]
    kernel = params["kernel"].reshape(27, 6)
    found = patches(image, padded) @ kernel + params["bias"]
    assert found.shape == ((2, 4, 5, 6) if padded else (2, 2, 3, 6))
    np.testing.assert_allclose(found, convolution.apply({"params": params}, image), atol=1e-5)


def test_networks_start_with_orthogonal_weights_and_no_biases(image_params):
    # Gains: √2 of layers before a ReLU, convolutions among them; .01 of the policy's head and 1 of the prediction's.
    assert [x["kernel"].shape for x in image_params.values()] == [(18, 4), (80, 5), (5, 3), (5, 2)]
    for layer, gain in zip(image_params.values(), (2**0.5, 2**0.5, 0.01, 1.0), strict=True):
        kernel = np.asarray(layer["kernel"], float)
        np.testing.assert_allclose(kernel.T @ kernel, gain**2 * np.eye(kernel.shape[1]), atol=5e-6 * gain**2)
        assert not layer["bias"].any()


def test_image_network_with_channels_last_reads_moved_planes(image_params):
    last = Dense(num_logits=3, prediction_size=2, widths=(5,), channels=(4,), observation_rank=3, channels_last=True)
    moved = last.apply(image_params, jnp.moveaxis(PLANES, -3, -1))
    expected = IMAGE.apply(image_params, PLANES)
    np.testing.assert_allclose(moved.logits, expected.logits, atol=1e-6)
    np.testing.assert_allclose(moved.prediction, expected.prediction, atol=1e-6)
    assert np.abs(moved.prediction).max() > 0.01


def test_image_network_without_padding_loses_a_border():
    bare = Dense(num_logits=3, prediction_size=2, widths=(5,), channels=(4,), observation_rank=3, padded=False)
    params = jax.jit(bare.init)(jax.random.key(1), PLANES[0])
    assert params["Dense_1"]["kernel"].shape == (2 * 3 * 4, 5)
    assert bare.apply(params, PLANES).logits.shape == (3, 2, 3)


def test_image_network_takes_one_observation_as_it_takes_many(image_params):
    alone = IMAGE.apply(image_params, PLANES[1, 0])
    np.testing.assert_allclose(alone.prediction, IMAGE.apply(image_params, PLANES).prediction[1, 0], atol=1e-6)


def test_dense_network_flattens_only_the_observation():
    network = Dense(num_logits=2, widths=(4, 4), observation_rank=2, has_value=True)
    observation = jax.random.normal(jax.random.key(0), (3, 5, 2, 3))
    params = jax.jit(network.init)(jax.random.key(1), observation[0])
    assert params["Dense_0"]["kernel"].shape == (6, 4)
    outputs = network.apply(params, observation)
    assert outputs.logits.shape == (3, 5, 2) and outputs.value.shape == (3, 5) and outputs.prediction is None


def test_dense_network_starts_near_the_uniform_policy_and_learns_as_one_group(image_params):
    assert np.abs(IMAGE.apply(image_params, PLANES).logits).max() < 0.1
    assert set(jax.tree.leaves(IMAGE.labels(image_params))) == {"policy"}


def test_dense_network_refuses_convolutions_without_images():
    with pytest.raises(ValueError, match="Dense.observation_rank must be 3 with convolutions, got 1"):
        Dense(num_logits=2, channels=(16,))


@pytest.mark.parametrize(
    "num_observations, shape, continuous, expected",
    [
        (18, (), False, Table(18, 5, 8)),
        (None, (3, 6, 6), False, Dense(5, 8, widths=(32,), channels=(16,), observation_rank=3)),
        (None, (22,), False, Dense(5, 8, widths=(64, 64), observation_rank=1)),
        (None, (10, 5), False, Dense(5, 8, widths=(64, 64), observation_rank=2)),
        (None, (22,), True, Dense(10, 8, widths=(64, 64), observation_rank=1)),
    ],
    ids=["integer", "image", "vector", "matrix", "continuous actions"],
)
def test_network_for_a_world(num_observations, shape, continuous, expected):
    world = SimpleNamespace(
        num_observations=num_observations, observation_shape=shape, num_actions=5, continuous_actions=continuous
    )
    assert network_for(world, 8) == expected


def test_prediction_beside_a_value_leaves_the_torso_alone():
    network = Dense(num_logits=3, prediction_size=2, widths=(4,), has_value=True)
    seen = jnp.ones((2, 5))
    params = network.init(jax.random.key(0), seen)
    assert network.labels(params)["prediction"] == {"kernel": "head", "bias": "head"}
    assert set(jax.tree.leaves({name: x for name, x in network.labels(params).items() if name != "prediction"})) == {
        "policy"
    }
    gradient = jax.grad(lambda params: jnp.sum(network.apply(params, seen).prediction ** 2))(params)
    assert np.abs(gradient.pop("prediction")["kernel"]).max() > 0
    assert not any(leaf.any() for leaf in jax.tree.leaves(gradient))
    alone = Dense(num_logits=3, prediction_size=2, widths=(4,))
    gradient = jax.grad(lambda params: jnp.sum(alone.apply(params, seen).prediction ** 2))(
        alone.init(jax.random.key(0), seen)
    )
    assert np.abs(gradient["Dense_0"]["kernel"]).max() > 0
