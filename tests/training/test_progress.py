"""What a fit with verbose=1 shows: on terminals, in logs, beside other processes."""

import os
import sys
from types import SimpleNamespace

import pytest
from skorch.callbacks import Callback

from sklearn_cmmd.training import progress
from sklearn_cmmd.training.progress import Progress
from tests import tiny

LOSSES = {"train_loss": 1.5, "train_kl": 2.5, "valid_loss": 3.25}


@pytest.fixture
def terminal(monkeypatch):
    """Make the run believe that it writes to a terminal; what it writes can be captured."""
    stderr = SimpleNamespace(isatty=lambda: True)
    shown = SimpleNamespace(stderr=stderr, modules=sys.modules)
    monkeypatch.setattr(progress, "sys", shown)


class Stop(Callback):
    """Ends training after the second epoch, in the way that skorch's callbacks do."""

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == 2:
            raise KeyboardInterrupt


def test_silent_by_default(capsys):
    tiny.fit(max_epochs=2)
    assert capsys.readouterr() == ("", "")


def test_a_plain_line_for_each_epoch_without_a_terminal(capsys):
    tiny.fit(verbose=1, max_epochs=3)
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert len(lines) == 3
    assert all("train_loss" in line and f"epoch {i}/3" in line for i, line in enumerate(lines, 1))
    assert not {"\x1b", "\r"} & set(out)
    assert err == ""


def test_a_line_has_both_losses_and_the_time(capsys):
    Progress(1, 0, 9).epoch(4, LOSSES)
    words = capsys.readouterr().out.split()
    assert words[:7] == ["CMMD", "epoch", "4/9", "train_loss", "1.5", "valid_loss", "3.25"]
    assert words[-1] == "s"


def test_one_bar_on_a_terminal(terminal, capsys):
    tiny.fit(verbose=1, max_epochs=3)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "3/3" in err
    assert "train_loss" in err
    assert "stopped early" not in err


def test_a_bar_shows_on_a_terminal_of_unknown_size(terminal, capsys, monkeypatch):
    monkeypatch.setattr(os, "get_terminal_size", lambda *args: os.terminal_size((0, 0)))
    # What tqdm makes of it.
    monkeypatch.setattr("tqdm.std._screen_shape_wrapper", lambda: lambda stream: (-1, -1))
    tiny.fit(verbose=1, max_epochs=3)
    assert "3/3" in capsys.readouterr().err


def test_the_bar_of_a_training_that_stops_early_is_full(terminal, capsys):
    tiny.fit(verbose=1, max_epochs=9, callbacks=[Stop()])
    last = capsys.readouterr().err.split("\r")[-1]
    assert "CMMD stopped early: 100%" in last
    assert "2/2" in last


def test_the_bar_of_an_interrupted_training_is_not(terminal, capsys):
    shown = Progress(1, 0, 9)
    shown.epoch(1, LOSSES)
    shown.close(is_done=False)
    assert "1/9" in capsys.readouterr().err.split("\r")[-1]


def test_a_run_that_goes_on_starts_its_bar_there(terminal, capsys):
    shown = Progress(1, 4, 9)
    shown.epoch(5, LOSSES)
    shown.close(is_done=False)
    assert "5/9" in capsys.readouterr().err


def test_a_process_beside_others_prints_lines_with_its_name(terminal, capsys, monkeypatch):
    monkeypatch.setattr(progress.multiprocessing, "parent_process", object)
    tiny.fit(verbose=1, max_epochs=2)
    out, err = capsys.readouterr()
    name = progress.multiprocessing.current_process().name
    assert out.startswith(f"CMMD in {name} epoch 1/2")
    assert err == ""


def test_a_program_without_a_console_trains(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    monkeypatch.setattr(sys, "stdout", None)
    assert tiny.fit(verbose=1, max_epochs=2).n_iter_ == 2
