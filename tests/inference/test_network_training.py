"""Training learns, resumes to the same bits, and its result is read back whole or not at all."""

import json
import os
import signal

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from anodiff.errors import ConfigError, Interrupted, OutputExistsError, StoreDamagedError, StoreFormatError, StoreMissingError
from anodiff.inference.answers.posterior import Posterior
from anodiff.inference.answers.reader import Answers, TrackReader
from anodiff.inference.answers.weights import read_network, write_network
from anodiff.inference.cells import balanced_prior, exponent_prior
from anodiff.inference.networks.pyramid import Pyramid
from anodiff.inference.simulated.tracks import draw_tracks
from anodiff.inference.teaching.learner import Learner, training_tracks
from anodiff.inference.teaching.training import train_network
from anodiff.inference.teaching.validation import expected_calibration_error, held_out, scores
from anodiff.settings.inference import InferenceSettings
from anodiff.training.checkpoint import write_checkpoint

TINY = InferenceSettings(tracks=96, batch_size=16, width=4, levels=2, hidden=8, validation_tracks=1000, calibration_tracks=2000)
CARD = {"network": "pyramid", "dimensions": 2, "settings": {"width": 4, "levels": 2, "hidden": 8}}


def train(folder, settings=TINY, **keywords):
    return train_network(settings, 1, folder / "1d.safetensors", scratch=folder / "scratch", device="cpu", **keywords)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    return folder, train(folder)


def test_a_resumed_training_gives_the_same_bits(trained, tmp_path):
    lines = []

    def interrupt(done, total, message):
        if done == 48:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted, match="step 3 of 6"):
        train(tmp_path, report=interrupt)
    assert not (tmp_path / "1d.safetensors").exists()
    card = train(tmp_path, notify=lines.append)
    assert lines == ["resuming at step 3 of 6"]
    assert (tmp_path / "1d.safetensors").read_bytes() == (trained[0] / "1d.safetensors").read_bytes()
    assert card["scores"] == trained[1]["scores"]
    assert card["learning_curve"] == trained[1]["learning_curve"]
    assert not (tmp_path / "scratch").exists()


def test_the_published_network_learns_and_resumes_too(tmp_path):
    """Its dropout and its batch normalisation depend on nothing but the step."""
    settings = TINY.model_copy(update={"network": "wadnet", "tracks": 64})
    whole, resumed = (Learner(settings, 1, torch.device("cpu")) for _ in range(2))
    losses = [whole.take_step() for _ in range(3)]
    first = Learner(settings, 1, torch.device("cpu"))
    first.take_step()
    resumed.load_state_dict(first.state_dict())
    torch.rand(5)
    assert [resumed.take_step(), resumed.take_step()] == losses[1:]
    card = {"network": "wadnet", "dimensions": 1, "settings": {}}
    write_network(whole.network, card, tmp_path / "1d.safetensors")
    read, _, _ = read_network(tmp_path / "1d.safetensors")
    positions = torch.from_numpy(training_tracks(settings, 1, 5).positions)
    with torch.inference_mode():
        torch.testing.assert_close(read(positions), whole.network.eval()(positions), rtol=0.02, atol=0.02)


def test_other_settings_do_not_resume(tmp_path):
    learner = Learner(TINY, 1, torch.device("cpu"))
    content = {"settings": TINY.model_dump(mode="json"), "dimensions": 1, "learner": learner.state_dict()}
    write_checkpoint(tmp_path / "scratch" / "checkpoints", 0, content)
    with pytest.raises(ConfigError, match="other settings"):
        train(tmp_path, TINY.model_copy(update={"learning_rate": 0.1}))


def test_the_card_says_what_the_network_is(trained):
    folder, card = trained
    stored = json.loads((folder / "1d.json").read_text())
    assert stored["tracks"] == 96
    assert stored["scores"] == card["scores"]
    assert stored["settings"] == TINY.model_dump(mode="json", exclude={"dimensions", "network"})
    assert {"commit", "device", "versions"} <= set(stored["provenance"])
    weights = load_file(folder / "1d.safetensors")
    own = {name: each for name, each in weights.items() if not name.startswith("calibration.")}
    assert sum(each.size for each in own.values()) == stored["parameters"]
    assert {each.dtype for each in own.values()} == {np.dtype(np.float16)}


def test_finished_weights_are_not_replaced_by_mistake(trained):
    with pytest.raises(OutputExistsError, match="--overwrite"):
        train(trained[0])


