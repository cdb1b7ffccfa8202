"""A disk on which files cannot grow, for one block of a test."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager

import jax


@contextmanager
def full_disk(free_bytes: int = 1000) -> Iterator[None]:
    """Let every write of this process that passes `free_bytes` of a file fail with an OSError."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    cached_from = jax.config.jax_persistent_cache_min_compile_time_secs
    # Programs compiled in the block would be cut off in the compilation cache and break later runs.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", float("inf"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (free_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", cached_from)
