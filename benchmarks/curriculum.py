"""What a generation with GROOVE's curriculum costs beside one with domain randomisation, turn by turn."""

from typing import Any

from benchmarks.generation import Generations
from benchmarks.readings import Reading, Subject
from benchmarks.settings import settings_of
from benchmarks.timing import seconds_in_turns
from groove.config import TrainConfig
from groove.job.devices import lives_mesh

TURNS = 9


def measure(name: str, config: dict[str, Any], turns: int = TURNS) -> list[Reading]:
    """Seconds with either curriculum: GROOVE replays half the levels and trains two A2C antagonists on each new one.

    Args:
        name: of the setting.
        config: JSON of its config, of domain randomisation.
        turns: generations timed of each.

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
