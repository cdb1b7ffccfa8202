"""The agent's optimizer: learning rates, and clipping, which applies to Adam as well."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from lpg.optimizer import Optimizer
from tests.lpg import tiny

PARAMS = {"policy": jnp.zeros(2), "prediction": jnp.zeros(2)}
APART = {"policy": "policy", "prediction": "prediction"}
TOGETHER = {"policy": "policy", "prediction": "policy"}


def grads(policy, prediction):
    return {"policy": jnp.asarray(policy), "prediction": jnp.asarray(prediction)}


def steps(optimizer, labels, *sequence, **rates):
    """Return the parameters after one step for each gradient."""
    params, state = PARAMS, optimizer.init(PARAMS, labels)
    for grad in sequence:
        params, state = optimizer.step(grad, state, params, labels, tiny.hyper(**rates))
    return params


RATES = {"learning_rate": 10.0, "prediction_learning_rate": 2.0}


def test_sgd_steps_each_group_at_its_own_rate():
    params = steps(Optimizer("sgd"), APART, grads([0.1, -0.2], [0.3, 0.0]), **RATES)
    np.testing.assert_allclose(params["policy"], [-1.0, 2.0], rtol=1e-6)
    np.testing.assert_allclose(params["prediction"], [-0.6, 0.0], rtol=1e-6)


def test_sgd_clips_groups_separately():
    params = steps(Optimizer("sgd", max_grad_norm=0.5), APART, grads([0.3, 0.0], [30.0, 40.0]), **RATES)
    np.testing.assert_allclose(params["policy"], [-3.0, 0.0], rtol=1e-6)
    np.testing.assert_allclose(params["prediction"], [-0.6, -0.8], rtol=1e-6)


def test_sgd_clips_one_group_as_a_whole():
    # The norm of all is 5, so everything is scaled by a tenth.
    params = steps(Optimizer("sgd", max_grad_norm=0.5), TOGETHER, grads([3.0, 0.0], [0.0, 4.0]), **RATES)
    np.testing.assert_allclose(params["policy"], [-3.0, 0.0], rtol=1e-6)
    np.testing.assert_allclose(params["prediction"], [0.0, -4.0], rtol=1e-6)


def test_adam_clips_before_its_moments():
    # Unclipped, a first gradient of huge norm would dominate the second moment for a thousand steps.
    sequence = grads([3e3, -4e3], [0.0, 0.0]), grads([0.1, 0.2], [0.0, 0.0])
    found = steps(Optimizer("adam", max_grad_norm=0.5), TOGETHER, *sequence, **RATES)["policy"]

    def optax_steps(*chain):
        transformation = optax.chain(*chain, optax.scale(-10.0))
        params, state = jnp.zeros(2), transformation.init(jnp.zeros(2))
        for grad in sequence:
            change, state = transformation.update(grad["policy"], state)
            params += change
        return params

    expected = optax_steps(optax.clip_by_global_norm(0.5), optax.scale_by_adam(eps=1e-5))
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert np.abs(found - optax_steps(optax.scale_by_adam(eps=1e-5))).max() > 1


def test_adam_step_has_the_size_of_the_learning_rate():
    found = steps(Optimizer("adam"), APART, grads([0.1, -0.2], [0.3, 0.3]), **RATES)
    np.testing.assert_allclose(found["policy"], [-10.0, 10.0], rtol=1e-3)
    np.testing.assert_allclose(found["prediction"], [-2.0, -2.0], rtol=1e-3)


def test_step_without_gradient_stands_still():
    still = grads([0.0, 0.0], [0.0, 0.0])
    for kind in ("sgd", "adam"):
        moved = steps(Optimizer(kind), APART, still, **RATES)
        assert all(bool(jnp.array_equal(moved[group], PARAMS[group])) for group in PARAMS)


def test_step_is_the_same_for_each_of_many_agents():
    optimizer = Optimizer("adam")
    many = jax.random.normal(jax.random.key(0), (3, 2))

    def one(policy):
        return steps(optimizer, APART, grads(policy, [0.1, 0.1]), **RATES)["policy"]

    np.testing.assert_allclose(jax.vmap(one)(many), jnp.stack([one(grad) for grad in many]), rtol=1e-6)


def test_optimizer_refuses_unknown_kinds_and_norms():
    with pytest.raises(ValueError, match="Optimizer.kind must be one of sgd, adam, got 'rmsprop'"):
        Optimizer("rmsprop")
    with pytest.raises(ValueError, match="Optimizer.max_grad_norm must be > 0, got 0"):
        Optimizer(max_grad_norm=0)
