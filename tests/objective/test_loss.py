"""The whole objective against independent transcriptions, and against exact likelihoods."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.distributions import Categorical, Laplace, MultivariateNormal, Normal, kl_divergence

from sklearn_cmmd import authors_preset
from sklearn_cmmd.data.batch import Batch, View
from sklearn_cmmd.networks.architecture import Architecture, ViewSpec
from sklearn_cmmd.networks.cmmd import CMMD
from sklearn_cmmd.networks.distributions import Gaussian
from sklearn_cmmd.objective.divergences import gaussian_kl
from sklearn_cmmd.objective.loss import Loss

N, LATENT, LABELS = 12, 3, 4


def model(n_observed=5, n_missing=6, n_labels=LABELS, hidden=(7,)):
    architecture = Architecture(
        observed=(ViewSpec(tuple(range(n_observed))),),
        missing=(ViewSpec(tuple(range(n_missing))),) if n_missing else (),
        n_labels=n_labels,
        label_likelihood="categorical",
        latent_dim=LATENT,
        prior_hidden=hidden,
        encoder_hidden=hidden,
        decoder_hidden=hidden,
        classifier_hidden=hidden,
        activation="softplus",
    )
    return initialised(architecture)


def initialised(architecture):
    module = CMMD(architecture)
    module.init_weights(torch.Generator().manual_seed(0))
    for parameter in module.parameters():
        parameter.data.mul_(2)  # away from q ≈ p
    return module.double().eval()


@pytest.fixture
def batch():
    rng = torch.Generator().manual_seed(1)
    x, m, noise = (
        torch.randn(N, width, generator=rng, dtype=torch.float64) for width in (5, 6, LATENT)
    )
    return Batch(View(x), View(m), torch.arange(N) % LABELS), noise


def numpy_parameters(distribution):
    return tuple(t.detach().numpy() for t in distribution)


PLAIN = Loss(omega=0.5, lam=1000.0, alpha=10.0)


def total(loss, module, batch, noise):
    terms = loss.evaluate(module, batch, noise).terms
    return loss.total(terms.names, terms.means(batch))


def by_posterior(module, batch):
    labels = torch.nn.functional.one_hot(batch.y, LABELS).double()
    return module.posterior(batch.observed.values, batch.missing, labels)


def test_omega_one_is_the_elbo(batch):
    """Against an ELBO written with torch.distributions; p(y|z) is taken under the prior."""
    module, (rows, noise) = model(), batch
    x, m = rows.observed.values, rows.missing.values
    p, q = module.prior(x), by_posterior(module, rows)
    p, q = (Normal(g.loc, (g.log_var / 2).exp()) for g in (p, q))
    z = q.loc + q.scale * noise
    decoded = module.decoder(x, z).parts[0]
    log_x = Normal(decoded.loc, (decoded.log_var / 2).exp()).log_prob(m).sum(1)
    log_y = Categorical(logits=module.classifier(p.loc + p.scale * noise).logits).log_prob(rows.y)
    elbo = (log_x + log_y - kl_divergence(q, p).sum(1)).mean()
    loss = Loss(omega=1.0, alpha=1.0, lam=1e6, classifier_input="draw")
    torch.testing.assert_close(total(loss, module, rows, noise), -elbo, rtol=1e-12, atol=0)


def authors_loss(x_missing, y, noise, p, q, decode, classify, omega, lam, alpha):
    """Transcribe the released code's formulas, sums and means as they stand there, in NumPy.

    Reconstruction and KL are averaged over the batch, the classification loss is summed; the KL
    lacks the ½ of its variance ratio; both draws share their noise.
    """
    (p_loc, p_log_var), (q_loc, q_log_var) = p, q
    n, d = q_loc.shape
    z_q = q_loc + np.exp(0.5 * q_log_var) * noise
    z_p = p_loc + np.exp(0.5 * p_log_var) * noise
    mean, log_var = decode(z_q)
    log_x = -0.5 * (math.log(2 * math.pi) + log_var + (x_missing - mean) ** 2 / np.exp(log_var))
    log_y = np.log(classify(p_loc)[np.arange(n), y])
    kl = (
        0.5 * (p_log_var - q_log_var)
        + np.exp(q_log_var) / np.exp(p_log_var)
        + 0.5 * (q_loc - p_loc) ** 2 / np.exp(p_log_var)
        - 0.5
    )

    def gram(a, b):
        return np.exp(-np.mean((a[:, None, :] - b[None, :, :]) ** 2, axis=2) / d)

    mmd = gram(z_q, z_q).mean() + gram(z_p, z_p).mean() - 2 * gram(z_q, z_p).mean()
    terms = {"kl": kl.sum(1).mean(), "mmd": mmd, "log_y": log_y.sum(), "log_x": log_x.sum(1).mean()}
    loss = -terms["log_x"] - alpha * terms["log_y"] + omega * terms["kl"]
    return loss + (1 - omega) * lam * mmd


@pytest.mark.parametrize("omega", [0.0, 0.4, 1.0])
def test_authors_preset_against_a_transcription(batch, omega):
    module, (rows, noise) = model(), batch
    preset = authors_preset(batch_size=N)
    assert preset["alpha"] == 10 * N
    group = preset["objective"].get_params()
    fields = {name: group[name] for name in group if name in Loss.__dataclass_fields__}
    loss = Loss(omega=omega, lam=preset["lam"], alpha=preset["alpha"], **fields)
    got = float(total(loss, module, rows, noise).detach())

    p = numpy_parameters(module.prior(rows.observed.values))
    q = numpy_parameters(by_posterior(module, rows))

    def decode(z):
        decoded = module.decoder(rows.observed.values, torch.from_numpy(z))
        return numpy_parameters(decoded.parts[0])

    def classify(z):
        logits = module.classifier(torch.from_numpy(z)).logits.detach().numpy()
        return np.exp(logits) / np.exp(logits).sum(1, keepdims=True)

    m, codes, e = rows.missing.values.numpy(), rows.y.numpy(), noise.numpy()
    theirs = authors_loss(m, codes, e, p, q, decode, classify, omega, 1000, 10)
    # The one formula of theirs that is wrong is not offered: their KL is ours plus ½ Σ σ²_q / σ²_p.
    surplus = 0.5 * np.exp(q[1] - p[1]).sum(1).mean()
    assert got == pytest.approx(theirs - omega * surplus, rel=1e-10)


def test_terms_of_a_prior_draw(batch):
    module, (rows, noise) = model(), batch
    loss = Loss(omega=0.6, lam=7, alpha=5, decode_prior=0.3, classifier_input="draw")
    terms = loss.evaluate(module, rows, noise).terms
    z = module.prior(rows.observed.values).rsample(noise)
    want = -module.decoder(rows.observed.values, z).log_prob(rows.missing.values)
    torch.testing.assert_close(terms.prior_reconstruction, want)
    log_y = Categorical(logits=module.classifier(z).logits).log_prob(rows.y)
    torch.testing.assert_close(terms.classification, -log_y)
    got = loss.total(terms.names, terms.means(rows))
    want = (
        0.7 * terms.reconstruction.mean()
        + 0.3 * terms.prior_reconstruction.mean()
        + 5 * terms.classification.mean()
        + 0.6 * terms.kl.mean()
        + 0.4 * 7 * terms.mmd
    )
    torch.testing.assert_close(got, want)


@pytest.mark.parametrize("estimator", ["u", "v", "closed"])
@pytest.mark.parametrize("classifier_input", ["mean", "draw"])
def test_gradcheck_of_the_whole_loss(batch, estimator, classifier_input):
    module, (rows, noise) = model(hidden=(3,)), batch
    names, values = zip(*module.named_parameters(), strict=True)
    objective = replace(
        PLAIN,
        mmd_estimator=estimator,
        classifier_input=classifier_input,
        decode_prior=0.5,
        lam=10.0,
    )
    weight = torch.tensor([0.5, 1.5, 1.0, 1.0]).double()
    x, m = rows.observed.values[:4], rows.missing.values[:4]
    rows = Batch(View(x), View(m), rows.y[:4], weight, weight, weight)

    def loss(*parameters):
        for name, parameter in zip(names, parameters, strict=True):
            owner, _, leaf = name.rpartition(".")
            module_of = module.get_submodule(owner)
            delattr(module_of, leaf) if leaf in module_of._parameters else None
            setattr(module_of, leaf, parameter)
        return total(objective, module, rows, noise[:4])

    leaves = [value.detach().clone().requires_grad_() for value in values]
    assert torch.autograd.gradcheck(loss, leaves, fast_mode=True)


def test_without_missing_modalities_or_labels(batch):
    rows, noise = batch
    bare = Batch(rows.observed, y=rows.y)
    supervised = PLAIN.evaluate(model(n_missing=0), bare, noise)
    assert supervised.terms.reconstruction is None
    assert set(supervised.terms.names) == {"classification", "kl", "mmd"}
    unsupervised = PLAIN.evaluate(model(n_labels=0), rows._replace(y=None), noise)
    assert unsupervised.labels is None
    assert set(unsupervised.terms.names) == {"reconstruction", "kl", "mmd"}


class LinearGaussian:
    """p(z|x) = N(Ax, I), p(m|z) = N(Wz, s² I): everything about it is known."""

    def __init__(self, seed=0, n=40, d_x=3, d_m=5, s=0.6):
        rng = torch.Generator().manual_seed(seed)

        def draw(*shape):
            return torch.randn(*shape, generator=rng, dtype=torch.float64)

        self.s, self.A, self.W = s, draw(LATENT, d_x), draw(d_m, LATENT)
        self.x = draw(n, d_x)
        z = self.x @ self.A.T + draw(n, LATENT)
        self.m = z @ self.W.T + s * draw(n, d_m)

    def log_likelihood(self):
        cov = self.W @ self.W.T + self.s**2 * torch.eye(len(self.W), dtype=torch.float64)
        return MultivariateNormal(self.x @ self.A.T @ self.W.T, cov).log_prob(self.m)

    def prior(self):
        loc = self.x @ self.A.T
        return Gaussian(loc, torch.zeros_like(loc))

    def posterior(self):
        """Exact posterior moments; its covariance is the same for all rows."""
        eye = torch.eye(LATENT, dtype=torch.float64)
        cov = torch.linalg.inv(eye + self.W.T @ self.W / self.s**2)
        loc = (self.prior().loc + self.m @ self.W / self.s**2) @ cov
        return loc, cov

    def elbo(self, q, n_draws, rng):
        """Monte Carlo over the terms that the objective is made of."""
        noise = torch.randn(n_draws, *q.loc.shape, generator=rng, dtype=torch.float64)
        z = q.rsample(noise)
        decoded = Gaussian(z @ self.W.T, torch.full((), 2 * math.log(self.s), dtype=torch.float64))
        return decoded.log_prob(self.m).mean(0) - gaussian_kl(q, self.prior())


@pytest.mark.parametrize("seed", range(3))
def test_exact_likelihood_bounds_the_elbo(seed):
    truth = LinearGaussian(seed)
    rng = torch.Generator().manual_seed(seed)
    loc, cov = truth.posterior()
    exact = truth.log_likelihood()
    for spread in (0.5, 1.0, 2.0):
        q = Gaussian(loc, (spread * cov.diagonal()).log().expand_as(loc))
        assert (truth.elbo(q, 4000, rng) < exact + 0.05).all()


def test_elbo_is_tight_at_the_true_posterior():
    """With orthogonal columns of W the posterior is diagonal, and the bound an equality."""
    truth = LinearGaussian(0)
    truth.W = torch.linalg.qr(truth.W).Q * torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64)
    loc, cov = truth.posterior()
    torch.testing.assert_close(cov, torch.diag(cov.diagonal()))
    elbo = truth.elbo(
        Gaussian(loc, cov.diagonal().log().expand_as(loc)), 20_000, torch.Generator().manual_seed(0)
    )
    torch.testing.assert_close(elbo, truth.log_likelihood(), rtol=0, atol=0.1)


@pytest.mark.parametrize("noise_scale", [0.3, 1.0, 3.0])
def test_kl_bounds_the_conditional_mutual_information(noise_scale):
    """Eq. 2: E KL[q(z|x,m) ‖ p(z|x)] ≥ I(m, z | x), with equality where p is the average of q.

    With m = Bx + u, u ~ N(0, I), and q(z|x, m) = N(Cm, t² I), z given x is N(CBx, CCᵀ + t² I) and
    the information is ½ log det(I + CCᵀ / t²).
    """
    rng = torch.Generator().manual_seed(0)
    n, t = 100_000, noise_scale
    B = torch.randn(4, 2, generator=rng, dtype=torch.float64)
    # Rows of C orthogonal: the average of q is then diagonal, and p can be equal to it.
    C = torch.linalg.qr(torch.randn(4, LATENT, generator=rng, dtype=torch.float64)).Q.T
    x = torch.randn(n, 2, generator=rng, dtype=torch.float64)
    m = x @ B.T + torch.randn(n, 4, generator=rng, dtype=torch.float64)
    loc = m @ C.T
    q = Gaussian(loc, torch.full_like(loc, 2 * math.log(t)))
    eye = torch.eye(LATENT, dtype=torch.float64)
    information = 0.5 * torch.logdet(eye + C @ C.T / t**2)
    average = Gaussian(x @ B.T @ C.T, (t**2 + (C @ C.T).diagonal()).log().expand_as(loc))
    assert float(gaussian_kl(q, average).mean()) == pytest.approx(float(information), rel=0.02)
    for prior in (
        Gaussian(torch.zeros_like(loc), torch.zeros_like(loc)),
        Gaussian(average.loc + 0.5, average.log_var),
        Gaussian(average.loc, average.log_var + 0.7),
    ):
        assert gaussian_kl(q, prior).mean() > information


@pytest.mark.parametrize("smoothing", [0.1, 0.4])
def test_label_smoothing_of_classes(batch, smoothing):
    """Against torch's cross-entropy; nothing but the classification loss changes."""
    module, (rows, noise) = model(), batch
    smoothed, plain = (
        replace(PLAIN, label_smoothing=share).evaluate(module, rows, noise).terms
        for share in (smoothing, 0.0)
    )
    logits = module.classifier(module.embed(rows.observed.values).mean).logits
    want = torch.nn.functional.cross_entropy(
        logits, rows.y, reduction="none", label_smoothing=smoothing
    )
    torch.testing.assert_close(smoothed.classification, want, rtol=1e-12, atol=0)
    for name in ("reconstruction", "kl", "mmd"):
        assert torch.equal(getattr(smoothed, name), getattr(plain, name))


