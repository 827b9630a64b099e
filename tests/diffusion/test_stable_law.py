import numpy as np
import pytest
from scipy.stats import levy_stable

from anodiff.diffusion.stable_law import NO_LAW, StableLaw


@pytest.mark.parametrize(("alpha", "beta"), [(0.8, 0.0), (1.3, 0.6), (1.7, -1.0)])
def test_the_density_equals_that_of_scipy(alpha, beta):
    x = np.array([-20.0, -3, -0.4, 0.1, 1, 5, 30])
    law = StableLaw(alpha, beta, 1.5, -0.3)
    np.testing.assert_allclose(law.density(x), levy_stable.pdf(x, alpha, beta, -0.3, 1.5), rtol=2e-3, atol=1e-7)


def test_the_gaussian_and_the_cauchy_density_are_exact():
    x = np.linspace(-4, 4, 33)
    gaussian, cauchy = StableLaw(2.0, 0.0, 2**-0.5, 0.0), StableLaw(1.0, 0.0, 3.0, 1.0)
    np.testing.assert_allclose(gaussian.density(x), np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi), atol=2e-5)
    np.testing.assert_allclose(cauchy.density(x), 3 / np.pi / (9 + (x - 1) ** 2), atol=2e-5)


def test_the_density_is_continuous_where_alpha_passes_1():
    x = np.linspace(-5, 5, 21)
    at = StableLaw(1.0, 0.5, 1.0, 0.0).density(x)
    centred = []
    for alpha in (1 - 1e-6, 1 + 1e-6):
        away = StableLaw(alpha, 0.5, 1.0, 0.0).centre
        centred.append(StableLaw(alpha, 0.5, 1.0, -away).density(x))
    for near in centred:
        np.testing.assert_allclose(near, at, atol=1e-4)


def test_without_a_law_there_is_no_density():
    assert np.isnan(NO_LAW.density([0.0, 1.0])).all()
