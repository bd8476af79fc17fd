"""The whole of it, networks, objective and training, on a model whose likelihood is known."""

import math

import pytest
import torch
from torch.distributions import MultivariateNormal

from sklearn_cmmd._random import Streams, generator, seed_sequence
from sklearn_cmmd.networks.architecture import Architecture, Block
from sklearn_cmmd.networks.cmmd import CMMD
from sklearn_cmmd.objective.loss import Objective
from sklearn_cmmd.objective.terms import Rows
from sklearn_cmmd.training.batches import PairedRows
from sklearn_cmmd.training.engine import train
from sklearn_cmmd.training.job import Job, TrainingSettings

D_X, D_M, LATENT, NOISE = 3, 5, 2, 0.5
ELBO = Objective(omega=1.0, alpha=0.0)


@pytest.fixture(scope="module")
def truth():
    """z | x ~ N(Ax, I) and m | z ~ N(Wz, s² I): rows, and their exact log-likelihoods."""
    rng = torch.Generator().manual_seed(0)
    A, W = torch.randn(LATENT, D_X, generator=rng), torch.randn(D_M, LATENT, generator=rng)
    x = torch.randn(6000, D_X, generator=rng)
    z = x @ A.T + torch.randn(6000, LATENT, generator=rng)
    m = z @ W.T + NOISE * torch.randn(6000, D_M, generator=rng)
    cov = W @ W.T + NOISE**2 * torch.eye(D_M)
    return PairedRows(x, m), MultivariateNormal(x @ A.T @ W.T, cov).log_prob(m)


def linear_model():
    module = CMMD(
        Architecture(
            observed=(Block(tuple(range(D_X))),),
            missing=(Block(tuple(range(D_M))),),
            n_labels=0,
            label_likelihood="categorical",
            latent_dim=LATENT,
            prior_hidden=(),
            encoder_hidden=(),
            decoder_hidden=(),
            classifier_hidden=(),
            activation="relu",
        )
    )
    module.init_weights(generator(0))
    return module


def elbo(module, rows, n_draws=30):
    """Mean over the rows of the objective at ω = 1, by many draws."""
    values = [
        -ELBO.total(
            ELBO.evaluate(module, rows, None, torch.randn(len(rows.observed), LATENT)).terms, rows
        )
        for _ in range(n_draws)
    ]
    return float(torch.stack(values).mean().detach())


def test_exact_likelihood_bounds_the_elbo_before_and_after_training(truth):
    rows, exact = truth
    test = Rows(rows.observed[-400:], rows.missing[-400:])
    exact = float(exact[-400:].mean())
    module = linear_model()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        before = elbo(module, test)
        settings = TrainingSettings(
            max_epochs=40,
            batch_size=100,
            learning_rate=0.01,
            weight_decay=0.0,
            dropout=0.0,
            precision="float32",
            compile_losses=False,
            validation_fraction=0.0,
            watched="loss",
            patience=10,
            tol=0.0,
            verbose=0,
        )
        first = rows.subset(torch.arange(4000).numpy())
        train(Job(module, ELBO, first, None, settings, Streams.spawn(seed_sequence(0))))
        after = elbo(module, test)
    assert before < exact - 2
    # Held-out rows: no model beats the truth but by chance, and this one can nearly equal it,
    # since a rotation of z makes the posterior diagonal.
    assert exact - 0.1 < after < exact + 0.02


def test_decoder_noise_is_found(truth):
    """The decoder's variance is the true one, and the prior's mean is as good as the truth's."""
    rows, _ = truth
    module = linear_model()
    settings = TrainingSettings(40, 100, 0.01, 0.0, 0.0, "float32", False, 0.0, "loss", 10, 0.0, 0)
    train(Job(module, ELBO, rows, None, settings, Streams.spawn(seed_sequence(1))))
    with torch.inference_mode():
        decoded = module.reconstruct(rows.observed).parts[0]
        residual = (rows.missing - decoded.loc).square().mean(0)
        least_squares = torch.linalg.lstsq(rows.observed, rows.missing).solution
        best = (rows.missing - rows.observed @ least_squares).square().mean(0)
    found = math.exp(0.5 * float(decoded.log_var.mean()))
    assert found == pytest.approx(NOISE, rel=0.1)
    assert (residual < 1.05 * best).all()