def test_label_smoothing_of_several_labels(batch):
    """Against torch's binary cross-entropy with targets between yes and no."""
    rows, noise = batch
    module = initialised(replace(model().architecture, label_likelihood="bernoulli"))
    y = (torch.arange(N * LABELS).reshape(N, LABELS) % 3 == 0).double()
    smoothed = replace(PLAIN, label_smoothing=0.2)
    terms = smoothed.evaluate(module, rows._replace(y=y), noise).terms
    logits = module.classifier(module.embed(rows.observed.values).mean).logits
    want = torch.nn.functional.binary_cross_entropy_with_logits(
        logits, 0.8 * y + 0.1, reduction="none"
    ).sum(1)
    torch.testing.assert_close(terms.classification, want, rtol=1e-12, atol=0)


def test_prior_of_scales_against_torch_distributions(batch):
    """A row that is one unit off, weighted as the modality is; no other term changes."""
    wide = ViewSpec((0, 1, 2), "a", weight=0.5), ViewSpec((3, 4, 5), "b", likelihood="laplace")
    module = initialised(replace(model().architecture, missing=wide))
    (a, b), (rows, noise) = (head.likelihood for head in module.decoder.heads), batch
    for likelihood in (a, b):
        torch.nn.init.uniform_(likelihood.raw, -2, 2, generator=torch.Generator().manual_seed(0))
    found = replace(PLAIN, scale_prior=0.2).evaluate(module, rows, noise).terms
    plain = PLAIN.evaluate(module, rows, noise).terms
    one, zero = torch.ones(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    log_var, log_b = a(zero).log_var, b(zero).log_scale
    want = -0.5 * Normal(0, (log_var / 2).exp()).log_prob(one).sum()
    want -= Laplace(0, log_b.exp()).log_prob(one).sum()
    torch.testing.assert_close(found.scale_prior, want, rtol=1e-12, atol=0)
    assert plain.scale_prior is None
    difference = total(replace(PLAIN, scale_prior=0.2), module, rows, noise)
    difference -= total(PLAIN, module, rows, noise)
    torch.testing.assert_close(difference, 0.2 * want, rtol=1e-9, atol=0)
