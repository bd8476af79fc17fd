"""What `compile=True` gains in a training step, and from how many updates on it pays.

    export OMP_NUM_THREADS=1 TORCHINDUCTOR_FORCE_DISABLE_CACHES=1
    python benchmarks/compiled.py --out benchmarks/results/compiled

One thread, the sizes of `speed.py`; plain and compiled fits are timed in turn. Needs a C++
compiler; what torch compiled once it keeps for days, which the second variable prevents.
"""

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from publishing import publish
from sklearn_cmmd.training.engine import train
from speed_cases import Run, clocked_ms, in_turn, n_updates, prepare, seconds
from speed_rivals import SMALL, WIDE, Size


def compared(size: Size, repeats: int) -> dict[str, float | str]:
    """Return milliseconds of both steps, seconds of compiling, and the updates that repay it."""
    job = prepare(size, Run(quick=False, repeats=repeats, peers_python=None))
    compiling = replace(job, settings=replace(job.settings, compile_losses=True))
    first = seconds(lambda: train(compiling))
    sides = (partial(clocked_ms, each) for each in (job, compiling))
    plain, faster = np.median(in_turn(1, repeats, *sides), axis=0)
    lost = first - n_updates(job) * faster / 1000
    gain = (plain - faster) / 1000
    return {
        "size": size.name,
        "plain, ms": plain,
        "compiled, ms": faster,
        "compiling, s": lost,
        "repaid after updates": lost / gain if gain > 0 else np.inf,
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
