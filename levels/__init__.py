"""The worlds that agents learn in: grid levels, chains, generators, mazes, the exact solver.

For example::

    import jax, levels

    source = levels.generator("small")                     # or any key of levels.GENERATORS
    level = source.sample(jax.random.key(0))
    print(levels.render_text(level))
    print(levels.optimal_return(source.world, level), levels.random_return(source.world, level))
    levels.save_level("mine.toml", level)
    again = levels.load_level("mine.toml")
    short = levels.WithLifetime(source, 10, 250)           # also draws the lifetime
    level = levels.Solvable(short).sample(jax.random.key(1))
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
