"""The smallest run, and a population that costs nothing, to test everything around the agents' lives."""

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

import groove.building
import groove.commands.levels
import groove.commands.running
import groove.run.run_parts
import groove.run.train
from groove.config import TrainConfig
from groove.discovery.population import LifeResults, Lives
from groove.run.run_parts import RunParts
from lpg.cores.low_rank import rows, whole
from lpg.value_losses import ValueLosses

SMALLEST = TrainConfig.of(
    levels="chain_short",
    lifetime=(2, 3),
    hidden_size=8,
    embedding_size=2,
    prediction_size=2,
    workers=2,
    rollout_length=4,
    population=4,
    generations=6,
    validation_every=2,
    heldout_levels=4,
    checkpoint_every=2,
    tune_configurations=1,
    devices=2,
)
"""Chains have no exact solver to compile."""


@dataclass(frozen=True)
class StubPopulation:
    """Stands in for `Population`: a life's return is a smooth function of its rule and its key."""

    learner: Any
    mesh: Any
    chunk_size: int
    value_probe: Any = None
    exact: Any = None
    num_episodes: int | None = None

    def live(self, meta_params: Any, lives: Lives) -> LifeResults:
        """Return outcomes with returns in about -1..1, without a single step."""
        rules = meta_params
        if lives.candidates is None:
            rules = jax.tree.map(lambda x: jnp.broadcast_to(x, (*lives.lengths.shape, *x.shape)), meta_params)
        else:
            rules = whole(rows(meta_params, lives.candidates))
        worth = sum((jnp.mean(jnp.sin(leaf.reshape(leaf.shape[0], -1)), axis=1) for leaf in jax.tree.leaves(rules)), 0)
        luck = 0.1 * jax.vmap(jax.random.uniform)(lives.keys)
        returns = worth + luck
        losses = None if self.value_probe is None else ValueLosses(luck, 2 * luck, returns)
        return LifeResults(
            returns=returns,
            episode_returns=jnp.stack([returns - 0.05, returns + 0.05], axis=1),
            curve=returns[:, None],
            value_losses=losses,
            num_updates=lives.lengths,
            updates_run=jnp.sum(lives.lengths),
        )


@functools.cache
def shared_parts(kind: type, config: TrainConfig) -> RunParts:
    """Return the parts of runs of one config, which all commands in this process share.

    Args:
        kind: class of their populations; `stub_populations` sets it.
        config: config of the runs.

    Returns:
        The parts, with the programs that they have compiled.
    """
    del kind
    return RunParts(config)


def stub_populations(monkeypatch: Any, kind: type = StubPopulation) -> None:
    """Let every run of this test build populations of a kind, and compile the programs of a config only once.

    Args:
        monkeypatch: pytest's fixture.
        kind: class with the interface of StubPopulation.
    """

    def build(config: TrainConfig, mesh: Any, learner: Any, value_probe: Any = None) -> Any:
        return kind(learner, mesh, config.run.chunk or 64, value_probe)

    for module in (groove.building, groove.run.run_parts):
        monkeypatch.setattr(module, "build_population", build)

    def parts(config: TrainConfig, start_from: Path | str | None = None) -> RunParts:
        return shared_parts(kind, config) if start_from is None else RunParts(config, start_from)

    monkeypatch.setattr(groove.run.train, "RunParts", parts)


def settle_devices(monkeypatch: Any) -> None:
    """Let commands run in this process, whose devices can no longer be chosen.

    Args:
        monkeypatch: pytest's fixture.
    """
    for module in (groove.commands.running, groove.commands.levels):
        monkeypatch.setattr(module, "configure", lambda num_devices: None)


def metrics(folder: Path) -> list[dict[str, Any]]:
    """A run's rows of metrics.

    Args:
        folder: of the run.

    Returns:
        A row for each generation.
    """
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
