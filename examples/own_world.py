"""An environment of your own as a world: an A2C agent learns to follow a drifting mark.

Any gymnax 1.x environment is a world through `levels.GymnaxWorld`. Run me with `python examples/own_world.py`.
"""

import jax
import jax.numpy as jnp
from flax import struct
from gymnax.environments import spaces
from gymnax.environments.environment import Environment, EnvParams, EnvState

import levels
import lpg


@struct.dataclass
class ChaseParams(EnvParams):
    """What one level is: here, how fast the mark drifts and when an episode is cut."""

    max_steps_in_episode: int = 50
    drift: float = 0.1


@struct.dataclass
class ChaseState(EnvState):
    cart: jax.Array  # [] float32, position of the cart
    mark: jax.Array  # [] float32, position of the mark


class Chase(Environment[ChaseState, ChaseParams]):
    """Push a cart left, not at all or right; the reward is 1 minus its distance from a drifting mark."""

    num_actions = 3
    default_params = ChaseParams()

    def reset_env(self, key, params):
        cart, mark = jax.random.uniform(key, (2,), minval=-1.0, maxval=1.0)
        state = ChaseState(time=jnp.int32(0), cart=cart, mark=mark)
        return jnp.array([cart, mark]), state

    def step_env(self, key, state, action, params):
        cart = jnp.clip(state.cart + 0.2 * (action - 1), -1.0, 1.0)
        mark = jnp.clip(state.mark + params.drift * jax.random.normal(key), -1.0, 1.0)
        state = ChaseState(time=state.time + 1, cart=cart, mark=mark)
        return jnp.array([cart, mark]), state, 1.0 - jnp.abs(cart - mark), jnp.bool_(False), {}

    def action_space(self, params):
        return spaces.Discrete(3)

    def observation_space(self, params):
        return spaces.Box(-1.0, 1.0, (2,))


def main(num_updates=300, num_workers=16):
    env = Chase()  # make it once: environments hash by identity
    learner = lpg.Learner.for_world(levels.GymnaxWorld(env), lpg.A2C(), num_workers=num_workers)
    level = env.default_params  # a level is the environment's parameters
    init_key, train_key, eval_key = jax.random.split(jax.random.key(0), 3)
    # Two dense layers and Adam, since observations are vectors; tables and SGD if they were integers.
    agent = learner.init(init_key, level, lpg.Hyperparameters(learning_rate=3e-3), lifetime=num_updates)
    before = learner.evaluate(eval_key, agent, level).mean()
    # `()` are the meta-parameters: a hand-written rule has none.
    agent = jax.jit(learner.train)(train_key, (), agent, level, num_updates)
    after = learner.evaluate(eval_key, agent, level).mean()
    print(f"return of an episode: {before:.1f} before training, {after:.1f} after {num_updates} updates")
    return float(before), float(after)


if __name__ == "__main__":
    main()
