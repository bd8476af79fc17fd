"""Where the time of a training step goes: operations by kind, for each size of `speed.py`.

    OMP_NUM_THREADS=1 python benchmarks/step_profile.py --out benchmarks/results/speed_profile

One thread, a fit of some epochs as `fit` runs it, under torch's profiler, which makes small
operations slower: read the shares, not the times. Products are the matrix products of both passes.
"""

import argparse
from collections import defaultdict
from pathlib import Path

import pandas as pd
import torch
from publishing import publish
from sklearn_cmmd.training.engine import train
from speed_cases import Run, n_updates, prepare
from speed_rivals import PAPER, SMALL, WIDE, Size
from torch.profiler import ProfilerActivity, profile

PRODUCTS = ("aten::addmm", "aten::mm", "aten::bmm", "aten::baddbmm")
KINDS = {
    "products": PRODUCTS,
    "activations": ("aten::silu", "aten::silu_backward", "aten::tanh", "aten::tanh_backward"),
    "optimizer": ("aten::_fused_adamw_",),
    "random numbers": ("aten::normal_", "aten::random_", "aten::randperm"),
    "gathering": ("aten::index_select",),
    "copies": ("aten::copy_", "aten::cat", "aten::fill_", "aten::zero_"),
}
OTHERS = "other operations on single numbers"


def profiled(size: Size) -> pd.DataFrame:
    """Return self times and numbers of calls per update, by kind of operation."""
    job = prepare(size, Run(quick=False, repeats=1, peers_python=None))
    train(job)
    with profile(activities=[ProfilerActivity.CPU]) as record:
        train(job)
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for event in record.key_averages():
        kind = next((kind for kind, names in KINDS.items() if event.key in names), OTHERS)
        sums[kind][0] += event.self_cpu_time_total / 1000 / n_updates(job)
        sums[kind][1] += event.count / n_updates(job)
    table = pd.DataFrame(sums, index=["ms an update", "calls an update"]).T
    table["share"] = table["ms an update"] / table["ms an update"].sum()
    table.insert(0, "size", size.name)
    return table.sort_values("share", ascending=False).reset_index(names="kind")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="file name, without suffix, to write to")
    args = parser.parse_args()
    torch.set_num_threads(1)
    table = pd.concat([profiled(size) for size in (SMALL, WIDE, PAPER)])
    publish(table.round(3).to_string(index=False), table, args.out)


if __name__ == "__main__":
    main()
