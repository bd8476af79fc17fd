"""The four networks of CMMD together; what they are trained for is not known here."""

import copy
from typing import cast

import torch
from torch import Tensor, nn

from sklearn_cmmd.data.batch import Batch, View
from sklearn_cmmd.networks.architecture import Architecture
from sklearn_cmmd.networks.build import (
    build_classifier,
    build_decoder,
    build_encoder,
    build_prior,
)
from sklearn_cmmd.networks.conditional import Conditional, Decoder
from sklearn_cmmd.networks.custom import CustomNetwork
from sklearn_cmmd.networks.distributions import Distribution, Gaussian, Joint
from sklearn_cmmd.networks.dropout import Dropout
from sklearn_cmmd.networks.mlp import init_weights, n_units


class CMMD(nn.Module):
    """Prior p(z|x_O), encoder q(z|x_O,x_M,y), decoder p(x_M|x_O,z) and classifier p(y|z).

    Each returns a distribution. Without missing modalities there is no decoder, without labels no
    classifier, and the encoder does not see what is not there.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = arch = architecture
        self.prior = build_prior(arch)
        self.encoder = build_encoder(arch)
        self.decoder = build_decoder(arch) if arch.missing else None
        self.classifier = build_classifier(arch) if arch.n_labels else None

    def init_weights(self, generator: torch.Generator) -> None:
        """Draw all weights anew from the generator; a user's network is made anew."""
        init_weights(self, generator)
        for network in self.custom_networks:
            network.init_weights(generator)

    def start_from(self, other: "CMMD") -> None:
        """Take over the weights of networks that know of the same labels, or of none.

        What they do not have stays as it is: the encoder's weights for the labels, the last
        columns that it reads, and a classifier of other widths.
        """
        self.prior.load_state_dict(other.prior.state_dict())
        if self.decoder is not None and other.decoder is not None:
            self.decoder.load_state_dict(other.decoder.state_dict())
        theirs = other.encoder.state_dict()
        for name, value in self.encoder.state_dict().items():
            source = theirs.get(name)
            if source is not None and source.shape == value.shape:
                value.copy_(source)
            elif source is not None:
                value[:, : source.shape[1]] = source
        hidden = self.architecture.classifier_hidden
        if other.classifier is not None and hidden == other.architecture.classifier_hidden:
            cast(nn.Module, self.classifier).load_state_dict(other.classifier.state_dict())

    def copied(self) -> "CMMD":
        """Return a copy that shares nothing but the functions that users gave."""
        shared: list[object] = [self.architecture]
        shared += [network.build for network in self.custom_networks]
        return copy.deepcopy(self, {id(each): each for each in shared})

    def label_features(self, y: Tensor) -> Tensor:
        """Codes of classes to a column for each; what has columns already stays as it is.

        A column of ones comes after numbers, and says that they are known.
        """
        if y.is_floating_point():
            return nn.functional.pad(y, (0, 1), value=1) if self.architecture.marks_labels else y
        shape = len(y), self.architecture.n_labels
        columns = torch.zeros(shape, dtype=torch.float32, device=y.device)
        return columns.scatter_(1, y[:, None], 1)

    def labels_of(self, batch: Batch) -> Tensor | None:
        """Columns of a minibatch's labels, zero where a row has none; None without any labels."""
        if batch.y is None:
            return None
        labels = self.label_features(batch.y).to(batch.observed.values)
        if batch.label_weight is None:
            return labels
        return labels * (batch.label_weight > 0)[:, None]

    @property
    def custom_networks(self) -> list[CustomNetwork]:
        """The parts that a user brought."""
        return [part for part in self.modules() if isinstance(part, CustomNetwork)]

    @property
    def can_teach(self) -> bool:
        """Whether the encoder knows more than the prior, and knows it without the label."""
        return self.decoder is not None and not self.architecture.label_in_encoder

    def dropout_units(self, n_decodings: int, n_classifications: int) -> int:
        """Count the units to silence at random when a row is decoded and classified so often."""
        units = n_units(self.prior) + n_units(self.encoder)
        if self.decoder is not None:
            units += n_decodings * n_units(self.decoder)
        if self.classifier is not None:
            units += n_classifications * n_units(self.classifier)
        return units

    def posterior(
        self,
        x_observed: Tensor,
        missing: View | None = None,
        labels: Tensor | None = None,
        dropout: Dropout | None = None,
    ) -> Gaussian:
        """q(z | x_O, x_M, y), of whatever of x_M and y the encoder sees."""
        context = [x_observed]
        if missing is not None:
            n_modalities = len(self.architecture.missing)
            has_all = x_observed.new_ones(len(x_observed), n_modalities)
            context += [missing.values, has_all if missing.mask is None else missing.mask]
        n_columns = self.architecture.n_label_columns
        if n_columns:
            unknown = x_observed.new_zeros(len(x_observed), n_columns)
            context.append(unknown if labels is None else labels)
        return cast(Gaussian, self.encoder(*context, dropout=dropout))

    def embed(self, x_observed: Tensor) -> Gaussian:
        """p(z | x_O)."""
        return cast(Gaussian, self.prior(x_observed))

    def predict(self, x_observed: Tensor) -> Distribution:
        """p(y | z) at the mean of p(z | x_O)."""
        z = self.embed(x_observed).mean
        return cast(Conditional, self.classifier)(z)

    def reconstruct(self, x_observed: Tensor) -> Joint:
        """p(x_M | x_O, z) at the mean of p(z | x_O)."""
        z = self.embed(x_observed).mean
        return cast(Decoder, self.decoder)(x_observed, z)

    def draw_missing(self, x_observed: Tensor, for_z: Tensor, for_x: Tensor) -> Tensor:
        """Draw z from p(z | x_O), then x_M from p(x_M | x_O, z).

        The noise is uniform in (0, 1), of shape (batch, n_samples, latent_dim) and (batch,
        n_samples, n_missing), as what is returned.
        """
        x = x_observed.repeat_interleave(for_z.shape[1], dim=0)
        z = self.embed(x).sample(for_z.flatten(0, 1))
        draws: Tensor = cast(Decoder, self.decoder)(x, z).sample(for_x.flatten(0, 1))
        return draws.view_as(for_x)
