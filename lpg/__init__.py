"""Learned and hand-written update rules, and the agents that follow them.

For example::

    import jax, levels, lpg

    rule, meta_params, provenance = lpg.load_rule("laptop")  # a shipped rule by name, or a path
    source = levels.generator("small")
    learner = lpg.Learner.for_world(source.world, rule, num_workers=16)
    level_key, init_key, train_key, eval_key = jax.random.split(jax.random.key(1), 4)
    level = source.sample(level_key)
    untrained = learner.init(init_key, level, lpg.Hyperparameters(learning_rate=100.0))
    trained = learner.train(train_key, meta_params, untrained, level, num_updates=250)
    before, after = (learner.evaluate(eval_key, agent, level).mean() for agent in (untrained, trained))
    print(f"untrained {before:.2f}, trained {after:.2f}, optimum {levels.optimal_return(source.world, level):.2f}")
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
