"""What is compared: groups of rules, refused unless they are whole and of one group, and names that are unique."""

import json

import jax
import pytest

from groove.records.group_folder import GroupFolder
from groove.transfer.contestants import Contestant, hand_written, learned
from groove.transfer.methods import learned_group, members_by_group, named_apart
from lpg.rules.residual import Residual
from lpg.saved_rules import save_rule
from lpg.settings import ResidualSettings
from tests.groove.transfer import tiny


@pytest.fixture
def group(tmp_path):
    """The folder of a finished group of the seeds 4 and 2."""
    return tiny.save_group(tmp_path / "mine", (4, 2))


def test_rules_of_a_group_are_contestants_of_one_method(group):
    members = learned_group(group)
    assert [(who.name, who.group, who.method) for who in members] == [
        (f"mine/seed-{seed}", "mine", "mine") for seed in (4, 2)
    ]
    assert [who.config.run.seed for who in members] == [4, 2] and all(who.is_learned for who in members)
    environment = tiny.catch()
    assert members[0].fingerprint(environment) != members[1].fingerprint(environment)
    # By itself, a rule of the group keeps its name and is of no group.
    alone = learned(group / "seed-2")
    assert (alone.name, alone.group) == ("mine/seed-2", None)
    assert members_by_group([alone, *members]) == {"mine": ["mine/seed-4", "mine/seed-2"]}


def test_residual_rules_of_a_group_learn_as_their_base_does(tmp_path):
    rule, config = Residual(ResidualSettings("ppo")), tiny.CONFIG.replaced(rule="residual")
    with GroupFolder.create(tmp_path / "own") as folder:
        folder.write_config({"seeds": [0, 1], "config": config.to_json()})
    for seed in (0, 1):
        path = folder.run(seed).rule_path
        path.parent.mkdir()
        provenance = {"config": config.replaced(seed=seed).to_json(), "generations": config.run.generations}
        save_rule(path, rule, rule.init(jax.random.key(0)), provenance)
    ppo = hand_written("ppo")
    for member in learned_group(tmp_path / "own"):
        assert (member.epochs, member.minibatches) == (ppo.epochs, ppo.minibatches) == (4, 4)
        assert member.configuration(tiny.grid()) == ppo.configuration(tiny.grid())


def test_group_that_is_not_finished_is_refused(group):
    with pytest.raises(
        ValueError, match=r"seed-2: 7 of 2500 generations are done; finish the group with: groove resume"
    ):
        tiny.save(group / "seed-2/rule.safetensors", generations=7, run_seed=2)
        learned_group(group)
    (group / "seed-2/rule.safetensors").unlink()
    with pytest.raises(ValueError, match="seed-2: 0 of 2500 generations are done"):
        learned_group(group)


def test_rule_of_another_run_is_not_taken_for_one_of_the_group(group):
    tiny.save(group / "seed-2/rule.safetensors", run_seed=3)
    with pytest.raises(ValueError, match=r"seed-2/rule\.safetensors: not of the group .*mine, whose seed differ"):
        learned_group(group)
    content = json.loads((group / "group.json").read_text())
    content["config"]["sigma"] = 0.5
    (group / "group.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"seed-4/rule\.safetensors: not of the group .*mine, whose sigma differ"):
        learned_group(group)


def names(*methods):
    return [(who.name, who.group) for who in named_apart(methods)]


@pytest.mark.parametrize(
    ("given", "apart"),
    [
        (["a", "b"], ["a", "b"]),
        (["a", "a", "b", "a"], ["a", "a 2", "b", "a 3"]),
        (["a", "a 2", "a"], ["a", "a 2", "a 3"]),
    ],
)
def test_rules_with_the_same_name_get_numbers(given, apart):
    assert names(*([Contestant(name)] for name in given)) == [(name, None) for name in apart]


def test_groups_with_the_same_name_get_numbers(group):
    members = learned_group(group)
    assert names(members, [Contestant("mine")], members) == [
        ("mine/seed-4", "mine"),
        ("mine/seed-2", "mine"),
        ("mine 2", None),
        ("mine 3/seed-4", "mine 3"),
        ("mine 3/seed-2", "mine 3"),
    ]


def test_a_learned_rule_never_takes_the_name_of_a_hand_written_one(tmp_path):
    # PPO anchors the scores, so a file called ppo.safetensors must not pass for it.
    rules = [[Contestant(name, config=tiny.CONFIG)] for name in ("ppo", "random", "mine")]
    assert [name for name, _ in names(*rules, [hand_written("ppo")])] == ["ppo 2", "random 2", "mine", "ppo"]
    members = learned_group(tiny.save_group(tmp_path / "a2c", (0, 1)))
    assert names(members)[0] == ("a2c 2/seed-0", "a2c 2")
    assert GroupFolder.is_group(tmp_path / "a2c") and not GroupFolder.is_group(tmp_path)
