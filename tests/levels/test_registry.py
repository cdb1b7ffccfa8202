"""Every source of levels by name."""

import subprocess
import sys

import pytest

from levels.generators.distributions import DISTRIBUTIONS
from levels.generators.mazes import MAZE_NAMES
from levels.generators.named import NAMED_WORLDS
from levels.registry import GENERATORS, generator
from levels.worlds.chains import CHAINS


def test_registry_names_every_generator():
    chains, mazes = (f"chain_{name}" for name in CHAINS), (f"maze_{name}" for name in MAZE_NAMES)
    assert list(GENERATORS) == [*DISTRIBUTIONS, *NAMED_WORLDS, *chains, *mazes]
    assert len(GENERATORS) == 4 + 10 + 5 + 11


@pytest.mark.parametrize("name", GENERATORS)
def test_generator_builds_an_equal_one_each_time(name):
    built = generator(name)
    assert built == generator(name) and hash(built) == hash(generator(name))
    assert built.world.num_actions in (2, 5)


def test_generator_returns_the_one_with_the_name():
    assert generator("small") is DISTRIBUTIONS["small"]
    assert generator("random_small") is NAMED_WORLDS["random_small"]
    assert generator("chain_distractor") is CHAINS["distractor"]
    assert generator("maze_four_rooms").rows[6] == "###.######.##"


def test_generator_lists_the_known_names():
    with pytest.raises(ValueError, match="unknown level distribution 'huge'; known: small, medium, .*maze_comb_long"):
        generator("huge")


def test_registry_imports_without_jax():
    code = "import sys, levels.registry; sys.exit('jax' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
