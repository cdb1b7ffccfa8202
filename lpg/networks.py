"""Agent networks, which map an observation to a policy and a prediction."""

from dataclasses import dataclass
from typing import Any, Protocol

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import struct
from jaxtyping import Array, Float, Int, Key, PyTree

from levels.world import World, observation_kind
from lpg.orthogonal import orthogonal
from lpg.policy import num_logits

APART = "prediction"
"""Layer of a prediction beside a value, which reads the torso without changing it."""

RELU_GAIN = 2**0.5
"""Gain of layers before a ReLU, which halves the mean square of its inputs."""


@struct.dataclass
class Outputs:
    """An agent's outputs for a batch of observations (… = any leading axes)."""

    logits: Float[Array, "... A"]  # unnormalised log-policy, or 2·A means and log standard deviations for vectors
    value: Float[Array, "..."] = struct.field(default=None)  # V(s); None if the rule reads no value
    # logits of y over Y classes; None if the rule reads no prediction
    prediction: Float[Array, "... Y"] = struct.field(default=None)


class Network(Protocol):
    """An agent's function approximator: a frozen object with pure methods."""

    @property
    def prediction_size(self) -> int:
        """Number of classes Y of the prediction; 0 for a network without one."""
        ...

    @property
    def has_value(self) -> bool:
        """Whether the network has a value."""
        ...

    def init(self, key: Key[Array, ""], observation: Array) -> PyTree:
        """Draw initial parameters, a dict of groups, for observations shaped like `observation`."""
        ...

    def apply(self, params: PyTree, observation: Array) -> Outputs:
        """Return the outputs for observations with any leading axes."""
        ...

    def labels(self, params: PyTree) -> PyTree:
        """Return each parameter's label, one of `lpg.optimizer.LABELS`."""
        ...


@dataclass(frozen=True)
class Table:
    """A table for each output, with one row for each integer observation, initially all zero.

    Attributes:
        num_observations: number of rows S.
        num_logits: number of logits, A, or 2·A where actions are vectors of floats.
        prediction_size: number of classes Y of the prediction; 0 for none.
        has_value: whether there is a table of values.
    """

    num_observations: int
    num_logits: int
    prediction_size: int = 0
    has_value: bool = False

    def init(self, key: Key[Array, ""], observation: Array) -> PyTree:
        del key, observation
        sizes = {"policy": self.num_logits, "value": int(self.has_value), "prediction": self.prediction_size}
        return {name: jnp.zeros((self.num_observations, size)) for name, size in sizes.items() if size}

    def apply(self, params: PyTree, observation: Int[Array, "..."]) -> Outputs:
        rows = {name: table[observation] for name, table in params.items()}
        if self.has_value:
            rows["value"] = rows["value"][..., 0]
        return Outputs(logits=rows.pop("policy"), **rows)

    def labels(self, params: PyTree) -> PyTree:
        return {name: name for name in params}

    def rows(self, params: PyTree, observation: Int[Array, "N"]) -> tuple[PyTree, Int[Array, "N"]]:
        """Return the rows of the tables that some observations read, as smaller tables.

        Args:
            params: the tables.
            observation: [N] observations, some of them equal.

        Returns:
            Tables of N rows; and [N] int32, the row that takes the place of each observation, one for all equal ones.
        """
        numbers = jnp.arange(observation.shape[0], dtype=jnp.int32)
        places = jnp.zeros(self.num_observations, jnp.int32).at[observation].set(numbers)[observation]
        return jax.tree.map(lambda table: table[observation], params), places

    def with_rows(self, params: PyTree, observation: Int[Array, "N"], rows: PyTree, places: Int[Array, "N"]) -> PyTree:
        """Return tables with the rows of some observations replaced.

        Args:
            params: the tables.
            observation: [N] observations.
            rows: tables of N rows.
            places: [N] int32, the row of each observation.

        Returns:
            The tables.
        """
        return jax.tree.map(lambda table, own: table.at[observation].set(own[places]), params, rows)


