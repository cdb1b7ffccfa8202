"""Episodes of a Gymnasium environment on the host, so kept that stepping them is a function of its arguments."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

ABANDONED_AFTER = 1000
"""Callbacks after which an environment that was not stepped in is used for another episode, before one is made."""

HISTORIES_PER_ENV = 32
"""Episodes remembered for each environment that is kept: a worker may end one on every step of a rollout."""


@dataclass
class Episode:
    """What rebuilds an episode: its start and what was done in it."""

    start: int
    marks: list[int] = field(default_factory=list)  # mark of the state after each action
    actions: list[Any] = field(default_factory=list)
    env: Any = None  # the environment that stands after the last action, if one still does
    last_call: int = 0  # number of the last callback that stepped it


class GymnasiumHost:
    """Environments of one kind and the episodes that are played in them.

    A program on a device may go back: a loop over a batch goes on computing for the members that are
    through, and drops what comes out. So an episode keeps its actions; stepped from an earlier state,
    it is played again up to there. Thread-safe, and free of calls to JAX, which would wait for the
    very thread that runs the callback.

    Args:
        make: makes an environment.
        num_starts: seeds 0..num_starts − 1 that episodes start from.
        max_envs: environments kept at most; beyond that the one unused for longest is taken over, and
            the episode that it belonged to must be played again to go on.
    """

    def __init__(self, make: Callable[[], Any], num_starts: int, max_envs: int) -> None:
        self._make = make
        self._max_envs = max_envs
        self._lock = threading.Lock()
        self._idle: list[Any] = []
        self._num_envs = self._num_calls = 0
        self._episodes: OrderedDict[tuple[int, int], Episode] = OrderedDict()
        self._bound: OrderedDict[tuple[int, int], Episode] = OrderedDict()
        env = self._take()
        self.first_observations = [env.reset(seed=start)[0] for start in range(num_starts)]
        self._idle.append(env)

    def step(
        self,
        ids: Sequence[tuple[int, int]],
        starts: Sequence[int],
        times: Sequence[int],
        marks: Sequence[int],
        next_marks: Sequence[int],
        actions: Sequence[Any],
        lasts: Sequence[bool],
    ) -> list[tuple[Any, float, bool, bool]]:
        """Step several episodes.

        Args:
            ids: of the episodes; unknown ones begin where the time is 0.
            starts: their seeds.
            times: steps taken so far.
            marks: of the states to step from.
            next_marks: of the states after it.
            actions: as the environment takes them.
            lasts: whether the time limit ends the episode with this step.

        Returns:
            For each episode the observation, reward, terminated, truncated.

        Raises:
            RuntimeError: an episode is not known, or went on from an earlier state since.
        """
        with self._lock:
            self._num_calls += 1
            return [self._step(*one) for one in zip(ids, starts, times, marks, next_marks, actions, lasts, strict=True)]

    def _step(
        self, name: tuple[int, int], start: int, time: int, mark: int, next_mark: int, action: Any, last: bool
    ) -> tuple[Any, float, bool, bool]:
        episode = self._find(name, start, time, mark)
        if episode.env is None or len(episode.actions) != time:
            self._rebuild(name, episode, time)
        self._bound.move_to_end(name)
        episode.last_call = self._num_calls
        observation, reward, terminated, truncated, _ = episode.env.step(action)
        episode.actions.append(action)
        episode.marks.append(next_mark)
        if terminated or truncated or last:
            self._release(name)
        return observation, float(reward), bool(terminated), bool(truncated)

    def _find(self, name: tuple[int, int], start: int, time: int, mark: int) -> Episode:
        episode = self._episodes.get(name)
        if episode is None and time == 0:
            episode = self._episodes[name] = Episode(start)
            while len(self._episodes) > HISTORIES_PER_ENV * self._max_envs:
                oldest = next(iter(self._episodes))
                self._release(oldest)
                del self._episodes[oldest]
        if episode is None:
            raise RuntimeError(
                f"an episode of a Gymnasium environment goes on after {time} steps, but is not known here: it was "
                f"begun by another process, or more than {HISTORIES_PER_ENV * self._max_envs} others were played since"
            )
        if time > len(episode.actions) or (time > 0 and episode.marks[time - 1] != mark):
            raise RuntimeError("two rollouts go on from one state amid an episode of a Gymnasium environment")
        self._episodes.move_to_end(name)
        return episode

    def _rebuild(self, name: tuple[int, int], episode: Episode, time: int) -> None:
        """Bring an episode to where it was after its first `time` actions, and forget what came after."""
        if episode.env is None:
            episode.env = self._take()
            self._bound[name] = episode
        del episode.actions[time:], episode.marks[time:]
        episode.env.reset(seed=episode.start)
        # What follows the start is the episode's own, else the pool of starts would be all there is to see.
        episode.env.unwrapped.np_random = np.random.default_rng(name)
        for action in episode.actions:
            episode.env.step(action)

    def _take(self) -> Any:
        if self._idle:
            return self._idle.pop()
        oldest = next(iter(self._bound.values()), None)
        abandoned = oldest is not None and self._num_calls - oldest.last_call > ABANDONED_AFTER
        if self._num_envs < self._max_envs and not abandoned:
            self._num_envs += 1
            return self._make()
        _, episode = self._bound.popitem(last=False)
        env, episode.env = episode.env, None
        return env

    def _release(self, name: tuple[int, int]) -> None:
        episode = self._bound.pop(name, None)
        if episode is not None:
            self._idle.append(episode.env)
            episode.env = None
