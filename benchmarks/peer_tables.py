"""What a peer's model, in an interpreter of its own, makes of two tables."""

import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

SCRIPT = Path(__file__).parent / "peers" / "tables.py"


def made_by_peer(
    python: Path, model: str, seed: int, n_draws: int = 1, **tables: np.ndarray
) -> dict[str, np.ndarray]:
    """Train a model of ``peers/tables.py``, which says what the tables are and what comes back."""
    with TemporaryDirectory() as folder:
        given, out = Path(folder, "tables.npz"), Path(folder, "out.npz")
        np.savez(given, **tables)
        command = [python, SCRIPT, "--tables", given, "--out", out, "--model", model]
        command += ["--seed", seed, "--draws", n_draws]
        subprocess.run(list(map(str, command)), check=True, capture_output=True)
        with np.load(out) as file:
            return dict(file)