def patches(image: Float[Array, "... H W C"], padded: bool) -> Float[Array, "... h w K"]:
    """Return the 3×3 neighbourhood of every cell; a dense layer on these is a convolution.

    Batched over agents with different kernels, `nn.Conv` becomes a grouped convolution in XLA, which CPUs run many
    times slower than this product.
    """
    if padded:
        image = jnp.pad(image, [(0, 0)] * (image.ndim - 3) + [(1, 1), (1, 1), (0, 0)])
    height, width = image.shape[-3] - 2, image.shape[-2] - 2
    return jnp.concatenate([image[..., i : i + height, j : j + width, :] for i in range(3) for j in range(3)], axis=-1)


def _layer(width: int, gain: float, name: str | None = None) -> nn.Dense:
    return nn.Dense(width, kernel_init=lambda key, shape, _: orthogonal(key, shape, gain), name=name)


class _Torso(nn.Module):
    """Convolution (optional), dense layers, a linear head for each output."""

    sizes: "Dense"

    @nn.compact
    def __call__(self, observation: Array) -> Outputs:
        leading = observation.shape[: observation.ndim - self.sizes.observation_rank]
        hidden = observation.astype(jnp.float32)
        if self.sizes.channels:
            hidden = hidden if self.sizes.channels_last else jnp.moveaxis(hidden, -3, -1)
            for channels in self.sizes.channels:
                hidden = nn.relu(_layer(channels, RELU_GAIN)(patches(hidden, self.sizes.padded)))
        hidden = hidden.reshape(*leading, -1)
        for width in self.sizes.widths:
            hidden = nn.relu(_layer(width, RELU_GAIN)(hidden))
        logits = _layer(self.sizes.num_logits, 0.01)(hidden)
        others: dict[str, Any] = {}
        if self.sizes.has_value:
            others["value"] = _layer(1, 1.0)(hidden)[..., 0]
        if self.sizes.prediction_size:
            apart = self.sizes.has_value
            head = _layer(self.sizes.prediction_size, 1.0, APART if apart else None)
            others["prediction"] = head(jax.lax.stop_gradient(hidden) if apart else hidden)
        return Outputs(logits=logits, **others)


@dataclass(frozen=True)
class Dense:
    """A head for each output on a torso of dense layers, preceded by 3×3 convolutions if `channels` is given.

    A prediction beside a value leaves the torso as it is and is clipped by itself, so that a rule that predicts trains
    policy and value as it would without.

    Weights start as orthogonal matrices times √2 in the torso, .01 in the policy's head and 1 in the others,
    biases at 0 (Huang et al. 2022, "The 37 implementation details of proximal policy optimization").

    Attributes:
        num_logits: number of logits, A, or 2·A where actions are vectors of floats.
        prediction_size: number of classes Y of the prediction; 0 for none.
        widths: units of each dense layer.
        channels: channels of each convolution; images are not rescaled.
        observation_rank: axes of one observation, which are flattened for the dense layers.
        channels_last: whether images are [H, W, planes] instead of [planes, H, W].
        padded: whether convolutions pad with zeros to keep H and W; otherwise they lose a border of 1.
        has_value: whether there is a value.
    """

    num_logits: int
    prediction_size: int = 0
    widths: tuple[int, ...] = (64, 64)
    channels: tuple[int, ...] = ()
    observation_rank: int = 1
    channels_last: bool = False
    padded: bool = True
    has_value: bool = False

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
        labels = {name: "head" if name == APART else "policy" for name in params}
        return {name: dict.fromkeys(layer, labels[name]) for name, layer in params.items()}


def network_for(world: World, prediction_size: int = 0, has_value: bool = False) -> Network:
    """Return the network that LPG's and GROOVE's agents use for a world.

    Integer observations get a table, images [C, H, W] a 16-channel convolution and a dense layer of 32,
    and all others two dense layers of 64 (GROOVE, arXiv:2310.02782).

    Args:
        world: the environment.
        prediction_size: number of classes Y of the prediction; 0 for none.
        has_value: whether it has a value.

    Returns:
        The network.
    """
    if world.num_observations is not None:
        return Table(world.num_observations, num_logits(world), prediction_size, has_value)
    if observation_kind(world) == "image":
        return Dense(num_logits(world), prediction_size, (32,), (16,), 3, has_value=has_value)
    rank = len(world.observation_shape)
    return Dense(num_logits(world), prediction_size, observation_rank=rank, has_value=has_value)
