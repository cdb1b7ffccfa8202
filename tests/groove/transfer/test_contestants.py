"""Contestants: their settings in an environment, their names, and the files that they come from."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from groove.transfer.contestants import hand_written, learned, own_rule
from lpg.baselines import BASELINES
from lpg.rule_file import RuleFileError, write_rule
from lpg.rules.residual import Residual
from lpg.saved_rules import save_rule
from lpg.settings import ResidualSettings
from tests.groove.transfer import tiny

OTHER = replace(hand_written("a2c").configuration(tiny.catch()), workers=7)


def test_hand_written_rules_have_their_epochs_and_default_learning_rates():
    for name, baseline in BASELINES.items():
        who = hand_written(name)
        assert (who.name, who.rule, who.epochs, who.minibatches) == (
            name,
            baseline.rule,
            baseline.epochs,
            baseline.minibatches,
        )
        assert not who.is_learned and who.configuration(tiny.catch()).hyper.learning_rate == pytest.approx(5e-4)
    # A table's steps of plain SGD add up, so 40 is divided by the number of gradient steps.
    assert hand_written("a2c").configuration(tiny.grid()).hyper.learning_rate == 40
    assert hand_written("ppo").configuration(tiny.grid()).hyper.learning_rate == 2.5
    assert hand_written("random").rule is None


def test_a_learned_rule_keeps_the_settings_of_its_discovery_in_its_kind_of_world(tmp_path):
    who = learned(tiny.save(tmp_path / "lpg.safetensors"))
    who = replace(who, config=who.config.replaced(agent_learning_rate=3.0, kl_cost=0.25))
    assert who.is_learned and who.config.world.levels == "small"
    own, foreign = who.configuration(tiny.grid()).hyper, who.configuration(tiny.catch()).hyper
    assert (own.learning_rate, own.kl_cost) == (3.0, 0.25)
    assert foreign.learning_rate == pytest.approx(5e-4) and foreign.kl_cost == 0.5


def test_tuned_settings_of_an_environment_come_before_those_of_its_kind():
    who = replace(hand_written("a2c"), tuned={"own: vector": OTHER})
    assert who.configuration(tiny.catch()) is OTHER and who.configuration(tiny.catch(suite="other")).workers == 4
    here = replace(OTHER, workers=8)
    who = replace(who, tuned={"own: vector": OTHER, "own/catch": here})
    assert who.configuration(tiny.catch()) is here and who.configuration(tiny.catch("second")) is OTHER


def test_a_rule_is_named_after_its_file_or_its_runs_folder(tmp_path):
    assert learned(tiny.save(tmp_path / "laptop" / "rule.safetensors")).name == "laptop"
    assert learned(tiny.save(tmp_path / "mine.safetensors")).name == "mine"


def test_a_rule_file_without_its_config_is_refused_by_name(tmp_path):
    path = tmp_path / "lpg.safetensors"
    who = learned(tiny.save(path))
    save_rule(path, who.rule, who.meta_params)
    with pytest.raises(ValueError, match=r"lpg\.safetensors: provenance: "):
        learned(path)
    with pytest.raises(ValueError, match="^no rule file .*absent"):
        learned(tmp_path / "absent.safetensors")


def test_fingerprint_covers_rule_meta_params_passes_and_settings(tmp_path):
    who = learned(tiny.save(tmp_path / "lpg.safetensors"))
    others = [
        learned(tiny.save(tmp_path / "other.safetensors", seed=1)),
        replace(who, epochs=2),
        replace(who, minibatches=2),
        replace(who, rule=replace(who.rule, settings=replace(who.rule.settings, rule="ta-lpg"))),
        replace(who, tuned={"own: vector": OTHER}),
    ]
    found = [own.fingerprint(tiny.catch()) for own in (who, *others)]
    assert len(set(found)) == 6 and replace(who, name="x").fingerprint(tiny.catch()) == found[0]
    assert hand_written("random").fingerprint(tiny.catch()) == hand_written("random").fingerprint(tiny.grid())


def test_digest_of_ones_own_rule_is_that_of_its_file_wherever_it_lies(tmp_path):
    text = "from lpg.rules.actor_critic import A2C\n\nmine, other = A2C(), A2C()\n"
    for folder, extra in (("here", ""), ("moved", ""), ("changed", "# again\n")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "rules.py").write_text(text + extra)
    here, moved, changed = (own_rule(f"{tmp_path}/{folder}/rules.py:mine") for folder in ("here", "moved", "changed"))
    other = own_rule(f"{tmp_path}/here/rules.py:other")
    assert here.digest == moved.digest and len({here.digest, changed.digest, other.digest}) == 3


def test_learned_rules_refuse_continuous_actions_and_hand_written_ones_do_not(tmp_path):
    who = learned(tiny.save(tmp_path / "lpg.safetensors"))
    with pytest.raises(ValueError, match=r"^own/slide has continuous actions, but lpg reads"):
        who.refuse(tiny.slide())
    who.refuse(tiny.catch())
    for name in ("random", *BASELINES):
        hand_written(name).refuse(tiny.slide())


def test_a_rule_that_counts_visits_refuses_observations_that_are_not_integers(tmp_path):
    rule = Residual(ResidualSettings("ppo", ("progress", "novelty")))
    config = tiny.CONFIG.replaced(rule="residual", **vars(rule.settings))
    save_rule(tmp_path / "mine.safetensors", rule, rule.init(jax.random.key(0)), {"config": config.to_json()})
    who = learned(tmp_path / "mine.safetensors")
    who.refuse(tiny.grid())
    with pytest.raises(ValueError, match="own/catch has observations that are not integers, but mine counts visits"):
        who.refuse(tiny.catch())


def test_a_residual_rule_learns_as_its_base_does_and_is_tuned_in_its_fields(tmp_path):
    rule = Residual(ResidualSettings("ppo", ("progress", "td_error"), ("advantage", "step")))
    weights = {"weights": np.array([[0.5, -1.0], [0.25, 2.0]], np.float32)}
    config = tiny.CONFIG.replaced(rule="residual", **vars(rule.settings))
    save_rule(tmp_path / "mine.safetensors", rule, weights, {"config": config.to_json()})
    who, ppo = learned(tmp_path / "mine.safetensors"), hand_written("ppo")
    assert who.rule == rule and (who.epochs, who.minibatches) == (ppo.epochs, ppo.minibatches)
    np.testing.assert_array_equal(who.meta_params["weights"], weights["weights"])
    assert who.configuration(tiny.grid()) == ppo.configuration(tiny.grid())
    tuned = replace(who.configuration(tiny.catch()), fields={"discount": 0.9, "clip": 0.3})
    assert who.rule_of(tuned).own_base == replace(ppo.rule, discount=0.9, clip=0.3)
    assert who.rule_of(tuned).discount == 0.9 and who.rule.choices == ppo.rule.choices
    who.refuse(tiny.slide())


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"base": "dqn"}, "ResidualSettings.base must be one of a2c, ppo, dpo, got 'dqn'"),
        ({"base": ["ppo"]}, r"residual: base must be a string, got \['ppo'\]"),
        ({"features": "progress"}, "residual: features must be a list of strings, got 'progress'"),
        ({"outputs": [3]}, r"residual: outputs must be a list of strings, got \[3\]"),
        ({"units": 2.0}, "residual: units must be an integer, got 2.0"),
        ({"units": 10**9}, "residual: units must be at most 65536, got 1000000000"),
        ({"width": 3}, "residual must be the one field and have the fields base, features, outputs"),
    ],
)
def test_a_file_of_a_residual_rule_that_cannot_be_is_refused(tmp_path, change, complaint):
    path, rule = tmp_path / "mine.safetensors", Residual()
    architecture = {"residual": rule.architecture["residual"] | change}
    write_rule(path, architecture, rule.init(jax.random.key(0)), {"config": tiny.CONFIG.to_json()})
    with pytest.raises(RuleFileError, match=f"mine.safetensors: unknown architecture: {complaint}"):
        learned(path)
