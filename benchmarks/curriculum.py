"""The cost of a generation with GROOVE's curriculum against one with domain randomisation, timed in turn."""

from typing import Any

from benchmarks.generation import Generations
from benchmarks.readings import Reading, Subject
from benchmarks.settings import settings_of
from benchmarks.timing import seconds_in_turns
from groove.config import TrainConfig
from groove.job.devices import lives_mesh

TURNS = 9


def measure(name: str, config: dict[str, Any], turns: int = TURNS) -> list[Reading]:
    """Time both curricula; GROOVE replays half the levels and trains two A2C antagonists on each new level.

    Args:
        name: name of the setting.
        config: JSON of its config, with domain randomisation.
        turns: number of generations timed with each.

    Returns:
        The readings.
    """
    chosen = TrainConfig.from_json(config)
    mesh = lives_mesh(chosen.run.devices)
    arms = [Generations(chosen.replaced(curriculum=curriculum), mesh) for curriculum in ("dr", "plr")]
    seconds = seconds_in_turns(arms, turns)
    subject = Subject("curriculum", name, settings_of(chosen))
    return [
        subject.reading("DR", "s", [same for same, _ in seconds]),
        subject.reading("GROOVE", "s", [groove for _, groove in seconds]),
        subject.reading("GROOVE / DR", "x", [groove / same for same, groove in seconds]),
    ]
