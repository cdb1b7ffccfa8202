"""The curriculum: which levels train the rule. A level is an opaque pytree here.

For example::

    import jax, jax.numpy as jnp, ued

    curriculum = ued.PrioritizedLevelReplay(ued.SCORES["uniform"], ued.ReplaySettings(buffer=8, temperature=0.3))
    fresh, everywhere = jnp.arange(4.0), jnp.ones(4, bool)  # four levels, each one number
    state = curriculum.init(fresh[0])
    state, batch = curriculum.sample(jax.random.key(0), state, fresh, everywhere)
    returns = jnp.zeros((4, 1))                             # of agents trained on batch.levels
    outcome = ued.Outcome(everywhere, returns.mean(axis=1), returns, batch.extras)
    state = curriculum.update(jax.random.key(1), state, batch, outcome)
    print(curriculum.inclusion(state, num_places=4))
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
