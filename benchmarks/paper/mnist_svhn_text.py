"""MNIST-SVHN-Text, tables 5, H.1 and 6 and figure 4 of the paper: all seven observed subsets.

One model for each subset of M (digit), S (house number) and T (word). Table 5/H.1: accuracy on the
test pairs of a logistic regression on 500 training embeddings, of the model's own classifier, and
of its x_O-only twin. Table 6: coherence, how often a classifier trained on the real modality sees
the right digit in the generated one.

    python -m benchmarks.paper.mnist_svhn_text --data FOLDER --out benchmarks/results/mst

``--pairs FOLDER`` writes the pairs of each seed, on which ``peers/mnist_svhn_text.py`` trains its
models; ``--peers FOLDER`` reads what they made of them into the same tables.
"""

from argparse import Namespace
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.linear_model import LogisticRegression
from sklearn.utils import Bunch

from benchmarks.paper.digits import SVHN_NOTE, Digits, parser, read_digits, shuffled, take, twin_of
from benchmarks.paper.judges import fit_judge
from benchmarks.paper.mst_tables import (
    CELLS,
    SUBSETS,
    coherence_table,
    figure_of_samples,
    latent_table,
)
from benchmarks.publishing import publish
from sklearn_cmmd import CMMDClassifier, Modality
from sklearn_cmmd.datasets import make_mnist_svhn

NAMES = {"m": "mnist", "s": "svhn", "t": "text"}
DESCRIBED = {
    "m": Modality(
        "mnist", network={"prior": "mlp"}, likelihood="laplace", scale=0.75, weight="size"
    ),
    "s": Modality(
        "svhn",
        channels="last",
        network={"prior": "conv2d", "decoder": "conv2d"},
        likelihood="laplace",
        scale=0.75,
        weight="size",
    ),
    "t": Modality(
        "text",
        channels="last",
        network={"prior": "conv1d", "decoder": "conv1d"},
        likelihood="categorical",
        weight="size",
    ),
}
# Chosen out of 100 (the default), 500 and 2560 (10 · 256, as in the paper's code) with --held-out,
# for one observed modality, and by analogy for several: a word leaves no doubt of the digit.
ALPHA = {"m": 500, "s": 2560, "t": 100, "ms": 2560, "mt": 100, "st": 100, "mst": 100}


@dataclass(frozen=True)
class Size:
    """How much to train, on how many pairs, and how wide; the paper prints no number of epochs."""

    n_repeats: int
    n_pairs: int | None
    test_repeats: int
    batch_size: int
    max_epochs: int
    encoder: tuple[int, ...]
    judge_images: int
    judge_epochs: dict[str, int]


SIZES = {
    "small": Size(8, 38_400, 1, 128, 1, (512, 512), 10_000, {"m": 3, "s": 12, "t": 4}),
    "paper": Size(20, None, 20, 256, 10, (2500,) * 3, 60_000, {"m": 5, "s": 20, "t": 4}),
}


@dataclass(frozen=True)
class Pairs:
    """The pairs of one seed, and which of them train and which are embedded for the regression."""

    train: Bunch
    test: Bunch
    rows: np.ndarray
    probe: np.ndarray

    @property
    def y(self) -> np.ndarray:
        """Labels of the test pairs."""
        return self.test.target


def make_pairs(digits: Digits, size: Size, seed: int) -> Pairs:
    train = make_mnist_svhn(
        *digits.sources("train"), third="text", n_repeats=size.n_repeats, random_state=seed
    )
    test = make_mnist_svhn(
        *digits.sources("test"), third="text", n_repeats=size.test_repeats, random_state=1000 + seed
    )
    rows = shuffled(train, size.n_pairs, seed)
    return Pairs(train, test, rows, rows[:500])


