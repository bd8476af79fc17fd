"""The one entry: ``python -m benchmarks NAME [options]``."""

import argparse
import ast
import shlex
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

MODULES = (
    "accuracy",
    "few_labels",
    "defaults",
    "generation",
    "subsets",
    "numbers",
    "imbalance",
    "omega",
    "updates",
    "speed",
    "large",
    "serving",
    "soak",
    "gpu",
    "paper.acoustic_inversion",
    "paper.two_view_mnist",
    "paper.mnist_svhn",
    "paper.mnist_svhn_text",
    "paper.three_modality_mnist",
)
EXPERIMENTS = {module.rpartition(".")[2]: module for module in MODULES}


def summary(module: str) -> str:
    """Return the first line of a module's docstring, without importing what it imports."""
    source = Path(__file__).parent.joinpath(*module.split(".")).with_suffix(".py")
    docstring = ast.get_docstring(ast.parse(source.read_text("utf-8"))) or ""
    return docstring.splitlines()[0]


def listing() -> str:
    """Return the names of all experiments, each with what it measures."""
    lines = [f"  {name:<22}{summary(module)}" for name, module in EXPERIMENTS.items()]
    usage = "python -m benchmarks NAME [options], of which NAME --help tells. Names:"
    return "\n".join([usage, "", *lines])


def parse(name: str, rest: Sequence[str]) -> argparse.Namespace:
    """Parse the options of an experiment; a quick run has one repetition."""
    module = import_module(f"benchmarks.{EXPERIMENTS[name]}")
    parser = argparse.ArgumentParser(
        f"python -m benchmarks {name}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_options(parser)
    args = parser.parse_args(rest)
    if getattr(args, "quick", False):
        args.seeds = 1
    args.command = shlex.join(["python", "-m", "benchmarks", name, *map(_without_folder, rest)])
    return args


def _without_folder(word: str) -> str:
    return Path(word).name if "/" in word else word


def main(words: Sequence[str]) -> None:
    """Run the experiment that the command line names."""
    if not words or words[0] in ("-h", "--help"):
        print(listing())
        return
    name, *rest = words
    if name not in EXPERIMENTS:
        sys.exit(f"There is no benchmark {name!r}.\n{listing()}")
    args = parse(name, rest)
    import_module(f"benchmarks.{EXPERIMENTS[name]}").run(args)


if __name__ == "__main__":
    main(sys.argv[1:])
