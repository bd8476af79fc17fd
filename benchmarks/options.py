"""The options that experiments share."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

SHARED: dict[str, dict[str, Any]] = {
    "--data": {"type": Path, "help": "folder of .npz files; without it, what the package embeds"},
    "--seeds": {"type": int, "help": "number of repetitions, each with a seed or split of its own"},
    "--jobs": {"type": int, "help": "number of fits at a time"},
    "--peers-python": {"type": Path, "help": "interpreter of peers/README.rst; else no peers"},
    "--only": {"nargs": "*", "help": "words in the names of the pairs of views to run"},
    "--quick": {"action": "store_true", "help": "toy sizes, one repetition"},
    "--out": {"type": Path, "help": "file name without suffix to write to; else only printed"},
}
OTHER_NAMES = {"--seeds": ("--splits",)}


def add_shared(parser: ArgumentParser, *names: str, **defaults: Any) -> None:
    """Add ``--quick``, ``--out`` and the shared options of these names, with these defaults."""
    for name in (*names, "--quick", "--out"):
        parser.add_argument(name, *OTHER_NAMES.get(name, ()), **SHARED[name])
    parser.set_defaults(**defaults)