def model(subset: str, size: Size, args: Namespace, seed: int) -> CMMDClassifier:
    """Return the prior and the decoder of tables H.3 to H.5 with a flat encoder."""
    missing = [DESCRIBED[letter] for letter in NAMES if letter not in subset]
    return CMMDClassifier(
        # Weights and likelihoods are for what is missing.
        observed=[replace(DESCRIBED[letter], weight=1.0) for letter in subset],
        missing=missing or None,
        omega=args.omega,
        alpha=args.alpha or ALPHA[subset],
        decoder_input="latent",
        prior_hidden=(400,),
        decoder_hidden=(400,),
        encoder_hidden=size.encoder,
        max_epochs=size.max_epochs,
        batch_size=size.batch_size,
        early_stopping=False,
        random_state=seed,
    )


def views(bunch: Bunch, letters: str, rows: np.ndarray | slice = slice(None)) -> dict:
    return take(bunch, [NAMES[letter] for letter in letters], rows)


def latent_accuracy(z_probe: np.ndarray, y_probe: np.ndarray, z: np.ndarray, y: np.ndarray):
    """Score a logistic regression on 500 embeddings, as the literature does."""
    return LogisticRegression(max_iter=5000).fit(z_probe, y_probe).score(z, y)


def as_judged(letter: str, generated: np.ndarray) -> np.ndarray:
    """Return what a judge reads: pixels as they are, of a text its most probable symbols."""
    if letter == "t":
        return np.eye(generated.shape[-1], dtype=np.float32)[generated.argmax(-1)]
    return generated


def score_subset(pairs: Pairs, judges: dict, subset: str, size: Size, args: Namespace, seed: int):
    """Train CMMD and its twin on one subset; return a row of figures."""
    rest = "".join(letter for letter in NAMES if letter not in subset)
    X, y = views(pairs.train, subset, pairs.rows), pairs.train.target[pairs.rows]
    X_missing = views(pairs.train, rest, pairs.rows) if rest else None
    cmmd = model(subset, size, args, seed).fit(X, y, X_missing=X_missing)
    twin = twin_of(model(subset, size, args, seed)).fit(X, y)
    X_test = views(pairs.test, subset)
    z_probe = cmmd.transform(views(pairs.train, subset, pairs.probe))
    row = {
        "model": "CMMD",
        "seed": seed,
        "subset": subset,
        "embedding": latent_accuracy(
            z_probe, pairs.train.target[pairs.probe], cmmd.transform(X_test), pairs.y
        ),
        "classifier": cmmd.score(X_test, pairs.y),
        "twin": twin.score(X_test, pairs.y),
    }
    generated = cmmd.generate_missing(X_test) if rest else {}
    for letter in rest:
        seen = as_judged(letter, generated[NAMES[letter]])
        row[f"coherence {letter}"] = judges[letter].score({NAMES[letter]: seen}, pairs.y)
    print({k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()}, flush=True)
    return row, {letter: generated[NAMES[letter]] for letter in rest}


def score_peer(file: Path, name: str, pairs: Pairs, judges: dict, seed: int) -> list[dict]:
    """Score the latents and the generations that a peer has left."""
    with np.load(file) as found:
        y = pairs.y[found["test_rows"]]
        rows = []
        for subset in SUBSETS:
            z_probe, z = found[f"latent_probe_{subset}"], found[f"latent_test_{subset}"]
            accuracy = latent_accuracy(z_probe, pairs.train.target[pairs.probe], z, y)
            row = {"model": name, "seed": seed, "subset": subset, "embedding": accuracy}
            for letter in (letter for letter in NAMES if subset in CELLS[letter]):
                values = found[f"generated_{letter}_from_{subset}"]
                seen = np.eye(71, dtype=np.float32)[values] if letter == "t" else values / 255
                judged = judges[letter].score({NAMES[letter]: seen.astype(np.float32)}, y)
                row[f"coherence {letter}"] = judged
            rows.append(row)
    return rows


def save_pairs(pairs: Pairs, digits: Digits, file: Path) -> None:
    """Write what a peer trains on: the same pairs, in the same order of the sources."""
    arrays = {"probe": np.arange(len(pairs.probe)), "text": pairs.train.views["text"].array}
    for part, bunch, rows in (("train", pairs.train, pairs.rows), ("test", pairs.test, None)):
        arrays[f"mnist_{part}"] = digits.mnist[f"images_{part}"]
        arrays[f"svhn_{part}"] = digits.svhn[f"images_{part}"]
        for name in NAMES.values():
            index = bunch.views[name].index
            arrays[f"{part}_{name}_index"] = index if rows is None else index[rows]
    np.savez(file, **arrays)


