"""What torch.compile would gain in a training step, and from how many updates on it would pay.

    export OMP_NUM_THREADS=1 TORCHINDUCTOR_FORCE_DISABLE_CACHES=1
    python benchmarks/compiled.py --out benchmarks/results/compiled

One thread. Forward and backward of the whole loss are compiled, for the sizes of `speed.py`; plain
and compiled fits are timed in turn. Needs a C++ compiler; what it compiled once it keeps for days,
which the second variable prevents.
"""

import argparse
from contextlib import nullcontext
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
import torch
from publishing import publish
from speed_cases import Run, fit_step, in_turn, n_updates, prepare, seconds
from speed_rivals import SMALL, WIDE, Size

from sklearn_cmmd.objective.loss import Objective
from sklearn_cmmd.training.engine import train


def compared(size: Size, repeats: int) -> dict[str, float | str]:
    """Return milliseconds of both steps, seconds of compiling, and the updates that repay it."""
    run = Run(quick=False, repeats=repeats, peers_python=None)
    compiled = patch.object(Objective, "evaluate", torch.compile(Objective.evaluate))
    with compiled:
        job = prepare(size, run)
        first = seconds(lambda: train(job))
    step = fit_step(size, run)

    def timed(compiles: bool) -> float:
        with compiled if compiles else nullcontext():
            return step()

    measured = in_turn(1, repeats, lambda: timed(False), lambda: timed(True))
    plain, faster = np.median(measured, axis=0)
    compiling = first - n_updates(job) * faster / 1000
    gain = (plain - faster) / 1000
    return {
        "size": size.name,
        "plain, ms": plain,
        "compiled, ms": faster,
        "compiling, s": compiling,
        "repaid after updates": compiling / gain if gain > 0 else np.inf,
    }


def main() -> None:
    """Parse the command line, measure, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="file name, without suffix, to write to")
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    table = pd.DataFrame([compared(size, args.repeats) for size in (SMALL, WIDE)])
    publish(table.round(2).to_string(index=False), table, args.out)


if __name__ == "__main__":
    main()
