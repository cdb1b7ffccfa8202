"""The programs of a generation, compiled separately."""

import ctypes
from collections.abc import Callable
from typing import Any

import jax
from jaxtyping import Array, Key

from groove.discovery.meta_training import MetaTraining, RunState
from groove.job.devices import everywhere


class GenerationPrograms:
    """Runs `MetaTraining.generation` as a separate program for each of its parts.

    XLA holds about a megabyte for each kernel until the whole program is compiled, so a single program would raise
    peak memory by a quarter.
    """

    def __init__(self, training: MetaTraining, run_key: Key[Array, ""], state: RunState) -> None:
        """Compile first, so that the compiler's memory is freed before a generation's arrays are allocated.

        Args:
            training: the run's meta-training.
            run_key: key of a run, on every device of the mesh; not kept.
            state: any state of the run, on every device of the mesh; not kept.
        """
        sharding = everywhere(training.population.mesh)
        _give_back_freed_memory()

        def program(part: Callable[..., Any], *arguments: Any) -> tuple[Any, Any]:
            lowered = jax.jit(part, in_shardings=sharding, out_shardings=sharding).lower(*arguments)
            compiled = lowered.compile()
            _give_back_freed_memory()
            return compiled, lowered.out_info

        self._propose, proposal = program(training.propose, run_key, state)
        self._live, outcomes = program(training.live, proposal)
        self._measure, measured = program(training.measure, proposal)
        self._learn, _ = program(training.learn, proposal, outcomes, *measured)

    def __call__(self, run_key: Key[Array, ""], state: RunState) -> tuple[RunState, dict[str, Array]]:
        """Run one generation.

        Args:
            run_key: key of the run, on every device of the mesh.
            state: state before the generation, on every device of the mesh.

        Returns:
            The state after it, and metrics [].
        """
        proposal = self._propose(run_key, state)
        # Dispatch is asynchronous: antagonists queue behind the lives without waiting here.
        outcomes, measured = self._live(proposal), self._measure(proposal)
        return self._learn(proposal, outcomes, *measured)


def _give_back_freed_memory() -> None:
    """Return freed memory to the system where the C library can do so (glibc).

    XLA's code generators leave some 200 MB of freed blocks in their threads' heaps, where the arrays of a generation
    cannot go because other threads allocate them.
    """
    getattr(ctypes.CDLL(None), "malloc_trim", lambda _: None)(0)
