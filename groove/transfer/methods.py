"""What is compared: a rule of its own, or a group of rules of several meta-seeds."""

from dataclasses import replace
from pathlib import Path

from groove.config import TrainConfig
from groove.records.group_folder import GroupFolder
from groove.rules import read_discovered_rule
from groove.transfer.contestants import HAND_WRITTEN, Contestant
from lpg.rule_file import read_rule_header
from lpg.update_rule import passes_of


def learned_group(path: Path | str) -> list[Contestant]:
    """Load the rules of a group, which are compared with others as one method.

    Args:
        path: folder of the group.

    Returns:
        A contestant for each meta-seed, named GROUP/seed-N.

    Raises:
        RunFolderError: the folder is not that of a group, or a rule is not of this group.
        RuleFileError, ValueError: as for `learned`, or a run of the group is not finished.
    """
    folder = GroupFolder(path).check()
    content = folder.read_config()
    shared, name = TrainConfig.from_json(content["config"]), folder.path.resolve().name
    members = []
    for seed in content["seeds"]:
        run = folder.run(seed)
        done = read_rule_header(run.rule_path).provenance.get("generations") if run.rule_path.exists() else 0
        if done != shared.run.generations:
            raise ValueError(
                f"{run.path}: {done} of {shared.run.generations} generations are done; finish the group with: "
                f"groove resume {path}"
            )
        rule, meta_params, config = read_discovered_rule(run.rule_path)
        folder.refuse_stranger(run.rule_path, config, shared.replaced(seed=seed))
        shown = f"{name}/{run.path.name}"
        members.append(Contestant(shown, rule, meta_params, *passes_of(rule), config=config, group=name))
    return members


def members_by_group(contestants: list[Contestant]) -> dict[str, list[str]]:
    """Return the names of the contestants of each group.

    Args:
        contestants: contestants with unique names.

    Returns:
        Names by group; rules of their own are left out.
    """
    found: dict[str, list[str]] = {}
    for contestant in contestants:
        if contestant.group is not None:
            found.setdefault(contestant.group, []).append(contestant.name)
    return found


def named_apart(methods: list[list[Contestant]]) -> list[Contestant]:
    """Give every method and contestant a unique name, adding numbers where names collide.

    A learned rule never keeps the name of a hand-written one.

    Args:
        methods: methods whose names may repeat: a single contestant, or all of a group.

    Returns:
        The contestants of all methods, with unique names: "laptop", "laptop 2", …
    """
    given = {contestants[0].method for contestants in methods}
    taken: set[str] = set()
    named: list[Contestant] = []
    for contestants in methods:
        first = contestants[0]
        name, number = first.method, 1
        while name in taken or (number > 1 and name in given) or (first.is_learned and name in HAND_WRITTEN):
            number += 1
            name = f"{first.method} {number}"
        taken.add(name)
        named += [
            replace(own, name=name + own.name.removeprefix(own.method), group=None if own.group is None else name)
            for own in contestants
        ]
    return named
