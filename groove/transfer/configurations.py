"""Configurations: how a contestant's agents learn, in numbers and in what a program is compiled for."""

import math
from dataclasses import dataclass, field, fields
from typing import Any

import jax.numpy as jnp

from lpg.update_rule import Hyperparameters


@dataclass(frozen=True)
class Configuration:
    """How an agent learns.

    Attributes:
        hyper: learning rates, costs and decays, scalars; one program serves all of them.
        workers: workers B.
        rollout_length: steps T between two updates.
        epochs: passes over a rollout in one update.
        fields: fields of the rule that differ from its own, such as discount, gae_lambda or clip.
    """

    hyper: Hyperparameters
    workers: int
    rollout_length: int
    epochs: int = 1
    fields: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("workers", "rollout_length", "epochs"):
            count = getattr(self, name)
            if type(count) is not int:
                raise ValueError(f"Configuration.{name} must be an integer, got {count!r}")
            if count < 1:
                raise ValueError(f"Configuration.{name} must be >= 1, got {count}")

    @property
    def program(self) -> tuple[object, ...]:
        """All but the numbers in `hyper`: agents for which it differs need programs of their own."""
        return self.workers, self.rollout_length, self.epochs, *sorted(self.fields.items())

    def to_json(self) -> dict[str, Any]:
        """Return the configuration as JSON content."""
        numbers = {field.name: float(getattr(self.hyper, field.name)) for field in fields(self.hyper)}
        shape = {"workers": self.workers, "rollout_length": self.rollout_length, "epochs": self.epochs}
        return numbers | shape | {"fields": self.fields}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Configuration":
        """Read what `to_json` returned.

        Args:
            content: JSON content.

        Returns:
            The configuration.

        Raises:
            KeyError, TypeError, ValueError: the content is of another kind, or a number is out of range.
        """
        numbers = {field.name: jnp.float32(content[field.name]) for field in fields(Hyperparameters)}
        for name, value in numbers.items():
            if not 0 <= value < math.inf:
                raise ValueError(f"Configuration.{name} must be >= 0 and finite, got {value}")
        shape = {name: content[name] for name in ("workers", "rollout_length", "epochs")}
        return cls(Hyperparameters(**numbers), **shape, fields={k: float(v) for k, v in content["fields"].items()})

    def __str__(self) -> str:
        numbers = {field.name: f"{float(getattr(self.hyper, field.name)):.3g}" for field in fields(self.hyper)}
        rest = {"epochs": str(self.epochs)} | {name: f"{value:g}" for name, value in self.fields.items()}
        words = [f"{name} {value}" for name, value in (numbers | rest).items()]
        return f"{self.workers} x {self.rollout_length}, {', '.join(words)}"
