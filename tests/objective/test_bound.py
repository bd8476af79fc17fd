"""The lower bound of log p(x_M, y | x_O) beside exact values."""

import pytest
import torch
from torch.distributions import Categorical, MultivariateNormal, Normal, kl_divergence

from sklearn_cmmd._random import generator
from sklearn_cmmd.data.batch import Batch, View
from sklearn_cmmd.networks.architecture import Architecture, ViewSpec
from sklearn_cmmd.networks.cmmd import CMMD
from sklearn_cmmd.objective.bound import lower_bound

LATENT, N = 2, 4


def model(n_labels=0, **shapes):
    architecture = Architecture(
        observed=(ViewSpec((0, 1, 2)),),
        missing=(ViewSpec((0, 1), weight=3.0), ViewSpec((2, 3), weight=5.0)),
        n_labels=n_labels,
        label_likelihood="categorical",
        latent_dim=LATENT,
        activation="tanh",
        label_in_encoder=n_labels > 0,
        **{f"{role}_hidden": () for role in ("prior", "encoder", "decoder", "classifier")},
    )
    module = CMMD(architecture)
    module.init_weights(generator(0))
    for parameter in module.parameters():
        parameter.data += 0.3 * torch.randn(parameter.shape, generator=generator(1))
    return module.double()


@pytest.fixture
def batch():
    rng = generator(2)
    x, m = (torch.randn(N, width, generator=rng).double() for width in (3, 4))
    return Batch(View(x), View(m))


def test_it_falls_short_of_the_likelihood_by_the_divergence_from_the_posterior(batch):
    """For a linear Gaussian model log p(x_M|x_O) and p(z|x_O, x_M) are known."""
    module = model()
    x, m = batch.observed.values, batch.missing.values
    noise = torch.randn(4_000, N, LATENT, generator=generator(3)).double()
    with torch.no_grad():
        found = lower_bound(module, batch, noise)
        p, q = module.embed(x), module.posterior(x, batch.missing)
        decoded = [module.decoder(x, torch.zeros(N, LATENT).double())]
        decoded += [module.decoder(x, torch.eye(LATENT).double()[[i] * N]) for i in range(LATENT)]
        means = [joint.mean for joint in decoded]
        for i in range(N):
            W = torch.stack([mean[i] - means[0][i] for mean in means[1:]], dim=1)
            noise_var = torch.cat([part.log_var for part in decoded[0].parts]).exp()
            prior_cov = p.log_var[i].exp().diag()
            cov = W @ prior_cov @ W.T + noise_var.diag()
            evidence = MultivariateNormal(means[0][i] + W @ p.loc[i], cov)
            precision = torch.linalg.inv(prior_cov) + W.T @ (W / noise_var[:, None])
            pull = (m[i] - means[0][i]) / noise_var
            loc = torch.linalg.solve(precision, p.loc[i] / p.log_var[i].exp() + W.T @ pull)
            posterior = MultivariateNormal(loc, precision_matrix=precision)
            encoder = MultivariateNormal(q.loc[i], q.log_var[i].exp().diag())
            exact = evidence.log_prob(m[i]) - kl_divergence(encoder, posterior)
            assert found[i] == pytest.approx(float(exact), abs=0.1)


def test_rows_that_lack_something(batch):
    """A row without x_M takes z from the prior; what is absent counts nothing."""
    module = model(n_labels=3)
    mask = torch.tensor([[1.0, 1], [1, 0], [0, 0], [0, 0]]).double()
    y, known = torch.tensor([0, 2, 1, 0]), torch.tensor([1.0, 0, 2, 0])
    values = batch.missing.values * mask.repeat_interleave(2, dim=1)
    batch = batch._replace(missing=View(values, mask), y=y, label_weight=known)
    noise = torch.randn(2, N, LATENT, generator=generator(3)).double()
    with torch.no_grad():
        found = lower_bound(module, batch, noise)
        columns = torch.eye(3).double()[y] * (known > 0)[:, None]
        p = module.embed(batch.observed.values)
        q = module.posterior(batch.observed.values, batch.missing, columns)
        for i in range(N):
            prior = Normal(p.loc[i], p.log_var[i].exp().sqrt())
            proposal = Normal(q.loc[i], q.log_var[i].exp().sqrt()) if mask[i].any() else prior
            exact = -kl_divergence(proposal, prior).sum()
            for draw in noise:
                z = (proposal.loc + proposal.scale * draw[i])[None]
                parts = module.decoder(batch.observed.values[i : i + 1], z).parts
                for j, part in enumerate(parts):
                    scale = (part.log_var.exp()).sqrt()
                    log_prob = Normal(part.loc, scale).log_prob(values[i, 2 * j : 2 * j + 2])
                    exact = exact + mask[i, j] * log_prob.sum() / 2
                if known[i] > 0:
                    logits = module.classifier(z).logits
                    exact = exact + Categorical(logits=logits).log_prob(y[i])[0] / 2
            assert found[i] == pytest.approx(float(exact))


def test_without_missing_modalities_it_is_the_mean_log_probability_of_the_label(batch):
    module = model(n_labels=3)
    y = torch.tensor([0, 2, 1, 0])
    noise = torch.randn(5, N, LATENT, generator=generator(3)).double()
    with torch.no_grad():
        p = module.embed(batch.observed.values)
        log_probs = [module.classifier(p.rsample(draw)).log_mean()[range(N), y] for draw in noise]
        found = lower_bound(module, Batch(batch.observed, y=y), noise)
    torch.testing.assert_close(found, torch.stack(log_probs).mean(0))
