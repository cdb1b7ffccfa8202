"""Recurrent cells that run backwards over a rollout."""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Bool, Float

from lpg.cores.low_rank import LowRank
from lpg.settings import Cell, Precision

GATES = {"gru": 3, "lstm": 4}


class BackwardRecurrence(nn.Module):
    """GRU or LSTM that runs backward in time, with its state reset where episodes end.

    h_t = cell(x_t, 0 if done_t else h_{t+1}). Weights and biases are laid out as in flax's GRUCell
    and OptimizedLSTMCell.

    Attributes:
        num_units: number of units H.
        cell: "gru" or "lstm".
        precision: precision of the recurrent products.
    """

    num_units: int
    cell: Cell = "gru"
    precision: Precision = "float32"

    @nn.compact
    def __call__(self, inputs: Float[Array, "T B X"], done: Bool[Array, "T B"]) -> Float[Array, "T B H"]:
        """Return hidden states [T, B, H] for inputs [T, B, X]."""
        size, gates = self.num_units, GATES[self.cell]
        input_init, recurrent_init = nn.initializers.lecun_normal(), _per_gate(nn.initializers.orthogonal(), gates)
        input_kernel = self.param("input_kernel", input_init, (inputs.shape[-1], gates * size))
        # flax only checks the shape of a parameter's first leaf, which for a low-rank matrix is the mean.
        recurrent_kernel = self.param("recurrent_kernel", recurrent_init, (size, gates * size))
        if not isinstance(recurrent_kernel, LowRank):
            recurrent_kernel = jnp.asarray(recurrent_kernel)
        bias = self.param("bias", nn.initializers.zeros, (gates * size,))
        rows_by_gate = [jnp.split(row, gates) for row in jnp.asarray(input_kernel)]
        biases = jnp.split(bias, gates)
        start = jnp.zeros((inputs.shape[1], size))

        def from_input(x: Float[Array, "B X"]) -> list[Float[Array, "B H"]]:
            # Sums of scaled rows, separately for each gate, so that the compiler fuses them into the gates. Projections
            # computed for all steps before the scan would have to be read back from memory (docs/performance.md).
            columns = [x[:, i : i + 1] for i in range(x.shape[1])]
            return [
                biases[gate] + sum(column * rows[gate] for column, rows in zip(columns, rows_by_gate, strict=True))
                for gate in range(gates)
            ]

        def from_state(hidden: Float[Array, "B H"]) -> list[Float[Array, "B H"]]:
            return jnp.split(product(hidden, recurrent_kernel, self.precision), gates, axis=-1)

        if self.cell == "gru":
            candidate_bias = self.param("candidate_bias", nn.initializers.zeros, (size,))

            def gru(hidden: Array, step: tuple[Array, Array]) -> tuple[Array, Array]:
                x, ended = step
                hidden = jnp.where(ended[:, None], 0.0, hidden)
                inner, outer = from_state(hidden), from_input(x)
                reset, update = (jax.nn.sigmoid(x + h) for x, h in zip(outer[:2], inner[:2], strict=True))
                candidate = jnp.tanh(outer[2] + reset * (inner[2] + candidate_bias))
                hidden = candidate + update * (hidden - candidate)
                return hidden, hidden

            return jax.lax.scan(gru, start, (inputs, done), reverse=True)[1]

        def lstm(carry: tuple[Array, Array], step: tuple[Array, Array]) -> tuple[tuple[Array, Array], Array]:
            x, ended = step
            hidden, memory = (jnp.where(ended[:, None], 0.0, part) for part in carry)
            inner, outer = from_state(hidden), from_input(x)
            write, forget, candidate, read = (x + h for x, h in zip(outer, inner, strict=True))
            memory = jax.nn.sigmoid(forget) * memory + jax.nn.sigmoid(write) * jnp.tanh(candidate)
            hidden = jax.nn.sigmoid(read) * jnp.tanh(memory)
            return (hidden, memory), hidden

        return jax.lax.scan(lstm, (start, start), (inputs, done), reverse=True)[1]


def product(x: Float[Array, "B K"], kernel: Float[Array, "K N"] | LowRank, precision: Precision) -> Float[Array, "B N"]:
    """Compute one matrix product of the recurrence.

    Args:
        x: [B, K] inputs.
        kernel: [K, N] matrix; the factors of a low-rank matrix are applied one after the other.
        precision: precision of the factors.

    Returns:
        [B, N] float32 products.
    """
    if isinstance(kernel, LowRank):
        thin = product(x, kernel.left, precision)
        return product(x, kernel.mean, precision) + product(thin, kernel.right, precision)
    if precision == "bfloat16":
        return jnp.matmul(x.astype(jnp.bfloat16), kernel.astype(jnp.bfloat16), preferred_element_type=jnp.float32)
    # Always explicit, because accelerators default to less than float32.
    exactness = {"float32": jax.lax.Precision.HIGHEST, "tf32": jax.lax.Precision.HIGH}[precision]
    return jnp.matmul(x, kernel, precision=exactness)


def _per_gate(init: nn.initializers.Initializer, gates: int) -> nn.initializers.Initializer:
    """Initialise each gate's square block separately, as flax's cells do."""

    def initialise(key: Array, shape: tuple[int, ...], dtype: object = jnp.float32) -> Array:
        rows, columns = shape
        blocks = [init(block_key, (rows, columns // gates), dtype) for block_key in jax.random.split(key, gates)]
        return jnp.concatenate(blocks, axis=1)

    return initialise
