"""What the encoders of the members teach of rows without a label, and whether they agree."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from torch import Tensor

from sklearn_cmmd._base import BaseCMMD
from sklearn_cmmd.data.batch import Batch
from sklearn_cmmd.data.rows import FitData
from sklearn_cmmd.networks.cmmd import CMMD


def taught(estimator: BaseCMMD, data: FitData) -> np.ndarray | None:
    """Return the codes of the classes that a member's encoder sees in the rows that it teaches.

    They are those without a label that have x_M; None if it does not teach classes.
    """
    plan = estimator._plan
    if not plan.teaches or plan.architecture.label_likelihood != "categorical":
        return None

    def compute(module: CMMD, batch: Batch) -> Tensor:
        q = module.posterior(batch.observed.values, batch.missing)
        assert module.classifier is not None
        code: Tensor = module.classifier(q.loc).mean.argmax(1)
        return code

    codes = estimator._over_pairs(data, compute)
    asked = ~data.labelled & data.present.any(axis=1)
    seen: np.ndarray = codes[asked[data.weight > 0]]
    return seen if len(seen) else None


def agreement(members: Sequence[np.ndarray | None]) -> float | None:
    """Return how often two members see the same class, on average over all twos of them."""
    known = [each for each in members if each is not None]
    if len(known) < 2:
        return None
    return float(np.mean([np.mean(one == other) for one, other in combinations(known, 2)]))
