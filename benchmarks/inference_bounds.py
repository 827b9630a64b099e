"""How near is the network to the smallest possible error? Fractional Brownian motion beside the Cramér–Rao bound.

    python benchmarks/inference_bounds.py [--weights 1d.safetensors] [--points 1000] [--tracks 400] [--json FILE]

Tracks of one coordinate, α = 0.5, 1 and 1.5, with no noise and the challenge's. Columns: the bound
if the noise is known, and if it is not; the spread (standard deviation), and the root mean square
error, of the network's median when it knows that the track is fBm, and when it does not; and the
root mean square error of the median of Whittle's likelihood under the noise of the training, which
is what one can reach without knowing the noise. An estimate that knows its prior can be nearer than
the bound, by its bias. The last line is the mean absolute error of α at 999 points, all kinds,
under the challenge's prior.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from classical import log_likelihood

from anodiff.inference.answers.posterior import Posterior
from anodiff.inference.answers.reader import TrackReader
from anodiff.inference.bounds import fractional_brownian_bound
from anodiff.inference.cells import CELL_EXPONENT, CELL_KIND, KINDS, exponent_prior, kind_exponents
from anodiff.inference.simulated.tracks import CHALLENGE_NOISE, make_tracks

#: Published error of α in one dimension at 999 points: Bayesian Multi-SWAG (Seckler & Metzler, Nat. Commun. 13
#: (2022) 6717).
MULTI_SWAG = 0.0975
FBM = KINDS.index("fbm")
TOGETHER = 100


def fbm_tracks(exponent, noise, points, number, rng):
    cell = np.flatnonzero((CELL_KIND == FBM) & np.isclose(CELL_EXPONENT, exponent))
    return make_tracks(cell.repeat(number), np.full(number, noise), points, 1, rng).positions


def whittle_posterior(positions):
    """Posterior of α under the training's noise: half of it uniform, half one of the challenge's."""
    exponents = kind_exponents("fbm")
    uniform = np.linspace(0.025, 0.975, 20)
    noises = np.concatenate([uniform, CHALLENGE_NOISE])
    weights = np.concatenate([np.full(len(uniform), 0.5 / len(uniform)), np.full(3, 0.5 / 3)])
    logs = np.stack([log_likelihood(positions, exponents, noise) for noise in noises])
    likelihood = np.exp(logs - logs.max(axis=(0, 2), keepdims=True))
    cells = np.zeros((len(positions), len(CELL_KIND)))
    cells[:, CELL_KIND == FBM] = np.einsum("k,kae->ae", weights, likelihood)
    return Posterior(cells / cells.sum(axis=1, keepdims=True))


def spread(estimates, exponent):
    errors = estimates - exponent
    return {"bias": errors.mean(), "spread": errors.std(), "rms": np.sqrt(np.square(errors).mean())}


def measure(reader, exponent, noise, points, number, rng):
    positions = fbm_tracks(exponent, noise, points, number, rng)
    posterior = reader.read(positions).posterior
    only_fbm = (CELL_KIND == FBM).astype(float)
    return {
        "known": fractional_brownian_bound(exponent, points - 1, noise=noise, noise_known=True),
        "unknown": fractional_brownian_bound(exponent, points - 1, noise=noise),
        "given fbm": spread(posterior.with_prior(only_fbm).median, exponent),
        "any kind": spread(posterior.median, exponent),
        "whittle": spread(whittle_posterior(positions).median, exponent),
    }


def longest(reader, number, rng):
    """Mean absolute error of α at 999 points."""
    prior, errors = exponent_prior(), []
    for _ in range(-(-number // TOGETHER)):
        cells = rng.choice(len(prior), TOGETHER, p=prior)
        tracks = make_tracks(cells, rng.choice(CHALLENGE_NOISE, TOGETHER), 999, 1, rng)
        errors.append(abs(reader.read(tracks.positions).posterior.with_prior(prior).median - tracks.exponents))
    return float(np.mean(errors))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--points", type=int, default=1000)
    parser.add_argument("--tracks", type=int, default=400)
    parser.add_argument("--json", type=Path, default=Path("benchmarks/inference_bounds.json"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    reader, rng, found = TrackReader.load(1, arguments.weights), np.random.default_rng(0), []
    print(
        f"{arguments.points} points, {arguments.tracks} tracks each\n\n"
        "| α | noise | bound, noise known | unknown | given fBm: spread | rms error | any kind: spread | rms error "
        "| Whittle: rms error | given fBm over bound, known | unknown |\n|" + " --- |" * 11
    )
    for noise in (0.0, *CHALLENGE_NOISE):
        for exponent in (0.5, 1.0, 1.5):
            got = measure(reader, exponent, noise, arguments.points, arguments.tracks, rng)
            found.append({"exponent": exponent, "noise": noise, **got})
            sure = got["given fbm"]["spread"]
            numbers = (
                *(got["known"], got["unknown"]),
                *(got[name][each] for name in ("given fbm", "any kind") for each in ("spread", "rms")),
                got["whittle"]["rms"],
            )
            print(
                f"| {exponent} | {noise} | "
                + " | ".join(f"{each:.3f}" for each in numbers)
                + f" | {sure / got['known']:.2f} | {sure / got['unknown']:.2f} |",
                flush=True,
            )
    error = longest(reader, 4 * arguments.tracks, rng)
    print(f"\n999 points, all kinds: error of α {error:.4f}; Bayesian Multi-SWAG, published: {MULTI_SWAG}")
    content = {"points": arguments.points, "tracks": arguments.tracks, "bounds": found, "error_at_999": error}
    arguments.json.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    main()
