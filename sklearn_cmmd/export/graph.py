"""What a fitted estimator says of rows, as a module of torch that begins and ends at the data."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from sklearn_cmmd.data.layout import Layout, Side
from sklearn_cmmd.data.matrices import signed_root
from sklearn_cmmd.data.numbers import Numbers
from sklearn_cmmd.data.statistics import dtype_in_units
from sklearn_cmmd.networks.distributions import Bernoulli, Categorical, Gaussian


class Affine(nn.Module):
    """Standardised numbers to those of the data and back, in float64."""

    def __init__(self, loc: np.ndarray, scale: np.ndarray, root: np.ndarray | None = None) -> None:
        super().__init__()
        has_roots = root is not None and root.any()
        self.root: Tensor | None
        self.register_buffer("root", torch.tensor(root, device="cpu") if has_roots else None)
        self.loc: Tensor
        self.scale: Tensor
        for name, values in (("loc", loc), ("scale", scale)):
            self.register_buffer(name, torch.tensor(values, dtype=torch.float64, device="cpu"))

    def standardised(self, x: Tensor) -> Tensor:
        """Take roots where they are read, subtract `loc`, then divide by `scale`."""
        if self.root is not None:
            x = torch.where(self.root, signed_root(x), x)
        return (x - self.loc) / self.scale

    def forward(self, x: Tensor) -> Tensor:
        """Bring standardised numbers to the units of the data."""
        return x.double() * self.scale + self.loc


class Answers(nn.Module):
    """What one fitted estimator says of rows of x_O, (batch, columns) in float64.

    `y` is what it says of y: logarithms of probabilities, or means and standard deviations.
    """

    def __init__(self, estimator: Any) -> None:
        super().__init__()
        layout: Layout = estimator._plan.layout
        self.networks = estimator.module_.copied().cpu().eval()
        read = layout.observed
        self.observed = Affine(read.loc, read.scale, read.root)
        sides = [Affine(side.loc, side.scale) for side in layout.generated]
        self.sides = nn.ModuleList(sides)
        self.widths = [len(side.scale) for side in layout.generated]
        numbers = layout.targets if isinstance(layout.targets, Numbers) else None
        self.numbers = None if numbers is None else Affine(numbers.loc, numbers.scale)
        optional = layout.observed.optional
        firsts = [layout.observed.modalities[number].columns[0] for number in optional]
        self.first_columns = [int(column) for column in firsts]

    def standardised(self, x: Tensor) -> Tensor:
        """Return x_O as the networks read it: NaN is zero, then a mask of what there is."""
        standardised = self.observed.standardised(x)
        if not self.first_columns:
            return standardised
        absent = torch.isnan(x)
        masks = (~absent[:, self.first_columns]).double()
        return torch.cat([torch.where(absent, 0.0, standardised), masks], dim=1)

    def y(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return what is said of y, from standardised x_O."""
        predicted = self.networks.predict(x.float())
        if self.numbers is None:
            return (cast(Bernoulli | Categorical, predicted).log_mean(),)
        loc, log_var = cast(Gaussian, predicted)
        return self.numbers(loc), torch.exp(0.5 * log_var).double() * self.numbers.scale

    def embedding(self, x: Tensor) -> Tensor:
        """Return the mean of p(z|x_O), from standardised x_O."""
        mean: Tensor = self.networks.embed(x.float()).mean
        return mean

    def generated(self, x: Tensor) -> list[Tensor]:
        """Return the means of what the decoder generates, side by side, from standardised x_O."""
        means = self.networks.reconstruct(x.float()).mean.split(self.widths, dim=1)
        return [side(mean) for side, mean in zip(self.sides, means, strict=True)]