def test_training_lowers_the_loss_on_held_out_tracks():
    larger = {"tracks": 32 * 150, "batch_size": 32, "width": 8, "levels": 3, "hidden": 32, "learning_rate": 0.005}
    settings = TINY.model_copy(update=larger)
    learner = Learner(settings, 1, torch.device("cpu"))
    held_out = draw_tracks(500, 100, 1, np.random.default_rng(0))

    def loss():
        with torch.inference_mode():
            logits = learner.network(torch.from_numpy(held_out.positions))
        return torch.nn.functional.cross_entropy(logits, torch.from_numpy(held_out.cells)).item()

    before = loss()
    for _ in range(settings.steps):
        learner.take_step()
    assert loss() < before - 0.05


def test_a_loss_that_is_not_finite_stops_in_one_line():
    learner = Learner(TINY, 1, torch.device("cpu"))
    with torch.no_grad():
        learner.network.head[2].bias[:] = torch.nan
    with pytest.raises(ConfigError, match=r"smaller inference\.learning_rate"):
        learner.take_step()


def test_weights_are_read_back_in_half_precision(tmp_path):
    network = Pyramid(2, width=4, levels=2, hidden=8)
    write_network(network, CARD, tmp_path / "2d.safetensors")
    read, _, card = read_network(tmp_path / "2d.safetensors")
    for name, value in network.state_dict().items():
        torch.testing.assert_close(read.state_dict()[name], value.half().float(), rtol=0, atol=0)
    assert card["dimensions"] == 2


def test_missing_foreign_and_damaged_weights_are_one_line(tmp_path):
    path = tmp_path / "2d.safetensors"
    with pytest.raises(StoreMissingError, match="no such file"):
        read_network(path)
    write_network(Pyramid(2, width=4, levels=2, hidden=8), CARD, path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(StoreDamagedError, match="digest"):
        read_network(path)
    path.write_bytes(whole)
    card = path.with_suffix(".json")
    card.write_text(json.dumps({**json.loads(card.read_text()), "version": 99}))
    with pytest.raises(StoreFormatError, match="train it again"):
        read_network(path)
    card.write_text("{")
    with pytest.raises(StoreDamagedError, match="not JSON"):
        read_network(path)


def answered(logits):
    posterior = Posterior.from_logits(logits)
    low, high = posterior.quantile(0.05), posterior.quantile(0.95)
    return Answers(posterior, low, high, posterior.kinds, np.ones(len(logits)), [""] * len(logits))


def test_scores_of_an_answer_that_ignores_the_track_are_those_of_the_prior():
    """Its α is always the median of 0.05 … 2, whose mean distance from them is 0.5; its kind is always the first."""
    logits = np.log(balanced_prior())
    found = scores(lambda positions: answered(np.tile(logits, (len(positions), 1))), 2000, 1, 0)
    exponents = np.arange(0.05, 2.01, 0.05)
    assert found["mae"]["all"] == pytest.approx(abs(exponents - np.median(exponents)).mean(), abs=0.03)
    assert found["coverage"]["all"] == pytest.approx(0.9, abs=0.03)
    assert found["f1"]["all"] == pytest.approx(0.2, abs=0.04)


def test_scores_of_perfect_answers_are_perfect():
    truth = {}
    for seed, prior in ((0, exponent_prior()), (1, balanced_prior())):
        for tracks in held_out(1000, 1, seed, prior):
            truth[tracks.positions.tobytes()] = tracks.cells
    found = scores(
        lambda positions: answered(np.where(np.arange(140) == truth[positions.tobytes()][:, None], 0.0, -1e3)), 1000, 1, 0
    )
    assert found["mae"]["all"] == pytest.approx(0, abs=1e-6)
    assert found["f1"]["all"] == 1
    assert found["coverage"]["all"] == 1


def test_honest_probabilities_have_no_calibration_error_and_boasts_have_their_excess():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.2, 1, 200_000)
    right = rng.random(200_000) < confidence
    assert expected_calibration_error(confidence, right.astype(float)) < 0.01
    boasted = np.minimum(confidence + 0.1, 1)
    assert expected_calibration_error(boasted, right.astype(float)) == pytest.approx((boasted - confidence).mean(), abs=0.01)


def test_the_trained_network_answers_with_a_distribution(trained):
    answers = TrackReader.load(1, trained[0] / "1d.safetensors").read(training_tracks(TINY, 1, 0).positions)
    np.testing.assert_allclose(answers.posterior.cells.sum(axis=1), 1)
    np.testing.assert_allclose(answers.kinds.sum(axis=1), 1)
    assert (answers.low < answers.high).all()
    assert ((answers.familiarity > 0) & (answers.familiarity <= 1)).all()
