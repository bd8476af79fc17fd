"""Held-out loss against the number of updates, by learning-rate schedule, budget and start.

Every fit holds out a fifth of the training rows, whose loss is read after each epoch; test rows are
never read. The table gives the loss of the best epoch above that of the defaults (a constant rate,
2,000 updates), in nats per row, and the number of updates after which a fit was as good as they.

    python benchmarks/updates.py --data FOLDER --out benchmarks/results/updates
"""

import argparse
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from joblib import Parallel, delayed
from pairs import Pair, pairs, set_aside
from publishing import publish
from skorch.callbacks import Callback, LRScheduler
from torch.optim.lr_scheduler import OneCycleLR

from sklearn_cmmd import CMMDClassifier
from sklearn_cmmd.networks import likelihoods, mlp

HELD_OUT, BATCH = 0.2, 100
DEFAULT = "constant, 2000"
BUDGETS = (500, 1000, 2000)


def schedule(name: str, n_updates: int, learning_rate: float) -> list[Callback]:
    """Return the callback of a schedule over so many updates."""
    if name == "constant":
        return []
    if name == "cosine":
        return [LRScheduler("CosineAnnealingLR", T_max=n_updates, step_every="batch")]
    return [
        LRScheduler(
            OneCycleLR,
            max_lr=learning_rate,
            total_steps=n_updates + 1,
            cycle_momentum=False,
            step_every="batch",
        )
    ]


def settings() -> Iterator[tuple[str, str, int, float, float]]:
    """Yield name, schedule, number of updates, learning rate and gain of the last layers."""
    for name, rate in (("constant", 2e-3), ("cosine", 2e-3), ("cosine", 5e-3), ("one cycle", 1e-2)):
        for budget in BUDGETS:
            label = name if rate == 2e-3 else f"{name} from {rate:g}"
            yield f"{label}, {budget}", name, budget, rate, mlp.HEAD_GAIN
    yield "constant, full heads, 2000", "constant", 2000, 2e-3, 1.0


def curve(pair: Pair, label: str, name: str, budget: int, rate: float, gain: float) -> pd.DataFrame:
    """Fit once, and return the held-out loss after every epoch."""
    torch.set_num_threads(1)
    n_rows = len(pair.X)
    n_batches = -(-(n_rows - int(np.ceil(HELD_OUT * n_rows))) // BATCH)
    n_epochs = max(1, round(budget / n_batches))
    likelihoods.HEAD_GAIN = gain
    clf = CMMDClassifier(
        learning_rate=rate,
        max_epochs=n_epochs,
        early_stopping=True,
        n_iter_no_change=10**6,
        validation_fraction=HELD_OUT,
        callbacks=schedule(name, n_epochs * n_batches, rate),
        random_state=0,
    ).fit(pair.X, pair.y, X_missing=pair.X_missing)
    loss = np.minimum.accumulate(clf.history_["valid_loss"])
    updates = n_batches * np.arange(1, n_epochs + 1)
    return pd.DataFrame({"pair": pair.name, "setting": label, "updates": updates, "loss": loss})


def summary(curves: pd.DataFrame) -> pd.DataFrame:
    """Mean over the pairs of the loss above the defaults', and of the updates to reach them."""
    goal = curves[curves.setting == DEFAULT].groupby("pair").loss.min()
    rows = []
    for setting, part in curves.groupby("setting", sort=False):
        above = part.groupby("pair").loss.min() - goal
        reached = part[part.loss <= part.pair.map(goal) + 1e-9].groupby("pair").updates.min()
        rows.append(
            {
                "setting": setting,
                "loss above, nats": above.mean(),
                "±": above.sem(),
                "worst pair": above.max(),
                "pairs that reach the defaults": f"{len(reached)} of {len(goal)}",
                "median updates to reach them": reached.median(),
            }
        )
    return pd.DataFrame(rows).set_index("setting")


def figure(curves: pd.DataFrame, path: Path) -> None:
    """Draw the losses of each pair against the updates."""
    import matplotlib.pyplot as plt

    names = list(curves.pair.unique())
    fig, axes = plt.subplots(2, -(-len(names) // 2), figsize=(14, 6), squeeze=False)
    shown = [s for s in curves.setting.unique() if s.endswith(("2000", " 1000"))]
    for ax, name in zip(axes.flat, names, strict=False):
        for setting in shown:
            part = curves[(curves.pair == name) & (curves.setting == setting)]
            ax.plot(part.updates, part.loss, label=setting)
        low = curves[curves.pair == name].loss.min()
        first = curves[(curves.pair == name) & (curves.updates > 300)].loss.max()
        ax.set(title=name, ylim=(low - 0.05 * (first - low), first), xlabel="updates")
    axes[0, 0].set_ylabel("held-out loss, nats per row")
    axes[0, 0].legend(fontsize=7)
    fig.tight_layout()
    fig.savefig(path, dpi=80)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of .npz files")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--pairs", type=int, help="how many of the pairs; all by default")
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    jobs = [
        delayed(curve)(set_aside(pair)[0], *setting)
        for pair in islice(pairs(args.data), args.pairs)
        for setting in settings()
    ]
    curves = pd.concat(Parallel(args.jobs, verbose=1)(jobs))
    publish(summary(curves).round(3).to_string(), curves, args.out)
    if args.out:
        figure(curves, args.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
