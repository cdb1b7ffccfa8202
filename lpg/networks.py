"""Agent networks: what maps an observation to a policy and a prediction."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import struct
from jaxtyping import Array, Float, Int, Key, PyTree


@struct.dataclass
class Outputs:
    """What an agent says of a batch of observations (… = any leading axes)."""

    logits: Float[Array, "... A"]  # unnormalised log-policy
    prediction: Float[Array, "... Y"]  # logits of y over Y classes, or the value where Y = 1


class Network(Protocol):
    """An agent's function approximator; a frozen object with pure methods."""

    def init(self, key: Key[Array, ""], observation: Array) -> PyTree:
        """Fresh parameters for observations shaped like `observation`, a dict of groups."""
        ...

    def apply(self, params: PyTree, observation: Array) -> Outputs:
        """Outputs for observations with any leading axes."""
        ...

    def labels(self, params: PyTree) -> PyTree:
        """For each parameter, whether it learns as "policy" or as "prediction"."""
        ...


@dataclass(frozen=True)
class Table:
    """One row of policy logits and one of predictions for each integer observation, all zero at first.

    Attributes:
        num_observations: rows S.
        num_actions: A.
        prediction_size: Y.
    """

    num_observations: int
    num_actions: int
    prediction_size: int

    def init(self, key: Key[Array, ""], observation: Array) -> PyTree:
        del key, observation
        return {
            "policy": jnp.zeros((self.num_observations, self.num_actions)),
            "prediction": jnp.zeros((self.num_observations, self.prediction_size)),
        }

    def apply(self, params: PyTree, observation: Int[Array, "..."]) -> Outputs:
        return Outputs(logits=params["policy"][observation], prediction=params["prediction"][observation])

    def labels(self, params: PyTree) -> PyTree:
        del params
        return {"policy": "policy", "prediction": "prediction"}


class _Torso(nn.Module):
    """Convolution (optional), dense layers, two linear heads."""

    channels: Sequence[int]
    widths: Sequence[int]
    num_actions: int
    prediction_size: int
    observation_rank: int

    @nn.compact
    def __call__(self, observation: Array) -> Outputs:
        leading = observation.shape[: observation.ndim - self.observation_rank]
        hidden = observation.astype(jnp.float32)
        if self.channels:
            hidden = jnp.moveaxis(hidden, -3, -1)
            for channels in self.channels:
                hidden = nn.relu(nn.Conv(channels, (3, 3))(hidden))
        hidden = hidden.reshape(*leading, -1)
        for width in self.widths:
            hidden = nn.relu(nn.Dense(width)(hidden))
        logits = nn.Dense(self.num_actions, kernel_init=nn.initializers.orthogonal(0.01))(hidden)
        return Outputs(logits=logits, prediction=nn.Dense(self.prediction_size)(hidden))


@dataclass(frozen=True)
class Dense:
    """Two heads on a torso of dense layers; with `channels`, of 3×3 convolutions first.

    Attributes:
        num_actions: A.
        prediction_size: Y.
        widths: units of each dense layer.
        channels: channels of each convolution; planes are read as [planes, H, W], unscaled.
        observation_rank: axes of one observation, which are flattened for the dense layers.
    """

    num_actions: int
    prediction_size: int
    widths: tuple[int, ...] = (64, 64)
    channels: tuple[int, ...] = ()
    observation_rank: int = 1

    def __post_init__(self) -> None:
        if self.channels and self.observation_rank != 3:
            raise ValueError(f"Dense.observation_rank must be 3 with convolutions, got {self.observation_rank}")

    @property
    def _module(self) -> _Torso:
        return _Torso(self.channels, self.widths, self.num_actions, self.prediction_size, self.observation_rank)

    def init(self, key: Key[Array, ""], observation: Array) -> PyTree:
        return self._module.init(key, observation)["params"]

    def apply(self, params: PyTree, observation: Array) -> Outputs:
        outputs: Any = self._module.apply({"params": params}, observation)
        return outputs

    def labels(self, params: PyTree) -> PyTree:
        return jax.tree.map(lambda _: "policy", params)


def network_for(
    num_observations: int | None, observation_shape: tuple[int, ...], num_actions: int, prediction_size: int
) -> Network:
    """The network of LPG's and GROOVE's agents for a kind of observation.

    Integers get a table, images [planes, H, W] get conv 16 and dense 32, the rest dense 64-64
    (GROOVE, arXiv:2310.02782).

    Args:
        num_observations: number of integer observations, None for arrays.
        observation_shape: shape of one observation.
        num_actions: A.
        prediction_size: Y.

    Returns:
        The network.
    """
    if num_observations is not None:
        return Table(num_observations, num_actions, prediction_size)
    if len(observation_shape) == 3:
        return Dense(num_actions, prediction_size, (32,), (16,), 3)
    return Dense(num_actions, prediction_size, observation_rank=len(observation_shape))
