"""The agent's optimizer: clipped SGD or Adam whose learning rates belong to the agent."""

from dataclasses import dataclass
from typing import Any, Literal

import jax
import optax
from jaxtyping import PyTree

from lpg.update_rule import Hyperparameters


@dataclass(frozen=True)
class Optimizer:
    """SGD or Adam after clipping by global norm.

    Parameters labelled "policy" and "prediction" are clipped separately and have separate learning
    rates; a network that labels everything "policy" is clipped as a whole.

    Attributes:
        kind: "sgd" or "adam".
        max_grad_norm: maximum global norm of the gradient of each label, > 0.
    """

    kind: Literal["sgd", "adam"] = "sgd"
    max_grad_norm: float = 0.5

    def __post_init__(self) -> None:
        if self.kind not in ("sgd", "adam"):
            raise ValueError(f"Optimizer.kind must be one of sgd, adam, got {self.kind!r}")
        if not self.max_grad_norm > 0:
            raise ValueError(f"Optimizer.max_grad_norm must be > 0, got {self.max_grad_norm}")

    def _transformation(self, labels: PyTree) -> optax.GradientTransformation:
        step = optax.chain(
            optax.clip_by_global_norm(self.max_grad_norm),
            optax.scale_by_adam(eps=1e-5) if self.kind == "adam" else optax.identity(),
        )
        return optax.partition({label: step for label in ("policy", "prediction")}, labels)

    def init(self, params: PyTree, labels: PyTree) -> Any:
        """Return the optimizer state for fresh parameters.

        Args:
            params: the agent's parameters.
            labels: "policy" or "prediction" for each parameter.

        Returns:
            The state, a pytree.
        """
        return self._transformation(labels).init(params)

    def step(
        self, grads: PyTree, state: Any, params: PyTree, labels: PyTree, hyper: Hyperparameters
    ) -> tuple[PyTree, Any]:
        """Take one gradient step.

        Args:
            grads: gradient of the loss.
            state: the optimizer state.
            params: the agent's parameters.
            labels: "policy" or "prediction" for each parameter.
            hyper: the agent's learning rates.

        Returns:
            The new parameters and state.
        """
        rates: dict[str, Any] = {
            "policy": hyper.learning_rate,
            "prediction": hyper.prediction_learning_rate,
        }
        updates, state = self._transformation(labels).update(grads, state, params)
        params = jax.tree.map(lambda p, u, label: p - rates[label] * u, params, updates, labels)
        return params, state
