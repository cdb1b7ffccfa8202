"""Lower bounds on the time of a generation: its recurrent products, and the memory that they must read.

Products: each step of a life multiplies the states of all its workers by the recurrent kernels of its
candidate, and candidates with separate kernels need separate products. With low-rank perturbations, all
lives of a device's chunk share one product with the mean rule's kernels; only then is that cheaper
product the floor.

Traffic: in each step a device reads the kernels of every candidate once, and reads and writes the
states once. They come from main memory only if those of a device's chunk are larger than its cache.
Otherwise this is not a floor, and a generation may be faster: A (12 kB of kernels per candidate) fits
into any cache, B (768 kB) into most.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array

from groove.config import TrainConfig
from lpg.cores.recurrent import GATES, Precision, product

FLOAT_BYTES = 4


@dataclass(frozen=True)
class RecurrentWork:
    """The recurrent products of one generation of lives of one length.

    Attributes:
        candidates: number of rules P.
        lives: number of lives of all candidates.
        workers: number of workers B of each life.
        hidden_size: number of units H.
        gates: number of blocks [H, H] in a kernel.
        num_steps: steps of a life, over all its updates.
        num_devices: number of devices that share the lives.
        chunk: number of lives side by side on a device.
        shared: whether all lives of a chunk share one product, with the mean rule's kernels.
    """

    candidates: int
    lives: int
    workers: int
    hidden_size: int
    gates: int
    num_steps: int
    num_devices: int
    chunk: int
    shared: bool = False

    @classmethod
    def of(cls, config: TrainConfig, num_devices: int, chunk_size: int | None) -> "RecurrentWork":
        """Count the work of a generation.

        Args:
            config: config whose lives all have the same length.
            num_devices: number of devices that share the lives.
            chunk_size: maximum number of lives side by side on a device; None for its whole share.

        Returns:
            The work.

        Raises:
            ValueError: the lives may differ in length.
        """
        if config.world.lifetime is None or config.world.lifetime[0] != config.world.lifetime[1]:
            raise ValueError(f"floors are counted for lives of one length, got lifetime {config.world.lifetime}")
        lives = config.evolution.population * config.evolution.levels_per_candidate
        dealt = -(-lives // num_devices)
        return cls(
            candidates=config.evolution.population,
            lives=lives,
            workers=config.agents.workers,
            hidden_size=config.rule.hidden_size,
            gates=GATES[config.rule.cell],
            num_steps=config.world.lifetime[0] * config.agents.rollout_length,
            num_devices=num_devices,
            chunk=min(chunk_size or dealt, dealt),
            shared=config.evolution.perturbation != "full",
        )

    @property
    def num_chunks(self) -> int:
        """Number of chunks that each device runs, one after another."""
        return -(-self.lives // (self.num_devices * self.chunk))

    @property
    def flops(self) -> int:
        """Number of multiplications and additions, for separate and shared products alike."""
        return 2 * self.lives * self.workers * self.hidden_size**2 * self.gates * self.num_steps

    @property
    def kernel_bytes(self) -> int:
        """Size of one rule's recurrent kernels in bytes."""
        return FLOAT_BYTES * self.hidden_size**2 * self.gates

    @property
    def traffic(self) -> int:
        """Bytes read and written, over all devices."""
        kernels = self.num_devices * self.num_chunks if self.shared else self.candidates
        states = 2 * FLOAT_BYTES * self.lives * self.workers * self.hidden_size
        return self.num_steps * (kernels * self.kernel_bytes + states)


def products(work: RecurrentWork, mesh: Mesh, precision: Precision) -> Callable[[], Array]:
    """Build a program of only the recurrent products, run chunk by chunk on every device.

    Args:
        work: number and sizes of the products.
        mesh: mesh of work.num_devices devices with axis "lives".
        precision: precision of the factors.

    Returns:
        Function without arguments, compiled when first called.
    """
    size, rows = work.hidden_size, work.workers
    per_chunk = 1 if work.shared else work.chunk
    num_kernels, per_kernel = work.num_chunks * per_chunk * mesh.size, rows * work.chunk // per_chunk
    # An orthogonal block preserves the state's norm, so that no product meets denormal numbers.
    block = jnp.linalg.qr(jax.random.normal(jax.random.key(0), (size, size)))[0]
    spec = PartitionSpec("lives")
    place = partial(jax.device_put, device=NamedSharding(mesh, spec))
    kernels = place(jnp.broadcast_to(jnp.tile(block, (1, work.gates)), (num_kernels, size, work.gates * size)))
    states = place(jnp.ones((num_kernels, per_kernel, size)))

    multiplied = jax.vmap(partial(product, precision=precision))

    def on_device(states: Array, kernels: Array) -> Array:
        def run(chunk: tuple[Array, Array]) -> Array:
            start, kernel = chunk

            def step(number: Array, state: Array) -> Array:
                # Gates in turn, because a compiler may leave out the product of a gate that is never read.
                gates = multiplied(state, kernel)
                return jax.lax.dynamic_slice_in_dim(gates, number % work.gates * size, size, axis=-1)

            return jax.lax.fori_loop(0, work.num_steps, step, start)

        in_chunks = (x.reshape(work.num_chunks, per_chunk, *x.shape[1:]) for x in (states, kernels))
        return jax.lax.map(run, tuple(in_chunks)).reshape(states.shape)

    mapped = jax.jit(jax.shard_map(on_device, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False))
    return lambda: mapped(states, kernels)


def triad(mesh: Mesh, megabytes: int) -> tuple[Callable[[], Array], int]:
    """Build the triad a = b + s·c over long arrays, by which STREAM (McCalpin 1995) measures memory bandwidth.

    Differs: a overwrites b, because memory newly allocated by the system would cost more than its traffic.

    Args:
        mesh: mesh of the devices, over which the arrays are spread.
        megabytes: size of each array on each device, far beyond any cache.

    Returns:
        Function without arguments, and the bytes that a call reads and writes over all devices.
    """
    length = megabytes * 2**20 // FLOAT_BYTES * mesh.size
    placed = NamedSharding(mesh, PartitionSpec("lives"))
    blank = jax.jit(partial(jnp.zeros, (length,)), out_shardings=placed)
    summed, added = blank(), blank()
    add = jax.jit(lambda summed, added: summed + 0.5 * added, donate_argnums=0)

    def run() -> Array:
        nonlocal summed
        summed = add(summed, added)
        return summed

    return run, 3 * FLOAT_BYTES * length
