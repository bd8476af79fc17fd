"""One random_state to the independent seeds of a fit; no global generator is touched."""

from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import torch


def seed_sequence(random_state: int | np.random.RandomState | None) -> np.random.SeedSequence:
    """Return the root of all randomness of an estimator.

    An int gives the same sequence every time, a RandomState is advanced, and None takes entropy
    from the operating system, so that NumPy's global stream stays as it is.
    """
    if random_state is None:
        return np.random.SeedSequence()
    if isinstance(random_state, np.random.RandomState):
        return np.random.SeedSequence(random_state.randint(2**31, size=4).tolist())
    if not isinstance(random_state, Integral) or random_state < 0:
        raise ValueError(
            "random_state must be a non-negative int, a numpy.random.RandomState or None. "
            f"Got {random_state!r} instead."
        )
    return np.random.SeedSequence(int(random_state))


def state_of(root: np.random.SeedSequence) -> dict[str, Any]:
    """Return a root in plain values, from which `numpy.random.SeedSequence` makes it again."""
    return {"entropy": root.entropy, "n_children_spawned": root.n_children_spawned}


@dataclass(frozen=True)
class Seeds:
    """Seeds of the independent streams of one training run."""

    split: int
    init: int
    shuffle: int
    noise: int
    validation: int
    dropout: int

    @classmethod
    def spawn(cls, root: np.random.SeedSequence) -> "Seeds":
        """Take the next seeds of the root, other ones at each call."""
        (child,) = root.spawn(1)
        # Non-negative and below 2**31 is what both scikit-learn and torch accept.
        return cls(*[int(word >> 1) for word in child.generate_state(6)])


def generator(seed: int, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a generator of the device that starts at the seed."""
    return torch.Generator(device).manual_seed(seed)


def uniform_streams(
    random_state: int | np.random.RandomState | None, n_streams: int
) -> list[np.random.Generator]:
    """Return independent streams, each of which is drawn from row after row.

    NumPy fills arrays one number after the other, so that the first rows get the same numbers
    whatever follows them, and on every device.
    """
    children = seed_sequence(random_state).spawn(n_streams)
    return [np.random.default_rng(child) for child in children]
