"""Three-modality MNIST, table 4 of the paper: with one and with two modalities missing.

The modalities are a digit, another rotated digit of the class, and a house number. Accuracy on
test rows, beside the x_O-only twin's.

    python -m benchmarks three_modality_mnist --data FOLDER --size small
"""

from argparse import Namespace
from typing import NamedTuple

import pandas as pd

from benchmarks.paper import digits
from benchmarks.paper.digits import Sources, take
from benchmarks.reports import Record, summarise
from sklearn_cmmd import CMMDClassifier, Modality, Networks
from sklearn_cmmd.datasets import make_mnist_svhn

IMAGE = {"network": {"decoder": "conv2d"}, "likelihood": "bernoulli"}
DESCRIBED = {
    "mnist": Modality("mnist"),
    "rotated": Modality("rotated", **IMAGE),
    "svhn": Modality("svhn", channels="last", **IMAGE),
}
CASES = {("mnist",): 0.975, ("mnist", "rotated"): 0.989}


class Size(NamedTuple):
    """Rows to train on and widths; the paper prints no number of epochs."""

    n_rows: int | None
    n_repeats: int
    encoder: tuple[int, ...]
    prior: tuple[int, ...]
    max_epochs: int


SIZES = {
    "quick": Size(200, 1, (64,), (64,), 1),
    "small": Size(12_000, 5, (512, 512), (400,), 2),
    "paper": Size(None, 5, (2500,) * 3, (1024,) * 3, 10),
}


def model(observed: tuple[str, ...], missing: list[str], size: Size, seed: int) -> CMMDClassifier:
    """Return a model with the paper's encoder, and convolutional decoders."""
    return CMMDClassifier(
        observed=[Modality(name) for name in observed],
        missing=[DESCRIBED[name] for name in missing],
        latent_dim=50,
        hidden_layer_sizes=size.prior,
        networks=Networks(encoder_hidden=size.encoder, classifier_hidden=(50, 50)),
        max_epochs=size.max_epochs,
        early_stopping=False,
        random_state=seed,
    )


def scores(sources: Sources, size: Size, seed: int) -> list[Record]:
    """Train CMMD and its twin in each case, and score them on the test rows."""
    numbers, found = {"train": size.n_repeats, "test": 2}, []
    train, test = (
        make_mnist_svhn(
            *digits.part(sources, part), third="rotated", n_repeats=n, random_state=seed
        )
        for part, n in numbers.items()
    )
    rows = digits.shuffled(train, size.n_rows, seed)
    for observed in CASES:
        missing = [name for name in DESCRIBED if name not in observed]
        views = take(train, observed, rows), train.target[rows], take(train, missing, rows)
        cmmd, twin = digits.with_twin(model(observed, missing, size, seed), *views)
        about = {"observed": " + ".join(observed), "seed": seed}
        models = {"CMMD": cmmd, "x_O-only twin": twin}
        X_test = take(test, observed)
        found.append(about | {k: each.score(X_test, test.target) for k, each in models.items()})
    return found


def text_of(table: pd.DataFrame) -> str:
    """Write means and standard errors over the seeds so far, and what the paper has."""
    figures = summarise(table, ["observed"]).assign(**{"the paper": list(CASES.values())})
    title = f"Three-modality MNIST, accuracy, {table.seed.nunique()} seeds"
    return f"{title}\n{figures.to_string()}\n{digits.SVHN_NOTE}"


add_options = digits.add_options


def run(args: Namespace) -> None:
    """Run every seed."""
    sources, size = digits.read_both(args), digits.size_of(SIZES, args)
    digits.over_seeds(args, lambda seed: scores(sources, size, seed), text_of)
