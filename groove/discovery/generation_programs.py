"""The programs of a generation, compiled one by one."""

import ctypes
from collections.abc import Callable
from typing import Any

import jax
from jaxtyping import Array, Key

from groove.discovery.meta_training import MetaTraining, RunState
from groove.job.devices import everywhere


class GenerationPrograms:
    """Generations of a run: `MetaTraining.generation` as a program for each of its parts.

    XLA holds about a megabyte for each kernel until the whole program is compiled: one program for all would take a
    quarter more memory at the peak.
    """

    def __init__(self, training: MetaTraining, run_key: Key[Array, ""], state: RunState) -> None:
        """Compile, before the first generation is run: its arrays come after the compiler's memory has gone back.

        Args:
            training: of the run.
            run_key: key of the run, on every device of the mesh.
            state: one of its states, likewise; not kept.
        """
        sharding = everywhere(training.population.mesh)
        _give_back_freed_memory()

        def program(part: Callable[..., Any], *arguments: Any) -> tuple[Any, Any]:
            lowered = jax.jit(part, in_shardings=sharding, out_shardings=sharding).lower(*arguments)
            compiled = lowered.compile()
            _give_back_freed_memory()
            return compiled, lowered.out_info

        self._run_key = run_key
        self._propose, proposal = program(training.propose, run_key, state)
        self._live, outcomes = program(training.live, proposal)
        self._measure, measured = program(training.measure, proposal)
        self._learn, _ = program(training.learn, proposal, outcomes, *measured)

    def __call__(self, state: RunState) -> tuple[RunState, dict[str, Array]]:
        """One generation.

        Args:
            state: before it, on every device of the mesh.

        Returns:
            State after it, and metrics [].
        """
        proposal = self._propose(self._run_key, state)
        # Antagonists are dispatched behind the lives, which nobody waits for here.
        outcomes, measured = self._live(proposal), self._measure(proposal)
        return self._learn(proposal, outcomes, *measured)


def _give_back_freed_memory() -> None:
    """Give freed memory back to the system, where the C library can (glibc).

    XLA's code generators leave some 200 MB of freed blocks in their heaps, where a generation's arrays, made by other
    threads, find no place.
    """
    getattr(ctypes.CDLL(None), "malloc_trim", lambda _: None)(0)
