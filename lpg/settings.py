"""User settings of a learned rule and of the agents it trains. Imports no JAX."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

from levels.near_names import perhaps
from levels.plugins import is_plugin

LEARNED_RULES = {
    "lpg": "learned policy gradient, LPG (arXiv:2007.08794)",
    "ta-lpg": "LPG that reads the lifetime, TA-LPG (arXiv:2402.05828)",
    "residual": "a hand-written rule with learned weights of its loss",
}
"""The rules that can be meta-trained: name -> what it is."""

Cell = Literal["gru", "lstm"]

Precision = Literal["float32", "tf32", "bfloat16"]
"""Precision of the factors of recurrent products; sums are always float32. A CPU treats tf32 as float32."""


RESIDUAL_BASES = ("a2c", "ppo", "dpo")
"""Hand-written rules that a residual rule can change."""

RESIDUAL_FEATURES = {
    "progress": "2n/N - 1, the age",
    "entropy": "2H/log A - 1, the policy's entropy in a state",
    "advantage": "tanh of the normalised advantage",
    "remaining": "1 - n/N, what is left of the life",
    "remaining*entropy": "what is left times entropy",
    "remaining*advantage": "what is left times advantage",
    "progress*entropy": "age times entropy",
    "progress*advantage": "age times advantage",
    "entropy*advantage": "entropy times advantage",
    "log_prob": "log probability of the action, relative to log A",
    "td_error": "symlog of the value's one-step error, relative to the life's advantages",
    "reward": "symlog of the reward, likewise",
    "value": "symlog of the value minus its mean, likewise",
    "done": "1 where an episode ends",
    "quiet": "share of the life's rollouts without a reward",
    "novelty": "symlog(u/rms(u)) - 1/2, u = 1/sqrt(visits of the next observation), where observations are integers",
    "log_lifetime": "log10 N - 2.4, where lifetimes vary",
}
"""What a residual rule can read: name -> what it is."""

RESIDUAL_OUTPUTS = {
    "advantage": "factor on the normalised advantage",
    "offset": "number added to it",
    "entropy": "factor on the entropy cost",
    "value": "factor on the value's cost",
    "step": "factor on the agent's update",
    "drift": "eight numbers of its own, added to the drift of PPO or DPO",
}
"""What a residual rule can change: name -> what it is."""

ResidualSize = Literal["linear", "mlp", "recurrent"]


# Defaults of RuleSettings and AgentSettings: those of GROOVE's public code (arXiv:2310.02782).
@dataclass(frozen=True)
class RuleSettings:
    """The learned update rule."""

    rule: str = "lpg"
    """Learned rule: lpg; ta-lpg, which also reads the lifetime; residual, a hand-written rule with learned weights; or
    FILE.py:NAME of your own."""
    cell: Cell = "gru"
    """Recurrent cell of the rule: gru (GROOVE) or lstm (LPG)."""
    hidden_size: int = 256
    """Number of units of the recurrent cell."""
    embedding_size: int = 16
    """Width of the hidden layer that embeds predictions."""
    prediction_size: int = 8
    """Number of classes of the agent's prediction."""
    scale_free: bool = False
    """Whether the rule reads symlog(r/sigma) in place of a reward r, where sigma is the root mean square of the life's
    rewards so far; the unit of rewards then does not matter."""

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
class ResidualSettings:
    """What --rule residual builds on, reads and changes."""

    base: str = "ppo"
    """Hand-written rule that it changes: a2c, ppo or dpo."""
    features: tuple[str, ...] = ("progress", "entropy", "advantage", "progress*entropy", "progress*advantage")
    """What it reads of each step, some of: progress, entropy, advantage, remaining, remaining*entropy,
    remaining*advantage, progress*entropy, progress*advantage, entropy*advantage, log_prob, td_error, reward, value,
    done, quiet, novelty, log_lifetime."""
    outputs: tuple[str, ...] = ("advantage", "entropy")
    """What it changes, some of: advantage, offset, entropy, value, step, drift (of PPO and DPO)."""
    size: ResidualSize = "linear"
    """Function from features to outputs: linear; mlp, with a hidden layer; recurrent, a GRU that runs backward and also
    reads a prediction of the agent's that it gives meaning."""
    units: int = 8
    """Units of the hidden layer of --size mlp, or of the GRU of recurrent."""
    classes: int = 4
    """Classes of the prediction of --size recurrent."""

    def __post_init__(self) -> None:
        if self.base not in RESIDUAL_BASES:
            raise ValueError(
                f"ResidualSettings.base must be one of {', '.join(RESIDUAL_BASES)}, "
                f"got {self.base!r}{perhaps(self.base, RESIDUAL_BASES)}"
            )
        for name, known in (("features", RESIDUAL_FEATURES), ("outputs", RESIDUAL_OUTPUTS)):
            given = getattr(self, name)
            for one in given:
                if one not in known:
                    raise ValueError(
                        f"ResidualSettings.{name} must be some of {', '.join(known)}, got {one!r}{perhaps(one, known)}"
                    )
            if not given or len(set(given)) < len(given):
                raise ValueError(f"ResidualSettings.{name} must be different and at least one, got {', '.join(given)}")
        if {"progress", "remaining"} <= set(self.features):
            raise ValueError(
                "ResidualSettings.features must not have both progress and remaining, which make up a constant"
            )
        if "drift" in self.outputs and self.base == "a2c":
            raise ValueError(
                "ResidualSettings.outputs must not have drift with base a2c, which learns from a rollout once"
            )
        if not self.step_outputs and self.size != "linear":
            raise ValueError(f"ResidualSettings.size must be linear where drift is the only output, got {self.size!r}")
        if self.size not in get_args(ResidualSize):
            raise ValueError(
                f"ResidualSettings.size must be one of {', '.join(get_args(ResidualSize))}, got {self.size!r}"
            )
        for name, least in (("units", 1), ("classes", 2)):
            if getattr(self, name) < least:
                raise ValueError(f"ResidualSettings.{name} must be >= {least}, got {getattr(self, name)}")

    @property
    def step_outputs(self) -> tuple[str, ...]:
        """The outputs that there is one of for every step, all but the drift."""
        return tuple(name for name in self.outputs if name != "drift")


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
