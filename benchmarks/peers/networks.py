"""Networks for multivae: those of tables H.3 to H.5 of the CMMD paper, and perceptrons for tables.

They plug into multivae through its base classes. Hidden layers are followed by a ReLU, those of the
perceptron by a SiLU. MNIST's means pass a sigmoid; SVHN's last layer is left linear and text's
gives logits.
"""

from collections.abc import Sequence

import torch
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn.base_architectures import BaseDecoder, BaseEncoder
from torch import nn

SHAPES = {"m": (28, 28), "s": (3, 32, 32), "t": (8, 71)}


class Encoder(BaseEncoder):
    """A body of so many outputs, then linear layers for the mean of z and its log-variance."""

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


def _relu(*layers: nn.Module) -> list[nn.Module]:
    """Put a ReLU behind each layer."""
    return [module for layer in layers for module in (layer, nn.ReLU())]


def encoders(latent_dim: int) -> dict[str, Encoder]:
    """Make the encoders of MNIST, SVHN and text."""
    images = nn.Conv2d(3, 32, 4, 2, 1), nn.Conv2d(32, 64, 4, 2, 1), nn.Conv2d(64, 64, 4, 2, 1)
    words = nn.Conv1d(71, 128, 1), nn.Conv1d(128, 128, 4, 2, 1), nn.Conv1d(128, 128, 4, 2, 0)
    return {
        "m": Encoder(nn.Sequential(nn.Flatten(), *_relu(nn.Linear(784, 400))), 400, latent_dim),
        "s": Encoder(
            nn.Sequential(*_relu(*images, nn.Conv2d(64, 128, 4, 2, 0)), nn.Flatten()),
            128,
            latent_dim,
        ),
        "t": Encoder(nn.Sequential(SwapAxes(), *_relu(*words), nn.Flatten()), 128, latent_dim),
    }


def decoders(latent_dim: int) -> dict[str, Decoder]:
    """Make the decoders of MNIST, SVHN and text."""
    images = (
        nn.ConvTranspose2d(128, 64, 4, 1, 0),  # 1 × 1 → 4 × 4, whatever table H.3 says
        nn.ConvTranspose2d(64, 64, 4, 2, 1),
        nn.ConvTranspose2d(64, 32, 4, 2, 1),
    )
    words = nn.ConvTranspose1d(128, 128, 4, 1, 0), nn.ConvTranspose1d(128, 128, 4, 2, 1)
    first = [_relu(nn.Linear(latent_dim, width)) for width in (400, 128, 128)]
    to_mnist = *first[0], nn.Linear(400, 784), nn.Sigmoid(), nn.Unflatten(1, SHAPES["m"])
    to_svhn = *_relu(*images), nn.ConvTranspose2d(32, 3, 4, 2, 1)
    to_text = *_relu(*words), nn.Conv1d(128, 71, 1), SwapAxes()
    return {
        "m": Decoder(nn.Sequential(*to_mnist)),
        "s": Decoder(nn.Sequential(*first[1], nn.Unflatten(1, (128, 1, 1)), *to_svhn)),
        "t": Decoder(nn.Sequential(*first[2], nn.Unflatten(1, (128, 1)), *to_text)),
    }
