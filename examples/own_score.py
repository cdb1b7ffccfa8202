"""A score of your own: replay the levels on which an agent's episodes differ most from each other.

A curriculum from the library ranks levels by it. Run me with `python examples/own_score.py`.
"""

import jax
import jax.numpy as jnp

import levels
import lpg
import ued


def spread(outcome):
    """Score a level by the standard deviation of its agent's returns: neither hopeless nor mastered."""
    return jnp.nanstd(outcome.episode_returns, axis=1)


def main(num_generations=8, num_levels=8, num_updates=100):
    source = levels.generator("small")
    learner = lpg.Learner.for_world(source.world, lpg.A2C(), num_workers=16)
    # Half of each generation's levels are fresh, half are replayed by score and by time since their last replay.
    curriculum = ued.PrioritizedLevelReplay(
        ued.Score(spread, non_negative=True), ued.ReplaySettings(buffer=32, temperature=0.3, staleness=0.1)
    )

    def live(key, level):
        """Return the episodes at the end of one agent's life on one level."""
        init_key, train_key, eval_key = jax.random.split(key, 3)
        agent = learner.init(init_key, level, lifetime=num_updates)
        agent = learner.train(train_key, (), agent, level, num_updates)
        return learner.evaluate(eval_key, agent, level)

    everywhere = jnp.ones(num_levels, bool)  # all lives begin and end together

    @jax.jit
    def generation(key, state):
        fresh_key, sample_key, life_key, update_key = jax.random.split(key, 4)
        fresh = jax.vmap(source.sample)(jax.random.split(fresh_key, num_levels))
        state, batch = curriculum.sample(sample_key, state, fresh, everywhere)
        returns = jax.vmap(live)(jax.random.split(life_key, num_levels), batch.levels)
        outcome = ued.Outcome(everywhere, returns.mean(axis=1), returns, batch.extras)
        state = curriculum.update(update_key, state, batch, outcome)
        return state, curriculum.report(state, batch, outcome)

    run_key = jax.random.key(0)
    state = curriculum.init(source.sample(run_key))
    for number in range(num_generations):
        state, report = generation(jax.random.fold_in(run_key, number), state)
        print(f"generation {number}: {report['levels_kept']} levels kept, mean score {report['kept_score']:.3f}")
    best = jnp.argmax(jnp.where(state.filled, state.score, -jnp.inf))
    print(levels.render_text(jax.tree.map(lambda x: x[best], state.levels)))
    return state


if __name__ == "__main__":
    main()
