"""What a training run shows while it goes on: a bar, or a line for each epoch in a log."""

import sys
import time
from typing import Any

from tqdm.auto import tqdm

SHOWN = ("train_loss", "valid_loss")


class Progress:
    """Shows epochs and losses, unless `verbose` is 0; `first` and `last` are numbers of epochs."""

    def __init__(self, verbose: int, first: int, last: int) -> None:
        self.verbose = verbose
        self.last = last
        self.start = time.perf_counter()
        self.bar: Any = None
        if verbose and (sys.stderr.isatty() or "ipykernel" in sys.modules):
            self.bar = tqdm(total=last, initial=first, desc="CMMD", unit="epoch")

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
        print(f"CMMD epoch {number}/{self.last}  {text}  {seconds:.1f} s", flush=True)

    def close(self) -> None:
        """End the bar."""
        if self.bar is not None:
            self.bar.close()