def fit_judges(digits: Digits, pairs: Pairs, size: Size) -> dict[str, CMMDClassifier]:
    """Train the three judges on training rows."""
    n = size.judge_images
    words = pairs.train.views["text"][pairs.rows[:n]], pairs.train.target[pairs.rows[:n]]
    data = {
        "m": (digits.mnist.images_train[:n], digits.mnist.target_train[:n]),
        "s": (digits.svhn.images_train, digits.svhn.target_train),
        "t": words,
    }
    fits = (
        delayed(fit_judge)(NAMES[letter], *data[letter], size.judge_epochs[letter])
        for letter in NAMES
    )
    return dict(zip(NAMES, Parallel(n_jobs=2)(fits), strict=True))


def judges_on_real_rows(judges: dict, pairs: Pairs) -> dict[str, float]:
    return {
        letter: judge.score({NAMES[letter]: pairs.test.views[NAMES[letter]]}, pairs.y)
        for letter, judge in judges.items()
    }


def train_all(pairs: list[Pairs], judges: dict, size: Size, args: Namespace) -> list[dict]:
    """Train and score a model for each seed and subset; draw what the first seed generates."""
    tasks = [(seed, subset) for subset in args.subsets for seed in range(args.seeds)]
    results = Parallel(n_jobs=2)(
        delayed(score_subset)(pairs[seed], judges, subset, size, args, seed)
        for seed, subset in tasks
    )
    if args.out and set(args.subsets) == set(SUBSETS):
        samples = {
            subset: made
            for (seed, subset), (_, made) in zip(tasks, results, strict=True)
            if seed == 0
        }
        figure_of_samples(samples, pairs[0].y, args.out.with_suffix(".png"))
    return [row for row, _ in results]


def kept(file: Path | None) -> list[dict]:
    """Return the rows of CMMD of an earlier run."""
    if file is None:
        return []
    rows = pd.read_csv(file)
    return rows[rows["model"] == "CMMD"].to_dict("records")


def options() -> Namespace:
    made = parser(__doc__.splitlines()[0])
    made.add_argument("--omega", type=float, default=0.5)
    made.add_argument("--pairs", type=Path, help="folder to write the pairs to, and stop")
    made.add_argument("--alpha", type=float, help="one α for all subsets, instead of ours")
    made.add_argument("--subsets", nargs="+", choices=SUBSETS, default=SUBSETS)
    made.add_argument(
        "--held-out", action="store_true", help="score on the last fifth of the training rows"
    )
    made.add_argument("--keep", type=Path, help="csv of an earlier run: only the peers are new")
    made.add_argument("--peers", type=Path, help="folder of the peers' files <model>_<seed>.npz")
    return made.parse_args()


def main() -> None:
    args = options()
    digits, size = read_digits(args.data, args.held_out), SIZES[args.size]
    pairs = [make_pairs(digits, size, seed) for seed in range(args.seeds)]
    if args.pairs:
        for seed, some in enumerate(pairs):
            save_pairs(some, digits, args.pairs / f"pairs_{seed}.npz")
        return
    judges = fit_judges(digits, pairs[0], size)
    rows = kept(args.keep) or train_all(pairs, judges, size, args)
    for file in sorted(args.peers.glob("*_*.npz")) if args.peers else []:
        name, _, seed = file.stem.rpartition("_")
        rows += score_peer(file, name, pairs[int(seed)], judges, int(seed))
    table = pd.DataFrame(rows)
    real = judges_on_real_rows(judges, pairs[0])
    title = f"MNIST-SVHN-Text, {args.size}, {len(pairs[0].rows):,} pairs, {args.seeds} seeds"
    parts = [title, latent_table(table), coherence_table(table, real), SVHN_NOTE]
    if not args.peers:
        parts.append("MoPoE, MMVAE and MVAE: not installed or not run, see peers/README.rst.")
    publish("\n\n".join(parts), table, args.out)


if __name__ == "__main__":
    main()
