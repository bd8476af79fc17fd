"""A training step as one CUDA graph: no launch of single kernels, and no wait for the host.

What a capture demands, and who sees to it:

- no copy between host and device, and no read of a value: the step;
- everything that is read and written stays at its place: data, weights and moments are never
  reallocated, gradients are made anew within the graph, row numbers are copied into one buffer;
- the generators are registered, so that every replay draws new numbers;
- capture and warm-up run on one stream of the device in question, not on torch's default one;
- libraries have prepared what they prepare at first use: three plain steps come first.
"""

import warnings
from collections import Counter
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

WARM_UP_STEPS = 3


class GraphedSteps:
    """Runs training steps, from the fourth of each size on as replays of a captured one.

    Every call is one step of the training, also those before the capture, so that the weights and
    the random numbers are those of plain steps. If a step cannot be captured, a warning says so
    once, and the steps go on as plain ones. `step` takes the numbers of a minibatch's rows, on the
    device, updates the weights, and returns a tensor; it draws from the generators.
    """

    def __init__(
        self,
        step: Callable[[Tensor], Tensor],
        generators: Sequence[torch.Generator],
        optimizer: torch.optim.Optimizer,
        device: torch.device,
    ) -> None:
        self.step = step
        self.generators = generators
        self.optimizer = optimizer
        self.stream = torch.cuda.Stream(device)
        self.n_calls: Counter[int] = Counter()
        self.graphs: dict[int, tuple[Tensor, torch.cuda.CUDAGraph, Tensor]] = {}
        self.possible = True

    def __call__(self, index: Tensor) -> Tensor:
        """Run one step on the rows with these numbers."""
        if not self.possible:
            return self.step(index)
        n_rows = len(index)
        self.n_calls[n_rows] += 1
        with torch.cuda.device(self.stream.device):
            if n_rows not in self.graphs and self.n_calls[n_rows] <= WARM_UP_STEPS:
                return self._warm_up(index)
            if n_rows not in self.graphs and not self._capture(index):
                return self.step(index)
            rows, graph, result = self.graphs[n_rows]
            rows.copy_(index)
            graph.replay()
            return result.clone()

    def _warm_up(self, index: Tensor) -> Tensor:
        """Run a plain step on the stream of the captures."""
        here = torch.cuda.current_stream()
        self.stream.wait_stream(here)
        with torch.cuda.stream(self.stream):
            result = self.step(index)
        here.wait_stream(self.stream)
        result.record_stream(here)
        return result

    def _capture(self, index: Tensor) -> bool:
        """Record a step, which is not executed by that; return whether it worked."""
        rows, graph = index.clone(), torch.cuda.CUDAGraph()
        states = [generator.get_state() for generator in self.generators]
        for group in self.optimizer.param_groups:
            group["capturable"] = True
        try:
            for generator in self.generators:
                graph.register_generator_state(generator)
            with torch.cuda.graph(graph, stream=self.stream):
                result = self.step(rows)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            self._give_up(states, error)
            return False
        self.graphs[len(rows)] = rows, graph, result
        return True

    def _give_up(self, states: list[Tensor], error: Exception) -> None:
        """Go on with plain steps, from where the random streams were before the capture."""
        self.possible = False
        self.graphs.clear()
        for group in self.optimizer.param_groups:
            group["capturable"] = False
        for generator, state in zip(self.generators, states, strict=True):
            # A broken capture can leave a generator in its capture mode; a clone is not in it.
            generator.graphsafe_set_state(generator.clone_state())
            generator.set_state(state)
        warnings.warn(
            f"A training step could not be captured as a CUDA graph ({error}). Training goes "
            "on without, which is slower for small networks.",
            stacklevel=2,
        )
