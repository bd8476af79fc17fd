"""What the benchmark of speed measures against computes the same as what it measures."""

from pathlib import Path

import pytest
import torch

FOLDER = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def cases(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    return pytest.importorskip("speed_cases", reason="the benchmarks are not here")


def linear_layers(network):
    return [part for part in network.modules() if isinstance(part, torch.nn.Linear)]


def test_bare_loop_has_the_loss_of_the_fit(cases):
    """With the same weights and noise, and without dropout."""
    job = cases.prepare(cases.SMALL, cases.Run(quick=True, repeats=1, peers_python=None))
    assert job.objective.label_smoothing > 0
    assert job.objective.scale_prior > 0
    bare = cases.BareCMMD(cases.SMALL, job.objective, 0.0)
    for name in ("prior", "encoder", "decoder", "classifier"):
        networks = getattr(bare, name), getattr(job.module, name)
        for theirs, ours in zip(*map(linear_layers, networks), strict=True):
            theirs.load_state_dict(ours.state_dict())
    batch = [column[:100] for column in (job.rows.observed, job.rows.missing, job.rows.y)]
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        found = float(bare(*batch))
        torch.manual_seed(0)
        ours = cases.cmmd_loss(job.module, job.objective, 0.0, *batch)
    assert found == pytest.approx(float(ours), rel=1e-5)
