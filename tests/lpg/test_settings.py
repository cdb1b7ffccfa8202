"""Settings of rules and agents: a number out of range is named."""

import pytest

from lpg.settings import AgentSettings, RuleSettings


@pytest.mark.parametrize(
    ("settings", "field", "value", "allowed"),
    [
        (RuleSettings, "prediction_size", 1, ">= 2"),
        (RuleSettings, "hidden_size", 0, ">= 1"),
        (RuleSettings, "embedding_size", 0, ">= 1"),
        (RuleSettings, "cell", "rnn", "one of gru, lstm"),
        (RuleSettings, "rule", "xyz", "one of lpg, ta-lpg, residual or FILE.py:NAME"),
        (AgentSettings, "workers", 0, ">= 1"),
        (AgentSettings, "rollout_length", 0, ">= 1"),
        (AgentSettings, "agent_learning_rate", 0.0, "> 0 and finite"),
        (AgentSettings, "kl_cost", -0.5, ">= 0 and finite"),
    ],
)
def test_a_number_out_of_range_is_named(settings, field, value, allowed):
    with pytest.raises(ValueError, match=f"^{settings.__name__}.{field} must be {allowed}, got {value!r}$"):
        settings(**{field: value})
