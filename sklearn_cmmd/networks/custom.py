"""Networks that a user brings: any nn.Module, made by a factory."""

import copy
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn

from sklearn_cmmd.networks.dropout import Dropout
from sklearn_cmmd.networks.grid import Grid

# The global stream is one for all threads.
_STREAM = threading.RLock()


class CustomNetwork(nn.Module):
    """A user's network, with torch's global random stream kept out of it.

    Its weights, and its dropout in training, draw from torch's global stream; this stream is
    seeded for them from the generator at hand, and afterwards put back. `title` is what messages
    call it, `in_shape` the shape of one row of its input.
    """

    def __init__(
        self, title: str, build: Callable[[], nn.Module], in_shape: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.title = title
        self.build = build
        self.in_shape = in_shape
        self.network, self.out_shape = self._built(0)

    def init_weights(self, generator: torch.Generator) -> None:
        """Make the network anew."""
        self.network, _ = self._built(_seed(generator))

    def _built(self, seed: int) -> tuple[nn.Module, tuple[int, ...]]:
        """Return a network of our own, and the shape of its output for two rows of zeros."""
        try:
            with _seeded(seed), torch.no_grad():
                network = copy.deepcopy(self.build()).to("cpu", torch.float32)
                network.eval()
                rows = torch.zeros(2, *self.in_shape, dtype=torch.float32, device="cpu")
                shape = network(rows).shape
                # As predictions from float64 data will have it.
                copy.deepcopy(network).double()(rows.double())
        except Exception as error:
            raise ValueError(
                f"{self.title} must be a function that returns a torch.nn.Module, which takes rows "
                f"of shape {self.in_shape}, in float32 and in float64, and returns one tensor. It "
                f"failed with {type(error).__name__}: {error}"
            ) from error
        return network.train(), tuple(shape)

    def _run(self, x: Tensor, dropout: Dropout | None) -> Tensor:
        if dropout is None or dropout.generator is None:
            output: Tensor = self.network(x)
            return output
        with _seeded(_seed(dropout.generator), x.device):
            output = self.network(x)
        return output


class CustomBody(CustomNetwork):
    """A user's network from a modality to features.

    `factory` takes the shape of a row, channels first, and returns a network from (batch, *shape)
    to (batch, features).
    """

    def __init__(
        self, name: str, factory: Callable[[tuple[int, ...]], nn.Module], grid: Grid
    ) -> None:
        title = f"The network of modality {name!r}"
        super().__init__(title, partial(factory, grid.torch_shape), grid.torch_shape)
        self.grid = grid
        shape = self.out_shape
        if len(shape) != 2 or shape[0] != 2 or shape[1] == 0:
            raise ValueError(
                f"{title} must return one row of features for each row: "
                f"(batch, features). For two rows it returned shape {shape}; flatten its "
                "output."
            )
        self.out_features = shape[1]

    def forward(self, x: Tensor, dropout: Dropout | None = None) -> Tensor:
        """Map (batch, numel) to (batch, out_features)."""
        return self._run(self.grid.unflatten(x), dropout)


class CustomGenerator(CustomNetwork):
    """A user's network from features to the raw numbers of a likelihood, `per_value` for a value.

    `factory` takes the width of the input and the shape of the output, channels first, and returns
    a network from (batch, width) to (batch, *shape).
    """

    def __init__(
        self,
        name: str,
        factory: Callable[[int, tuple[int, ...]], nn.Module],
        in_features: int,
        grid: Grid,
        per_value: int,
    ) -> None:
        first, *rest = grid.torch_shape
        expected = (per_value * first, *rest)
        title = f"The decoder of modality {name!r}"
        super().__init__(title, partial(factory, in_features, expected), (in_features,))
        self.grid = grid
        self.per_value = per_value
        if self.out_shape != (2, *expected):
            raise ValueError(
                f"{title} must return rows of shape {expected}. For two "
                f"rows it returned an array of shape {self.out_shape} instead."
            )

    def forward(self, features: Tensor, dropout: Dropout | None = None) -> Tensor:
        """Map (batch, in_features) to (batch, per_value · numel)."""
        return self.grid.flatten(self._run(features, dropout), self.per_value)


def _seed(generator: torch.Generator) -> int:
    return int(torch.randint(2**31, (), generator=generator, device=generator.device))


@contextmanager
def _seeded(seed: int, device: torch.device | None = None) -> Iterator[None]:
    gpus = [device] if device is not None and device.type == "cuda" else []
    with _STREAM, torch.random.fork_rng(devices=gpus):
        torch.default_generator.manual_seed(seed)
        for gpu in gpus:
            torch.cuda.default_generators[gpu.index].manual_seed(seed)
        yield
