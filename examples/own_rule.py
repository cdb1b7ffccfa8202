"""An update rule of your own: an actor-critic whose advantages are the signs of TD errors.

A rule is any object with the members of `lpg.UpdateRule`. Run me with `python examples/own_rule.py`.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

import levels
import lpg


@dataclass(frozen=True)
class SignActorCritic:
    """Favour an action whenever things went better than expected, however much better."""

    discount: float = 0.95
    prediction_size: int = 0  # the agent predicts nothing but a value
    reads_value: bool = True
    costs: tuple[str, ...] = ("value_cost", "entropy_cost")  # hyperparameters that `groove tune` would search over

    def init(self, key):
        return ()  # nothing is learned about how to learn

    def init_state(self):
        return ()  # nothing is remembered from one update to the next

    def targets(self, meta_params, state, outputs, next_outputs, rollout, progress):
        """Read the rollout once, with the agent's outputs held fixed; leaves of the targets lead with [T, B]."""
        target = rollout.reward + self.discount * jnp.where(rollout.terminated, 0.0, next_outputs.value)
        return state, (jnp.sign(target - outputs.value), target), 1.0  # the last is a factor on the agent's update

    def loss(self, outputs, rollout, targets, hyper):
        """Return what gradient descent minimises in the agent's parameters, and what to report of it."""
        advantage, target = targets
        log_policy = jax.nn.log_softmax(outputs.logits)
        log_prob = jnp.take_along_axis(log_policy, rollout.action[..., None], axis=-1)[..., 0]
        policy_loss = -jnp.mean(log_prob * advantage)
        value_loss = jnp.mean((outputs.value - target) ** 2) / 2
        entropy = -jnp.mean(jnp.sum(jnp.exp(log_policy) * log_policy, axis=-1))
        loss = policy_loss + hyper.value_cost * value_loss - hyper.entropy_cost * entropy
        return loss, {"policy_loss": policy_loss, "value_loss": value_loss, "entropy": entropy}


def main(num_updates=250, num_levels=8):
    source = levels.generator("small")
    level_keys = jax.random.split(jax.random.key(0), num_levels)
    drawn = jax.vmap(levels.Solvable(source).sample)(level_keys)

    def life(learner, key, level):
        """Return the mean return at the end of one agent's life on one level."""
        init_key, train_key, eval_key = jax.random.split(key, 3)
        agent = learner.init(init_key, level, lifetime=num_updates)
        agent = learner.train(train_key, (), agent, level, num_updates)
        return learner.evaluate(eval_key, agent, level).mean()

    life_keys = jax.random.split(jax.random.key(1), num_levels)
    returns = {"random policy": jax.vmap(lambda level: levels.random_return(source.world, level))(drawn)}
    for rule in (SignActorCritic(), lpg.A2C()):
        learner = lpg.Learner.for_world(source.world, rule, num_workers=16)
        returns[type(rule).__name__] = jax.jit(jax.vmap(lambda key, level, own=learner: life(own, key, level)))(
            life_keys, drawn
        )
    for name, values in returns.items():
        print(f"{name:16s} {values.mean():6.3f}")
    return {name: float(values.mean()) for name, values in returns.items()}


if __name__ == "__main__":
    main()
