"""What a training run shows while it goes on: a bar, or a line for each epoch in a log."""

import multiprocessing
import shutil
import sys
import time
from typing import Any

SHOWN = ("train_loss", "valid_loss")


class Progress:
    """Shows epochs and losses, unless `verbose` is 0; `first` and `last` are numbers of epochs.

    Processes beside each other would write their bars over one another, so that each of them prints
    lines with its name.
    """

    def __init__(self, verbose: int, first: int, last: int) -> None:
        self.verbose = verbose
        self.last = last
        self.start = time.perf_counter()
        self.title = "CMMD"
        self.bar: Any = None
        if multiprocessing.parent_process() is not None:
            self.title += f" in {multiprocessing.current_process().name}"
        elif verbose and (_is_terminal() or "ipykernel" in sys.modules):
            self.bar = _bar(total=last, initial=first, desc=self.title, unit="epoch")

    def epoch(self, number: int, losses: dict[str, float]) -> None:
        """Tell of an epoch that is done."""
        if not self.verbose:
            return
        shown = {name: f"{losses[name]:.4g}" for name in SHOWN if name in losses}
        if self.bar is not None:
            self.bar.set_postfix(shown, refresh=False)
            self.bar.update()
            return
        text = "  ".join(f"{name} {value}" for name, value in shown.items())
        seconds = time.perf_counter() - self.start
        print(f"{self.title} epoch {number}/{self.last}  {text}  {seconds:.1f} s", flush=True)

    def close(self, is_done: bool) -> None:
        """End the bar; `is_done` says that training ended as it should, in time or early."""
        if self.bar is None:
            return
        if is_done and self.bar.n < self.bar.total:
            # Notebooks paint a bar red that ends before its total.
            self.bar.total = self.bar.n
            self.bar.set_description(f"{self.title} stopped early")
        self.bar.close()


def _is_terminal() -> bool:
    # Programs without a console have no stderr.
    return sys.stderr is not None and sys.stderr.isatty()


def _bar(**told: Any) -> Any:
    """Return a bar of tqdm, which warns as it is imported in notebooks that have no widgets."""
    from tqdm.auto import tqdm

    if _is_terminal():
        # tqdm shows nothing in a terminal that does not say how large it is.
        told["ncols"], told["nrows"] = shutil.get_terminal_size()
    return tqdm(**told)
