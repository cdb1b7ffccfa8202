"""Episodes of a Gymnasium environment on the host, kept so that stepping them is a function of its arguments."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

ABANDONED_AFTER = 1000
"""Number of callbacks without a step after which an environment is reused for another episode, not a new one made."""

HISTORIES_PER_ENV = 32
"""Episodes remembered per environment kept, because a worker may end one on every step of a rollout."""


@dataclass
class Episode:
    """What it takes to rebuild an episode: its start and its actions."""

    start: int
    marks: list[int] = field(default_factory=list)  # mark of the state after each action
    actions: list[Any] = field(default_factory=list)
    env: Any = None  # the environment in its state after the last action, if there still is one
    last_call: int = 0  # number of the last callback that stepped it


class GymnasiumHost:
    """Environments of one kind and the episodes that are played in them.

    A program on a device may go back in time: a loop over a batch keeps computing for members that are
    finished and discards the results. An episode therefore keeps its actions; when it is stepped from
    an earlier state, it is replayed up to there. Thread-safe, and free of calls to JAX, which would
    wait for the very thread that runs the callback.

    Args:
        make: function that makes an environment.
        num_starts: number of seeds, 0..num_starts − 1, that episodes start from.
        max_envs: largest number of environments kept; beyond that, the one unused for longest is
            reused, and the episode that it belonged to must be replayed to go on.
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

    @property
    def num_envs(self) -> int:
        """Number of environments made so far."""
        return self._num_envs

    @property
    def num_idle(self) -> int:
        """Number of environments that no episode is being played in."""
        return len(self._idle)

    @property
    def num_playing(self) -> int:
        """Number of environments in which an episode is being played."""
        return len(self._bound)

    @property
    def num_episodes(self) -> int:
        """Number of episodes that are remembered."""
        return len(self._episodes)

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
            ids: ids of the episodes; an unknown one begins if its time is 0.
            starts: seeds of the episodes.
            times: steps taken so far.
            marks: marks of the states to step from.
            next_marks: marks of the states after the step.
            actions: actions as the environment takes them.
            lasts: whether the time limit ends the episode with this step.

        Returns:
            The observation, reward, terminated and truncated of each episode.

        Raises:
            RuntimeError: an episode is unknown, or has since continued from an earlier state.
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
                f"an episode of a Gymnasium environment continues after {time} steps but is unknown here: it was begun "
                f"by another process, or more than {HISTORIES_PER_ENV * self._max_envs} others have been played since"
            )
        if time > len(episode.actions) or (time > 0 and episode.marks[time - 1] != mark):
            raise RuntimeError("two rollouts continue from the same state within an episode of a Gymnasium environment")
        self._episodes.move_to_end(name)
        return episode

    def _rebuild(self, name: tuple[int, int], episode: Episode, time: int) -> None:
        """Bring an episode back to where it was after its first `time` actions, and forget what came after."""
        if episode.env is None:
            episode.env = self._take()
            self._bound[name] = episode
        del episode.actions[time:], episode.marks[time:]
        episode.env.reset(seed=episode.start)
        # Each episode has its own randomness after the start; otherwise no more episodes than starts would differ.
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
