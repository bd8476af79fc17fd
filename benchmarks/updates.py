"""Held-out loss against the number of updates, by learning-rate schedule, budget and start.

Every fit holds out a fifth of the training rows, whose loss is read after each epoch; test rows are
never read. The table gives the loss of the best epoch above that of the defaults (a constant rate,
2,000 updates), in nats per row, and the number of updates after which a fit was as good as they.

    python -m benchmarks updates --data FOLDER --only fourier zernike scenes land --out OUT
"""

import math
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from joblib import Parallel, delayed
from skorch.callbacks import Callback, LRScheduler
from torch.optim.lr_scheduler import OneCycleLR

from benchmarks.options import add_shared
from benchmarks.pairs import DEVELOPMENT, Pair, chosen
from benchmarks.reports import publish
from benchmarks.splits import set_aside
from benchmarks.variants import BATCH, AtStart, full_heads
from sklearn_cmmd import CMMDClassifier

HELD_OUT = 0.2
BUDGETS = (500, 1000, 2000)
RATE = 2e-3  # the default


@dataclass(frozen=True)
class Setting:
    """A schedule of the learning rate over so many updates, and how the last layers start."""

    schedule: str = "constant"
    n_updates: int = 2000
    rate: float = RATE
    full_heads: bool = False

    @property
    def name(self) -> str:
        """What it is called in tables."""
        rate = "" if self.rate == RATE else f" from {self.rate:g}"
        heads = ", full heads" if self.full_heads else ""
        return f"{self.schedule}{rate}{heads}, {self.n_updates}"

    def callbacks(self, n_updates: int) -> list[Callback]:
        """Return what changes the rate in so many updates, and the last layers."""
        made: list[Callback] = [AtStart(full_heads)] if self.full_heads else []
        if self.schedule == "cosine":
            made.append(LRScheduler("CosineAnnealingLR", T_max=n_updates, step_every="batch"))
        if self.schedule == "one cycle":
            cycle = {"max_lr": self.rate, "total_steps": n_updates + 1, "cycle_momentum": False}
            made.append(LRScheduler(OneCycleLR, step_every="batch", **cycle))
        return made


DEFAULT = Setting()


def settings(budgets: tuple[int, ...]) -> Iterator[Setting]:
    """Yield all schedules with all budgets, and the defaults with other last layers."""
    for name, rate in (("constant", RATE), ("cosine", RATE), ("cosine", 5e-3), ("one cycle", 1e-2)):
        for n_updates in budgets:
            yield Setting(name, n_updates, rate)
    yield Setting(n_updates=budgets[-1], full_heads=True)


def curve(pair: Pair, setting: Setting) -> pd.DataFrame:
    """Fit once, and return the least held-out loss so far after every epoch."""
    torch.set_num_threads(1)
    n_rows = len(pair.X)
    n_batches = math.ceil((n_rows - math.ceil(HELD_OUT * n_rows)) / BATCH)
    n_epochs = max(1, round(setting.n_updates / n_batches))
    clf = CMMDClassifier(
        learning_rate=setting.rate,
        max_epochs=n_epochs,
        early_stopping=True,
        n_iter_no_change=n_epochs,
        validation_fraction=HELD_OUT,
        callbacks=setting.callbacks(n_epochs * n_batches),
        random_state=0,
    ).fit(pair.X, pair.y, X_missing=pair.X_missing)
    loss = np.minimum.accumulate(clf.history_["valid_loss"])
    updates = n_batches * np.arange(1, n_epochs + 1)
    return pd.DataFrame(
        {"pair": pair.name, "setting": setting.name, "updates": updates, "loss": loss}
    )


def summary(curves: pd.DataFrame, default: str) -> pd.DataFrame:
    """Mean over the pairs of the loss above the defaults', and of the updates to reach them."""
    goal = curves[curves.setting == default].groupby("pair").loss.min()
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

    curves = curves[curves.setting.str.endswith(("2000", " 1000"))]
    names = list(curves.pair.unique())
    fig, axes = plt.subplots(2, math.ceil(len(names) / 2), figsize=(14, 6), squeeze=False)
    for ax, name in zip(axes.flat, names, strict=False):
        lines = curves[curves.pair == name].pivot(index="updates", columns="setting", values="loss")
        lines = lines[curves.setting.unique()]
        for setting in lines:
            lines[setting].dropna().plot(ax=ax, label=setting)
        low, high = lines.min().min(), lines[lines.index > 300].max().max()
        ax.set(title=name, ylim=(low - 0.05 * (high - low), high), xlabel="updates")
    axes[0, 0].set_ylabel("held-out loss, nats per row")
    axes[0, 0].legend(fontsize=7)
    fig.tight_layout()
    fig.savefig(path, dpi=80)
    plt.close(fig)


def add_options(parser: ArgumentParser) -> None:
    """Add the options of this benchmark."""
    add_shared(parser, "--data", "--only", "--jobs", jobs=2)


def run(args: Namespace) -> None:
    """Fit everything, and write table and figure."""
    budgets = (20,) if args.quick else BUDGETS
    jobs = [
        delayed(curve)(set_aside(pair)[0], setting)
        for pair in chosen(args, DEVELOPMENT)
        for setting in settings(budgets)
    ]
    curves = pd.concat(Parallel(args.jobs, verbose=1)(jobs))
    default = Setting(n_updates=budgets[-1]).name
    publish(summary(curves, default).round(3).to_string(), args, curves)
    if args.out is not None and not args.quick:
        figure(curves, args.out.with_suffix(".png"))
