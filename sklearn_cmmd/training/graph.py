"""A training step as one CUDA graph: no launch of single kernels, and no wait for the host."""

import warnings
from collections import Counter
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

__all__ = ["GraphedSteps"]

# What a library prepares at first use must not happen during a capture.
WARM_UP_STEPS = 3


class GraphedSteps:
    """Runs training steps, from the fourth of each size on as a replay of a captured one.

    Every call is one step of the training, also those before the capture, so that the weights and
    the random numbers are those of plain steps. If a step cannot be captured, a warning says so
    once, and the steps go on as plain ones.

    Parameters
    ----------
    step : callable
        Takes the numbers of a minibatch's rows, on the device, updates the weights, and returns a
        tensor; everything that it reads and writes stays at its place from call to call.
    generators : sequence of torch.Generator
        What it draws from.
    """

    def __init__(
        self, step: Callable[[Tensor], Tensor], generators: Sequence[torch.Generator]
    ) -> None:
        self.step = step
        self.generators = generators
        self.n_calls: Counter[int] = Counter()
        self.graphs: dict[int, tuple[Tensor, torch.cuda.CUDAGraph, Tensor]] = {}
        self.possible = True

    def __call__(self, index: Tensor) -> Tensor:
        """Run one step on the rows with these numbers."""
        n_rows = len(index)
        self.n_calls[n_rows] += 1
        if n_rows not in self.graphs and self.possible and self.n_calls[n_rows] > WARM_UP_STEPS:
            self._capture(index)
        if n_rows in self.graphs:
            rows, graph, result = self.graphs[n_rows]
            rows.copy_(index)
            graph.replay()
            return result
        return self._aside(index)

    def _aside(self, index: Tensor) -> Tensor:
        """Run a plain step on a stream of its own, as captures want their warm-up to be."""
        here, aside = torch.cuda.current_stream(index.device), torch.cuda.Stream(index.device)
        aside.wait_stream(here)
        with torch.cuda.stream(aside):
            result = self.step(index)
        here.wait_stream(aside)
        result.record_stream(here)
        return result

    def _capture(self, index: Tensor) -> None:
        """Record a step, which is not executed by that."""
        rows, graph = index.clone(), torch.cuda.CUDAGraph()
        try:
            for generator in self.generators:
                graph.register_generator_state(generator)
            with torch.cuda.graph(graph):
                result = self.step(rows)
        except RuntimeError as error:
            self.possible = False
            warnings.warn(
                f"A training step could not be captured as a CUDA graph ({error}). Training goes "
                "on without, which is slower for small networks.",
                stacklevel=2,
            )
        else:
            self.graphs[len(rows)] = rows, graph, result
