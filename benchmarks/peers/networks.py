"""Encoders and decoders of MNIST, SVHN and text, as in tables H.3 to H.5 of the CMMD paper.

They plug into multivae through its base classes. Hidden layers are followed by a ReLU. MNIST's
means pass a sigmoid; SVHN's last layer is left linear and text's gives logits. The perceptron is
for tables of any width.
"""

from collections.abc import Callable, Sequence

import torch
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn.base_architectures import BaseDecoder, BaseEncoder
from torch import nn

SHAPES = {"m": (28, 28), "s": (3, 32, 32), "t": (8, 71)}


class Encoder(BaseEncoder):
    """A body, then a linear layer for the mean of z and one for its log-variance.

    Parameters
    ----------
    body : nn.Module
        Maps a batch of rows to (rows, width).
    width : int
    latent_dim : int
    """

    def __init__(self, body: nn.Module, width: int, latent_dim: int):
        super().__init__()
        self.body = body
        self.mean = nn.Linear(width, latent_dim)
        self.log_variance = nn.Linear(width, latent_dim)

    def forward(self, x: torch.Tensor) -> ModelOutput:
        h = self.body(x)
        return ModelOutput(embedding=self.mean(h), log_covariance=self.log_variance(h))


class Decoder(BaseDecoder):
    """A body that maps z to the parameter of a likelihood."""

    def __init__(self, body: nn.Module):
        super().__init__()
        self.body = body

    def forward(self, z: torch.Tensor) -> ModelOutput:
        return ModelOutput(reconstruction=self.body(z))


class SwapAxes(nn.Module):
    """Exchange positions and symbols of a batch of texts."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.transpose(1, 2).contiguous()


def perceptron(in_features: int, hidden: Sequence[int]) -> nn.Sequential:
    """Hidden layers, each followed by a SiLU."""
    widths = (in_features, *hidden)
    layers = [nn.Linear(a, b) for a, b in zip(widths, hidden, strict=False)]
    return nn.Sequential(*(module for layer in layers for module in (layer, nn.SiLU())))


def _with_relu(*layers: nn.Module) -> list[nn.Module]:
    """Put a ReLU behind each layer."""
    return [module for layer in layers for module in (layer, nn.ReLU())]


def _mnist(latent_dim: int) -> tuple[Encoder, Decoder]:
    body = nn.Sequential(nn.Flatten(), *_with_relu(nn.Linear(784, 400)))
    decoder = nn.Sequential(
        *_with_relu(nn.Linear(latent_dim, 400)),
        nn.Linear(400, 784),
        nn.Sigmoid(),
        nn.Unflatten(1, SHAPES["m"]),
    )
    return Encoder(body, 400, latent_dim), Decoder(decoder)


def _svhn(latent_dim: int) -> tuple[Encoder, Decoder]:
    convolutions = _with_relu(
        nn.Conv2d(3, 32, 4, 2, 1),
        nn.Conv2d(32, 64, 4, 2, 1),
        nn.Conv2d(64, 64, 4, 2, 1),
        nn.Conv2d(64, 128, 4, 2, 0),
    )
    decoder = nn.Sequential(
        *_with_relu(nn.Linear(latent_dim, 128)),
        nn.Unflatten(1, (128, 1, 1)),
        *_with_relu(
            nn.ConvTranspose2d(128, 64, 4, 1, 0),  # 1 × 1 → 4 × 4, whatever table H.3 says
            nn.ConvTranspose2d(64, 64, 4, 2, 1),
            nn.ConvTranspose2d(64, 32, 4, 2, 1),
        ),
        nn.ConvTranspose2d(32, 3, 4, 2, 1),
    )
    body = nn.Sequential(*convolutions, nn.Flatten())
    return Encoder(body, 128, latent_dim), Decoder(decoder)


def _text(latent_dim: int) -> tuple[Encoder, Decoder]:
    convolutions = _with_relu(
        nn.Conv1d(71, 128, 1),
        nn.Conv1d(128, 128, 4, 2, 1),
        nn.Conv1d(128, 128, 4, 2, 0),
    )
    decoder = nn.Sequential(
        *_with_relu(nn.Linear(latent_dim, 128)),
        nn.Unflatten(1, (128, 1)),
        *_with_relu(nn.ConvTranspose1d(128, 128, 4, 1, 0), nn.ConvTranspose1d(128, 128, 4, 2, 1)),
        nn.Conv1d(128, 71, 1),
        SwapAxes(),
    )
    body = nn.Sequential(SwapAxes(), *convolutions, nn.Flatten())
    return Encoder(body, 128, latent_dim), Decoder(decoder)


_PAIRS: dict[str, Callable[[int], tuple[Encoder, Decoder]]] = {
    "m": _mnist,
    "s": _svhn,
    "t": _text,
}


def encoders_and_decoders(latent_dim: int) -> tuple[dict[str, Encoder], dict[str, Decoder]]:
    """Make the networks of all modalities.

    Parameters
    ----------
    latent_dim : int

    Returns
    -------
    encoders, decoders : dict
        By modality: "m", "s", "t".
    """
    pairs = {name: make(latent_dim) for name, make in _PAIRS.items()}
    encoders = {name: pair[0] for name, pair in pairs.items()}
    return encoders, {name: pair[1] for name, pair in pairs.items()}