class Together(nn.Module):
    """One estimator as all of its members, for `Graph`; an ensemble has more."""

    def __init__(self, estimator: Any) -> None:
        super().__init__()
        self.members = nn.ModuleList([Answers(estimator)])

    @property
    def first(self) -> Answers:
        """The first member."""
        return cast(Answers, self.members[0])

    def y(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return probabilities, or means and standard deviations."""
        said = self.first.y(self.first.standardised(x))
        return said if len(said) > 1 else (said[0].exp(),)

    def embedding(self, x: Tensor) -> Tensor:
        """Return the mean of p(z|x_O)."""
        return self.first.embedding(self.first.standardised(x))

    def generated(self, x: Tensor) -> list[Tensor]:
        """Return the means of what is generated, side by side."""
        return self.first.generated(self.first.standardised(x))


class Graph(nn.Module):
    """Blocks of X to all answers, in the form of the data. `names` are those of the outputs."""

    def __init__(self, layout: Layout, answers: Together) -> None:
        super().__init__()
        self.layout = layout
        self.answers = answers
        self.dtype = _dtype(layout.observed.dtype_of(np.float32))
        columns = torch.as_tensor(layout.optional_columns) if layout.optional else None
        self.optional_columns: Tensor | None
        self.register_buffer("optional_columns", columns)

    @property
    def examples(self) -> tuple[Tensor, ...]:
        """Three rows of zeros: the inputs."""
        side = self.layout.observed
        shapes = [side.shapes.get(key, (width,)) for key, width in side.widths.items()]
        return tuple([torch.zeros(3, *shape, dtype=self.dtype, device="cpu") for shape in shapes])

    def forward(self, *blocks: Tensor) -> tuple[Tensor, ...]:
        """Return the answers, in the order of `names`."""
        x = torch.cat([block.flatten(1).double() for block in blocks], dim=1)
        return tuple(self.answered(x).values())

    @property
    def names(self) -> list[str]:
        """What the outputs are called."""
        with torch.inference_mode():
            x = torch.cat([block.flatten(1).double() for block in self.examples], dim=1)
            return list(self.answered(x))

    def answered(self, x: Tensor) -> dict[str, Tensor]:
        """Return the answers by name, from (batch, columns) in float64."""
        found: dict[str, Tensor] = {}
        layout = self.layout
        if layout.targets is not None:
            is_numbers = isinstance(layout.targets, Numbers)
            names = ("mean", "std") if is_numbers else ("probabilities",)
            found |= zip(names, map(self._shaped, self.answers.y(x)), strict=True)
        found["embedding"] = self.answers.embedding(x)
        if not layout.generated:
            return found
        means = self.answers.generated(x)
        if layout.missing is not None:
            found |= self._blocks("generated", layout.missing, means[0])
        if layout.optional is not None:
            found |= self._blocks("imputed", layout.observed, self._filled(x, means[-1]))
        return found

    def _shaped(self, y: Tensor) -> Tensor:
        """Bring numbers to the shape and the dtype that they have in predictions."""
        targets = self.layout.targets
        if not isinstance(targets, Numbers):
            return y
        y = y[:, 0] if targets.is_flat else y
        return y.to(_dtype(dtype_in_units(targets.loc, targets.scale, np.float32)))

    def _filled(self, x: Tensor, own: Tensor) -> Tensor:
        """Put what is generated in the place of what is not there."""
        columns = cast(Tensor, self.optional_columns)
        everywhere = torch.zeros_like(x).index_copy(1, columns, own)
        return torch.where(torch.isnan(x), everywhere, x)

    def _blocks(self, name: str, side: Side, values: Tensor) -> Mapping[str, Tensor]:
        """Return the blocks of a side in the shapes of the data, as "name" or "name.key"."""
        return dict(_split(name, side, values.to(_dtype(side.dtype_of(np.float32)))))


def _split(name: str, side: Side, values: Tensor) -> Iterator[tuple[str, Tensor]]:
    parts = values.split(list(side.widths.values()), dim=1)
    for key, part in zip(side.widths, parts, strict=True):
        shape = side.shapes.get(key)
        yield f"{name}.{key}" if key else name, part if shape is None else part.unflatten(1, shape)


def _dtype(dtype: np.dtype) -> torch.dtype:
    return torch.float32 if dtype == np.float32 else torch.float64
