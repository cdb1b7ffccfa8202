"""A rule of a user's own behind the interface of rules."""

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from jaxtyping import Array, Float, Key, PyTree

from levels.plugins import file_sha256, load_plugin
from lpg.baselines import BASELINES
from lpg.cores.low_rank import whole
from lpg.networks import Outputs
from lpg.rollout import Rollout
from lpg.settings import LEARNED_RULES, RuleSettings
from lpg.update_rule import Hyperparameters, Metrics, Progress, UpdateRule

MEMBERS = ("prediction_size", "reads_value", "costs", "init", "init_state", "targets", "loss")


@dataclass(frozen=True)
class PluginRule:
    """An update rule from a file of the user's own, which carries the name from which it can be built again.

    The object in the file has the members of `lpg.update_rule.UpdateRule`. A class or function in its place is called
    to build it, with the `RuleSettings` if it takes an argument.

    Attributes:
        settings: `rule` is FILE.py:NAME.

    Raises:
        PluginError: the file fails, or holds no such rule.
    """

    settings: RuleSettings

    def __post_init__(self) -> None:
        _ = self.own

    @cached_property
    def own(self) -> UpdateRule:
        """The user's object."""
        known = (*LEARNED_RULES, *BASELINES)
        rule: UpdateRule = load_plugin(self.settings.rule, "an update rule", MEMBERS, known, self.settings)
        return rule

    @property
    def sha256(self) -> str:
        """Digest of the user's file."""
        return file_sha256(self.settings.rule)

    @property
    def prediction_size(self) -> int:
        return self.own.prediction_size

    @property
    def reads_value(self) -> bool:
        return self.own.reads_value

    @property
    def costs(self) -> tuple[str, ...]:
        return self.own.costs

    @property
    def architecture(self) -> dict[str, Any]:
        """The part of a rule file from which the rule is rebuilt.

        Returns:
            JSON object: the settings, with the rule's name under "plugin".
        """
        fields = asdict(self.settings)
        return {"plugin": fields.pop("rule"), **fields}

    def init(self, key: Key[Array, ""]) -> PyTree:
        return self.own.init(key)

    def init_state(self) -> PyTree:
        return self.own.init_state()

    def targets(
        self,
        meta_params: PyTree,
        state: PyTree,
        outputs: Outputs,
        next_outputs: Outputs,
        rollout: Rollout,
        progress: Progress,
    ) -> tuple[PyTree, Any, Float[Array, ""] | float]:
        return self.own.targets(whole(meta_params), state, outputs, next_outputs, rollout, progress)

    def loss(
        self, outputs: Outputs, rollout: Rollout, targets: Any, hyper: Hyperparameters
    ) -> tuple[Float[Array, ""], Metrics]:
        return self.own.loss(outputs, rollout, targets, hyper)
