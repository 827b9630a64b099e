"""Ensembles of walkers: their measurements where the result is known, and their store."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from typer.testing import CliRunner

from anodiff.cli.app import app
from anodiff.errors import StoreMissingError
from anodiff.geometry.msd import logarithmic_lags
from anodiff.settings.stages import SimplifiedModelSettings
from anodiff.simulation.surfaces.columns import MODEL_COLUMNS
from anodiff.simulation.surfaces.ensemble import early_lags, largest_exponent, measure_ensembles, surface_kinds
from anodiff.simulation.surfaces.store import open_model, write_model

SMALL = {"points": 33, "surfaces": 2, "walkers": 60, "steps": 200, "hurst": [0.4, 0.8], "beside": []}


@pytest.fixture(scope="module")
def measured():
    return {ensemble.kind: ensemble for ensemble in measure_ensembles(SimplifiedModelSettings(**SMALL))}


def test_every_kind_of_surface_has_a_row_for_each_surface(measured):
    assert list(measured) == list(surface_kinds(SimplifiedModelSettings(**SMALL)))
    assert {"fractional, H = 0.4", "multifractional", "diamond-square, H = 0.8", "bowl", "shuffled"} <= set(measured)
    for ensemble in measured.values():
        assert list(ensemble.rows) == list(MODEL_COLUMNS)
        assert len(ensemble.rows) == 2
        assert ensemble.example.heights.std() == pytest.approx(0.1)


def test_walkers_in_a_bowl_without_noise_follow_the_exact_solution():
    """x decays by 1 − ηk per step: Δr² = <x_0²> (1 − (1 − ηk)^τ)², so it starts with slope 2 and ends at rest."""
    settings = SimplifiedModelSettings(**SMALL | {"noise": 0.0, "interpolation": 3, "learning_rate": 0.2, "points": 129})
    bowl = next(ensemble for ensemble in measure_ensembles(settings) if ensemble.kind == "bowl")
    x = bowl.example.coordinates
    curvature = np.polyfit(x, bowl.example.heights[:, 64], 2)[0] * 2
    relaxed = (1 - (1 - 0.2 * curvature) ** bowl.lags) ** 2
    np.testing.assert_allclose(bowl.ageing_msd[0, 0] / bowl.ageing_msd[0, 0, -1], relaxed / relaxed[-1], rtol=0.03)
    assert bowl.exponent("exponent_largest").value == pytest.approx(np.log(relaxed[2] / relaxed[0]) / np.log(3), abs=0.15)
    assert (bowl.rows["reached"] == 1).all()


def test_the_largest_exponent_of_brownian_walkers_is_one():
    """The plain maximum over half decades is 1.14 here: chance alone would look like superdiffusion."""
    random, lags = np.random.default_rng(0), logarithmic_lags(1000, 20, 1.0)
    found = []
    for _ in range(40):
        positions = np.zeros((1001, 300, 2))
        np.cumsum(random.normal(size=(1000, 300, 2)), axis=0, out=positions[1:])
        found.append(largest_exponent(positions, lags))
    assert np.mean(found) == pytest.approx(1, abs=0.04)


def test_the_largest_exponent_is_two_for_straight_paths_and_nan_for_resting_ones():
    lags = logarithmic_lags(200, 20, 1.0)
    straight = np.arange(201)[:, None, None] * np.random.default_rng(0).normal(size=(5, 2))
    assert largest_exponent(straight, lags) == pytest.approx(2)
    assert np.isnan(largest_exponent(np.zeros((201, 5, 2)), lags))


def test_the_early_exponent_begins_beyond_the_cells_and_the_first_step():
    lags = logarithmic_lags(1000, 20, 1.0)
    straight, brownian = lags**2.0, lags**1.0
    assert lags[early_lags(lags, straight, 3.0, 1.0)][[0, -1]].tolist() == [6, 56]  # 63 is above ten times 6
    assert lags[early_lags(lags, brownian, 1.0, 2.0)][[0, -1]].tolist() == [16, 158]
    assert not early_lags(lags, brownian, 20.0, 1.0).any()  # two cells are crossed at lag 1600
    assert not early_lags(lags, brownian, 8.0, 1.0).any()  # at 256: the decade does not fit


def test_steps_across_cells_are_flagged_and_finer_grids_have_more_of_them():
    def measured(**changes):
        found = measure_ensembles(SimplifiedModelSettings(**SMALL | {"hurst": [0.3], "beside": []} | changes))
        return {ensemble.kind: ensemble.rows for ensemble in found}

    coarse, fine = measured(points=33), measured(points=129)
    rough, bowl = "fractional, H = 0.3", "bowl"
    assert fine[rough]["step_in_cells"].median() > 2 * coarse[rough]["step_in_cells"].median()
    assert fine[rough]["flags"].str.contains("steps across cells").all()
    assert not coarse[bowl]["flags"].str.contains("steps across cells").any()


def test_late_displacement_starts_at_its_own_waiting_time(measured):
    for ensemble in measured.values():
        known = np.isfinite(ensemble.ageing_msd)
        assert known[:, 0].all()
        np.testing.assert_array_equal(known[:, 3], np.broadcast_to(ensemble.lags <= 100, known[:, 3].shape))


def test_the_same_settings_give_the_same_rows_and_a_new_kind_changes_no_other(measured):
    again = measure_ensembles(SimplifiedModelSettings(**SMALL | {"hurst": [0.4, 0.6, 0.8]}))
    for ensemble in again:
        if ensemble.kind in measured:
            pd.testing.assert_frame_equal(ensemble.rows, measured[ensemble.kind].rows)


def test_named_settings_are_the_published_ones_and_may_be_overridden():
    chen, ly = SimplifiedModelSettings(name="chen2021"), SimplifiedModelSettings(name="ly2025")
    assert (chen.learning_rate, chen.noise, chen.steps) == (0.02, 0.01, 1000)
    assert ly.noise == 0
    assert SimplifiedModelSettings(name="ly2025", noise=0.1).noise == 0.1


def test_further_presets_walk_on_the_same_surfaces():
    settings = SimplifiedModelSettings(**SMALL | {"hurst": [0.5], "beside": ["levy", "chen2021"]})
    assert list(settings.by_name()) == ["chen2021", "levy"]
    found = measure_ensembles(settings)
    gaussian, levy = (next(one for one in found if one.setting == name) for name in ("chen2021", "levy"))
    np.testing.assert_array_equal(gaussian.example.heights, levy.example.heights)
    tails = [np.abs(np.diff(one.paths, axis=0)).max() for one in (gaussian, levy)]
    assert tails[0] < 0.1 < tails[1]  # the largest of thousands of steps with σ = 0.01: only Lévy-stable noise jumps


def test_the_store_holds_what_was_measured(tmp_path, measured):
    output, table = tmp_path / "simplified_model.zarr", tmp_path / "simplified_model.csv"
    write_model(SimplifiedModelSettings(**SMALL), output, table)
    for ensemble in open_model(output):
        own = measured[ensemble.kind]
        np.testing.assert_array_equal(ensemble.ageing_msd, own.ageing_msd)
        np.testing.assert_array_equal(ensemble.paths, own.paths)
        pd.testing.assert_frame_equal(ensemble.rows, own.rows, check_dtype=False)
    assert len(pd.read_csv(table)) == 2 * len(measured)
    labelled = xr.open_zarr(output, group="0")
    assert labelled["ageing_msd"].dims == ("surface", "waiting_time", "lag")
    assert all(variable.attrs["long_name"] for variable in labelled.variables.values())
    with pytest.raises(StoreMissingError):
        open_model(tmp_path / "nothing.zarr")


def test_the_command_accepts_settings_and_refuses_invalid_ones_in_one_line(tmp_path):
    settings = "{points: 17, surfaces: 2, walkers: 20, steps: 100, hurst: [0.5], beside: []}"
    output = tmp_path / "model.zarr"
    result = CliRunner().invoke(app, ["simplified-model", "-o", str(output), "--settings", settings])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "model.csv").exists()
    for kind in ("surfaces", "walkers", "gradients"):
        picture = tmp_path / f"{kind}.svg"
        result = CliRunner().invoke(app, ["figures", kind, str(output), "-o", str(picture)])
        assert result.exit_code == 0, result.output
        assert picture.stat().st_size > 20_000
    refused = CliRunner().invoke(app, ["simplified-model", "-o", str(tmp_path / "x.zarr"), "--settings", "{points: 100}"])
    assert "power of 2 plus 1" in str(refused.exception)
    assert not (tmp_path / "x.zarr").exists()
