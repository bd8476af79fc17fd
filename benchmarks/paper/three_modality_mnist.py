"""Three-modality MNIST, table 4 of the paper: with one and with two modalities missing.

The modalities are a digit, another rotated digit of the class, and a house number. Accuracy on
test rows, beside the x_O-only twin's.

    python -m benchmarks.paper.three_modality_mnist --data FOLDER --size small
"""

from dataclasses import dataclass

import pandas as pd

from benchmarks.paper.digits import SVHN_NOTE, Digits, parser, read_digits, shuffled, take, twin_of
from benchmarks.publishing import publish, summarise
from sklearn_cmmd import CMMDClassifier, Modality
from sklearn_cmmd.datasets import make_mnist_svhn

DESCRIBED = {
    "mnist": Modality("mnist"),
    "rotated": Modality("rotated", network={"decoder": "conv2d"}, likelihood="bernoulli"),
    "svhn": Modality(
        "svhn", channels="last", network={"decoder": "conv2d"}, likelihood="bernoulli"
    ),
}
CASES = {("mnist",): 0.975, ("mnist", "rotated"): 0.989}


@dataclass(frozen=True)
class Size:
    """Rows to train on and widths; the paper prints no number of epochs."""

    n_rows: int | None
    encoder: tuple[int, ...]
    prior: tuple[int, ...]
    max_epochs: int


SIZES = {
    "small": Size(12_000, (512, 512), (400,), 2),
    "paper": Size(None, (2500,) * 3, (1024,) * 3, 10),
}


def model(observed: tuple[str, ...], size: Size, seed: int) -> CMMDClassifier:
    """Return a model with the paper's encoder, and convolutional decoders."""
    return CMMDClassifier(
        observed=[Modality(name) for name in observed],
        missing=[DESCRIBED[name] for name in DESCRIBED if name not in observed],
        latent_dim=50,
        prior_hidden=size.prior,
        encoder_hidden=size.encoder,
        decoder_hidden=size.prior,
        classifier_hidden=(50, 50),
        max_epochs=size.max_epochs,
        early_stopping=False,
        random_state=seed,
    )


def scores(digits: Digits, observed: tuple[str, ...], size: Size, seed: int) -> dict:
    """Train CMMD and its twin, and score them on the test rows."""
    train = make_mnist_svhn(
        *digits.sources("train"), third="rotated", n_repeats=5, random_state=seed
    )
    test = make_mnist_svhn(*digits.sources("test"), third="rotated", n_repeats=2, random_state=seed)
    missing = [name for name in DESCRIBED if name not in observed]
    rows = shuffled(train, size.n_rows, seed)
    X, y = take(train, observed, rows), train.target[rows]
    cmmd = model(observed, size, seed).fit(X, y, X_missing=take(train, missing, rows))
    twin = twin_of(model(observed, size, seed)).fit(X, y)
    X_test = {name: test.views[name] for name in observed}
    return {
        "observed": " + ".join(observed),
        "seed": seed,
        "CMMD": cmmd.score(X_test, test.target),
        "x_O-only twin": twin.score(X_test, test.target),
    }


def main() -> None:
    args = parser(__doc__.splitlines()[0]).parse_args()
    digits, size = read_digits(args.data), SIZES[args.size]
    rows = []
    for observed in CASES:
        for seed in range(args.seeds):
            rows.append(scores(digits, observed, size, seed))
            print(rows[-1], flush=True)
    table = pd.DataFrame(rows)
    figures = summarise(table, ["observed"])
    figures["the paper"] = list(CASES.values())
    title = f"Three-modality MNIST, accuracy, {args.seeds} seeds"
    publish(f"{title}\n{figures.to_string()}\n{SVHN_NOTE}", table, args.out)


if __name__ == "__main__":
    main()
