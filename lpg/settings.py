"""User settings of a learned rule and of the agents it trains. Imports no JAX."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

from levels.near_names import perhaps
from levels.plugins import is_plugin

LEARNED_RULES = {
    "lpg": "learned policy gradient, LPG (arXiv:2007.08794)",
    "ta-lpg": "LPG that reads the lifetime, TA-LPG (arXiv:2402.05828)",
}
"""The rules that can be meta-trained: name -> what it is."""

Cell = Literal["gru", "lstm"]

Precision = Literal["float32", "tf32", "bfloat16"]
"""Precision of the factors of recurrent products; sums are always float32. A CPU treats tf32 as float32."""


# Defaults of RuleSettings and AgentSettings: those of GROOVE's public code (arXiv:2310.02782).
@dataclass(frozen=True)
class RuleSettings:
    """The learned update rule."""

    rule: str = "lpg"
    """Learned rule: lpg, or ta-lpg, which also reads the lifetime, or FILE.py:NAME of your own."""
    cell: Cell = "gru"
    """Recurrent cell of the rule: gru (GROOVE) or lstm (LPG)."""
    hidden_size: int = 256
    """Number of units of the recurrent cell."""
    embedding_size: int = 16
    """Width of the hidden layer that embeds predictions."""
    prediction_size: int = 8
    """Number of classes of the agent's prediction."""

    def __post_init__(self) -> None:
        for name, least in (("prediction_size", 2), ("hidden_size", 1), ("embedding_size", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"RuleSettings.{name} must be >= {least}, got {getattr(self, name)}")
        if self.rule not in LEARNED_RULES and not is_plugin(self.rule):
            raise ValueError(
                f"RuleSettings.rule must be one of {', '.join(LEARNED_RULES)} or FILE.py:NAME, "
                f"got {self.rule!r}{perhaps(self.rule, LEARNED_RULES)}"
            )
        if self.cell not in get_args(Cell):
            raise ValueError(f"RuleSettings.cell must be one of {', '.join(get_args(Cell))}, got {self.cell!r}")


@dataclass(frozen=True)
class AgentSettings:
    """The agents that the rule trains."""

    workers: int = 64
    """Number of parallel environments per agent."""
    rollout_length: int = 20
    """Steps between an agent's updates."""
    agent_learning_rate: float | None = None
    """Agents' learning rate; by default 40 on integer observations (SGD), 1e-3 on images and 5e-4 on vectors (Adam)."""
    agent_prediction_learning_rate: float | None = None
    """Learning rate for a table of predictions, a tenth of --agent-learning-rate by default; networks ignore it."""
    kl_cost: float = 0.5
    """Weight alpha_y of the prediction's KL divergence in an agent's loss."""

    def __post_init__(self) -> None:
        for name in ("workers", "rollout_length"):
            if getattr(self, name) < 1:
                raise ValueError(f"AgentSettings.{name} must be >= 1, got {getattr(self, name)}")
        for name in ("agent_learning_rate", "agent_prediction_learning_rate"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"AgentSettings.{name} must be > 0 and finite, got {value}")
        if not 0 <= self.kl_cost < math.inf:
            raise ValueError(f"AgentSettings.kl_cost must be >= 0 and finite, got {self.kl_cost}")
