"""The settings of replay: each number out of range is named."""

import pytest

from ued.settings import ReplaySettings


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("buffer", 0, ">= 1"),
        ("num_edits", 0, ">= 1"),
        ("sfl_period", 0, ">= 1"),
        ("replay_fraction", 1.5, "in 0..1"),
        ("min_filled", -0.5, "in 0..1"),
        ("edit_fraction", float("nan"), "in 0..1"),
        ("sfl_fraction", 1.5, "in 0..1"),
        ("staleness", 1.5, "in 0..1"),
        ("staleness", -0.1, "in 0..1"),
        ("priorities", "softmax", "rank, proportional or top"),
        ("temperature", 0.0, "> 0 and finite"),
        ("temperature", -1.0, "> 0 and finite"),
        ("temperature", float("nan"), "> 0 and finite"),
        ("temperature", float("inf"), "> 0 and finite"),
    ],
)
def test_a_number_out_of_range_is_named(field, value, allowed):
    with pytest.raises(ValueError, match=f"^ReplaySettings.{field} must be {allowed}, got {value!r}$"):
        ReplaySettings(**{field: value})


@pytest.mark.parametrize(("min_filled", "buffer", "least"), [(0.07, 100, 7), (0.5, 3, 2), (0.0, 10, 0), (1.0, 10, 10)])
def test_least_kept_is_the_fraction_of_the_buffer_rounded_up(min_filled, buffer, least):
    assert ReplaySettings(min_filled=min_filled, buffer=buffer).least_kept == least
