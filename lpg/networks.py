"""Agent networks: what maps an observation to a policy and a prediction."""

from dataclasses import dataclass
from typing import Any, Protocol

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import struct
from jaxtyping import Array, Float, Int, Key, PyTree

from levels.world import World, observation_kind
from lpg.policy import num_logits


@struct.dataclass
class Outputs:
    """What an agent says of a batch of observations (… = any leading axes)."""

    logits: Float[Array, "... A"]  # unnormalised log-policy; 2·A means and log-deviations where actions are vectors
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
        num_logits: A, 2·A where actions are vectors of floats.
        prediction_size: Y.
    """

    num_observations: int
    num_logits: int
    prediction_size: int

    def init(self, key: Key[Array, ""], observation: Array) -> PyTree:
        del key, observation
        return {
            "policy": jnp.zeros((self.num_observations, self.num_logits)),
            "prediction": jnp.zeros((self.num_observations, self.prediction_size)),
        }

    def apply(self, params: PyTree, observation: Int[Array, "..."]) -> Outputs:
        return Outputs(logits=params["policy"][observation], prediction=params["prediction"][observation])

    def labels(self, params: PyTree) -> PyTree:
        del params
        return {"policy": "policy", "prediction": "prediction"}


def _patches(image: Float[Array, "... H W C"], padded: bool) -> Float[Array, "... h w K"]:
    """The 3×3 neighbourhood of every cell; a dense layer on them is a convolution.

    Batched over agents, each with kernels of its own, XLA makes a grouped convolution of `nn.Conv`, which CPUs run
    many times slower than this product.
    """
    if padded:
        image = jnp.pad(image, [(0, 0)] * (image.ndim - 3) + [(1, 1), (1, 1), (0, 0)])
    height, width = image.shape[-3] - 2, image.shape[-2] - 2
    return jnp.concatenate([image[..., i : i + height, j : j + width, :] for i in range(3) for j in range(3)], axis=-1)


class _Torso(nn.Module):
    """Convolution (optional), dense layers, two linear heads."""

    sizes: "Dense"

    @nn.compact
    def __call__(self, observation: Array) -> Outputs:
        leading = observation.shape[: observation.ndim - self.sizes.observation_rank]
        hidden = observation.astype(jnp.float32)
        if self.sizes.channels:
            hidden = hidden if self.sizes.channels_last else jnp.moveaxis(hidden, -3, -1)
            for channels in self.sizes.channels:
                hidden = nn.relu(nn.Dense(channels)(_patches(hidden, self.sizes.padded)))
        hidden = hidden.reshape(*leading, -1)
        for width in self.sizes.widths:
            hidden = nn.relu(nn.Dense(width)(hidden))
        logits = nn.Dense(self.sizes.num_logits, kernel_init=nn.initializers.orthogonal(0.01))(hidden)
        return Outputs(logits=logits, prediction=nn.Dense(self.sizes.prediction_size)(hidden))


@dataclass(frozen=True)
class Dense:
    """Two heads on a torso of dense layers; with `channels`, of 3×3 convolutions first.

    Attributes:
        num_logits: A, 2·A where actions are vectors of floats.
        prediction_size: Y.
        widths: units of each dense layer.
        channels: channels of each convolution; images are read unscaled.
        observation_rank: axes of one observation, which are flattened for the dense layers.
        channels_last: images are [H, W, planes] in place of [planes, H, W].
        padded: convolutions keep H and W, by zeros around; without, they lose a border of 1.
    """

    num_logits: int
    prediction_size: int
    widths: tuple[int, ...] = (64, 64)
    channels: tuple[int, ...] = ()
    observation_rank: int = 1
    channels_last: bool = False
    padded: bool = True

    def __post_init__(self) -> None:
        if self.channels and self.observation_rank != 3:
            raise ValueError(f"Dense.observation_rank must be 3 with convolutions, got {self.observation_rank}")

    @property
    def _module(self) -> _Torso:
        return _Torso(self)

    def init(self, key: Key[Array, ""], observation: Array) -> PyTree:
        return self._module.init(key, observation)["params"]

    def apply(self, params: PyTree, observation: Array) -> Outputs:
        outputs: Any = self._module.apply({"params": params}, observation)
        return outputs

    def labels(self, params: PyTree) -> PyTree:
        return jax.tree.map(lambda _: "policy", params)


def network_for(world: World, prediction_size: int) -> Network:
    """Return the network of LPG's and GROOVE's agents for a world.

    Integer observations get a table, images [C, H, W] get conv 16 and dense 32, the rest dense 64-64
    (GROOVE, arXiv:2310.02782).

    Args:
        world: the environment.
        prediction_size: Y.

    Returns:
        The network.
    """
    if world.num_observations is not None:
        return Table(world.num_observations, num_logits(world), prediction_size)
    if observation_kind(world) == "image":
        return Dense(num_logits(world), prediction_size, (32,), (16,), 3)
    return Dense(num_logits(world), prediction_size, observation_rank=len(world.observation_shape))
