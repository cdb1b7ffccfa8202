"""Recurrent cells that run over a rollout from its end to its start."""

from typing import Literal

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Bool, Float

Cell = Literal["gru", "lstm"]
GATES = {"gru": 3, "lstm": 4}


class BackwardRecurrence(nn.Module):
    """GRU or LSTM through which the future flows to the past, with its state reset where episodes end.

    h_t = cell(x_t, 0 if done_t else h_{t+1}). The input's projections are formed for all steps
    before the scan, so that the scan holds the recurrent product alone. Weights and biases are
    laid out as in flax's GRUCell and OptimizedLSTMCell.

    Attributes:
        hidden_size: units H.
        cell: "gru" or "lstm".
    """

    hidden_size: int
    cell: Cell = "gru"

    @nn.compact
    def __call__(self, inputs: Float[Array, "T B X"], done: Bool[Array, "T B"]) -> Float[Array, "T B H"]:
        """Hidden states [T, B, H] of inputs [T, B, X]."""
        size, gates = self.hidden_size, GATES[self.cell]
        input_init, recurrent_init = nn.initializers.lecun_normal(), _per_gate(nn.initializers.orthogonal(), gates)
        input_kernel = self.param("input_kernel", input_init, (inputs.shape[-1], gates * size))
        recurrent_kernel = self.param("recurrent_kernel", recurrent_init, (size, gates * size))
        bias = self.param("bias", nn.initializers.zeros, (gates * size,))
        # A product and a sum for each gate by itself: gates cut out of one wide array inside the scan
        # keep the compiler from vectorising them, at four times the cost on a CPU.
        projected = jnp.split(inputs @ input_kernel + bias, gates, axis=-1)
        kernels = jnp.split(recurrent_kernel, gates, axis=-1)
        start = jnp.zeros((inputs.shape[1], size))

        def recurrent(hidden: Float[Array, "B H"]) -> list[Float[Array, "B H"]]:
            return [hidden @ kernel for kernel in kernels]

        if self.cell == "gru":
            candidate_bias = self.param("candidate_bias", nn.initializers.zeros, (size,))

            def gru(hidden: Array, step: tuple[list[Array], Array]) -> tuple[Array, Array]:
                from_input, ended = step
                hidden = jnp.where(ended[:, None], 0.0, hidden)
                from_state = recurrent(hidden)
                reset, update = (jax.nn.sigmoid(x + h) for x, h in zip(from_input[:2], from_state[:2], strict=True))
                candidate = jnp.tanh(from_input[2] + reset * (from_state[2] + candidate_bias))
                hidden = candidate + update * (hidden - candidate)
                return hidden, hidden

            return jax.lax.scan(gru, start, (projected, done), reverse=True)[1]

        def lstm(carry: tuple[Array, Array], step: tuple[list[Array], Array]) -> tuple[tuple[Array, Array], Array]:
            from_input, ended = step
            hidden, memory = (jnp.where(ended[:, None], 0.0, part) for part in carry)
            write, forget, candidate, read = (x + h for x, h in zip(from_input, recurrent(hidden), strict=True))
            memory = jax.nn.sigmoid(forget) * memory + jax.nn.sigmoid(write) * jnp.tanh(candidate)
            hidden = jax.nn.sigmoid(read) * jnp.tanh(memory)
            return (hidden, memory), hidden

        return jax.lax.scan(lstm, (start, start), (projected, done), reverse=True)[1]


def _per_gate(init: nn.initializers.Initializer, gates: int) -> nn.initializers.Initializer:
    """Initialise each gate's square block by itself, as flax's cells do."""

    def initialise(key: Array, shape: tuple[int, ...], dtype: object = jnp.float32) -> Array:
        rows, columns = shape
        blocks = [init(block_key, (rows, columns // gates), dtype) for block_key in jax.random.split(key, gates)]
        return jnp.concatenate(blocks, axis=1)

    return initialise
