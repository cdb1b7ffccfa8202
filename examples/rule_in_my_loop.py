"""A discovered rule in a loop of your own: it trains a CartPole agent, rollout by rollout, beside A2C.

The rule is the shipped `laptop`, which was discovered on small grid worlds. CartPole is far from these, so the rule
learns little there, whatever the learning rate. A rule of yours goes in its place:
`python examples/rule_in_my_loop.py runs/RUN/rule.safetensors`.
"""

import sys

import jax
from gymnax.environments.classic_control.cartpole import CartPole

import levels
import lpg


def train(name, rule, meta_params, num_updates, report_every):
    """Train one agent by a rule; return the mean return of its episodes at each report."""
    env = CartPole()
    level = env.default_params  # the level of a gymnax environment is its parameters
    # Observations are vectors: the agent gets two dense layers of 64 units and Adam.
    learner = lpg.Learner.for_world(levels.GymnaxWorld(env), rule, num_workers=16, rollout_length=20)
    init_key, run_key, eval_key = jax.random.split(jax.random.key(0), 3)
    # The learning rate that a rule was discovered with belongs to tables; the default for vectors, 5e-4, is what
    # `groove evaluate` uses here too. State the lifetime: a rule may read how much of it is over.
    agent = learner.init(init_key, level, lpg.Hyperparameters(), lifetime=num_updates)
    update, evaluate = jax.jit(learner.update), jax.jit(learner.evaluate)
    returns = []
    for number in range(num_updates):
        update_key = jax.random.fold_in(run_key, number)
        agent, _, metrics = update(update_key, meta_params, agent, level)  # _ is the rollout, leaves [T, B]
        # Everything between two updates is yours: log the rollout, change the level, save agent.params.
        if (number + 1) % report_every == 0:
            returns.append(float(evaluate(eval_key, agent, level).mean()))
            steps, entropy = (number + 1) * learner.num_samples, float(metrics["entropy"])
            print(f"{name:8s} {steps:9,d} steps: return {returns[-1]:5.1f}, entropy {entropy:.2f}")
    return returns


def main(rule_name="laptop", num_updates=1500, report_every=300):
    rule, meta_params, _ = lpg.load_rule(rule_name)
    learned = train(rule_name, rule, meta_params, num_updates, report_every)
    return learned, train("A2C", lpg.A2C(), (), num_updates, report_every)


if __name__ == "__main__":
    main(*sys.argv[1:])
