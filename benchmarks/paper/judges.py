"""Judges: classifiers of real single modalities, with the prior's network of tables H.3 to H.5."""

import numpy as np

from sklearn_cmmd import CMMDClassifier, Modality
from sklearn_cmmd.datasets import IndexedArray

BODIES = {
    "mnist": Modality("mnist", network="conv2d"),
    "svhn": Modality("svhn", channels="last", network="conv2d"),
    "text": Modality("text", channels="last", network="conv1d"),
}


def fit_judge(name: str, rows: np.ndarray | IndexedArray, y: np.ndarray, epochs: int):
    """Train a classifier of one modality: a CMMD with nothing missing, of the label alone."""
    if not isinstance(rows, IndexedArray):
        rows = IndexedArray(rows, np.arange(len(rows)), 1 / 255)
    judge = CMMDClassifier(
        observed=[BODIES[name]],
        omega=0,
        lam=0,
        encoder_hidden=(),
        max_epochs=epochs,
        batch_size=128,
        early_stopping=False,
        random_state=0,
    )
    return judge.fit({name: rows}, y)
