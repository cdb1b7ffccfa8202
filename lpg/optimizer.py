"""The agent's optimizer: clipped SGD or Adam with the agent's own learning rates."""

from dataclasses import dataclass
from typing import Any, Literal

import jax
import optax
from jaxtyping import Array, Float, PyTree

from lpg.update_rule import Hyperparameters

LABELS = ("policy", "value", "prediction", "head")
"""What a parameter of an agent's network may belong to; "head" is a prediction's own layer on shared ones."""


@dataclass(frozen=True)
class Optimizer:
    """SGD or Adam after clipping by global norm.

    Parameters of each label are clipped separately, and "value" and "prediction" have a learning rate of their own. A
    network that labels everything "policy" is clipped as a whole.

    Attributes:
        kind: "sgd" or "adam".
        max_grad_norm: largest global norm of the gradient of one label's parameters, > 0.
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
        return optax.partition({label: step for label in LABELS}, labels)

    def init(self, params: PyTree, labels: PyTree) -> Any:
        """Return the optimizer state for initial parameters.

        Args:
            params: the agent's parameters.
            labels: each parameter's label, one of LABELS.

        Returns:
            The state, a pytree.
        """
        return self._transformation(labels).init(params)

    def step(
        self,
        grads: PyTree,
        state: Any,
        params: PyTree,
        labels: PyTree,
        hyper: Hyperparameters,
        scale: Float[Array, ""] | float = 1.0,
    ) -> tuple[PyTree, Any]:
        """Take one gradient step.

        Args:
            grads: the loss's gradient.
            state: the optimizer state.
            params: the agent's parameters.
            labels: each parameter's label, one of LABELS.
            hyper: the agent's hyperparameters, learning rates included.
            scale: [] factor ≥ 0 on the whole update, after clipping and Adam.

        Returns:
            The new parameters and state.
        """
        rates: dict[str, Any] = {
            "policy": hyper.learning_rate,
            "value": hyper.prediction_learning_rate,
            "prediction": hyper.prediction_learning_rate,
            "head": hyper.learning_rate,
        }
        updates, state = self._transformation(labels).update(grads, state, params)
        params = jax.tree.map(lambda p, u, label: p - rates[label] * scale * u, params, updates, labels)
        return params, state
