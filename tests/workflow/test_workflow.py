"""The workflow: the whole road, what a change redoes, and what it leaves alone."""

import os
import re
import shutil
import sys
import tomllib
from pathlib import Path

import pandas as pd
import pytest
import yaml
from sameness import same_store
from tiny import ROOT, TINY, dry_run, snakemake

from anodiff.report.page.early import renew_page

DIVERGING = "mlp-bs32-lr1e+30-seed0-mse"

pytestmark = pytest.mark.workflow


@pytest.fixture
def changed(tmp_path):
    """Return a function that writes the tiny config with a change."""

    def write(change):
        config = yaml.safe_load(TINY.read_text())
        change(config)
        path = tmp_path / "changed.yaml"
        path.write_text(yaml.safe_dump(config, sort_keys=False))
        return path

    return write


@pytest.fixture
def copy(swept, tmp_path):
    """A copy of the test-sized sweep, for a test that changes it."""
    return shutil.copytree(swept, tmp_path / "copy", symlinks=True)


def test_one_command_makes_every_result(swept):
    results = swept / "results" / "tiny"
    table = pd.read_csv(results / "tables" / "exponents.csv")
    assert set(table["run"]) == {path.name for path in (results / "runs").iterdir()}
    assert table.groupby("run").size().unique().tolist() == [2]
    assert (results / "index.html").stat().st_size > 50_000
    characters = pd.read_csv(results / "tables" / "characters.csv")
    assert set(characters["run"]) == set(table["run"])
    assert (characters["exponent"].notna() == (characters["run"] != DIVERGING)).all()
    assert not list((swept / "scratch").rglob("*.zarr"))
    for run in table["run"].unique():
        assert run in (results / "logs" / "train" / f"{run}.log").read_text()


def test_the_target_inference_trains_a_network_for_each_number_of_dimensions_and_no_run(changed, tmp_path):
    def small(config):
        size = {"tracks": 64, "batch_size": 32, "width": 2, "levels": 2, "hidden": 4}
        size |= {"validation_tracks": 1000, "calibration_tracks": 2000}
        config["inference"] = {"dimensions": [1, 2], **size}

    config = changed(small)
    assert dry_run(tmp_path, "inference", config=config) == {"inference": 1, "inference_network": 2, "total": 3}
    finished = snakemake(tmp_path, "inference", config=config)
    assert finished.returncode == 0, finished.stderr
    made = sorted(path.name for path in (tmp_path / "results" / "tiny" / "inference").iterdir())
    assert made == ["1d.json", "1d.safetensors", "2d.json", "2d.safetensors"]
    assert dry_run(tmp_path, "inference", config=config) == {}
    assert not (tmp_path / "results" / "tiny" / "runs").exists()


def test_snakemake_plans_once_for_each_job_that_ends(swept):
    said = (swept.parent / "swept.done").read_text()
    jobs = int(re.search(r"^total +(\d+)$", said, re.M)[1])
    assert jobs > 20
    assert 0 < said.count("Ready jobs:") <= 2 * jobs


def test_a_diverged_run_is_marked_and_the_sweep_goes_on(swept):
    table = pd.read_csv(swept / "results" / "tiny" / "tables" / "exponents.csv").set_index("run")
    assert set(table["status"]) == {"complete", "diverged"}
    lost = table.loc[[DIVERGING]]
    assert (lost["diverged_at"] == lost["steps_completed"]).all()
    assert lost["beta_max"].isna().all()
    assert lost["note"].str.contains("diverged at step").all()
    assert table.drop(DIVERGING)["beta_max"].notna().all()


def test_a_finished_sweep_has_nothing_to_do_wherever_its_data_are_and_if_a_default_is_written_out(swept, changed):
    def same(config):
        config["sweep"]["runs"][0] |= {"seed": 0, "training.drop_last": False}
        config |= {"paths": {"data": "elsewhere"}, "download": True}

    assert dry_run(swept) == {}
    assert dry_run(swept, config=changed(same)) == {}


def test_snakemake_takes_no_page_of_the_runs_so_far_for_the_whole_one(copy):
    page = copy / "results" / "tiny" / "index.html"
    page.unlink()
    assert renew_page(page)
    assert dry_run(copy) == {"page": 1, "all": 1, "total": 2}


def test_a_changed_setting_of_one_run_and_another_seed_train_these_runs_alone(swept, changed):
    def other(config):
        config["sweep"]["grid"][0].update(seed=[0, 1, 2])
        config["sweep"]["grid"][1]["model"][0].update(options={"projection": True})

    jobs = dry_run(swept, config=changed(other))
    assert jobs["train"] == jobs["geometry"] == jobs["diffusion"] == 2


@pytest.mark.parametrize("remembered", [True, False], ids=["with .snakemake", "without .snakemake"])
def test_copied_results_are_not_trained_again_whatever_their_time_stamps(swept, tmp_path, remembered):
    copy = shutil.copytree(swept, tmp_path / "copy", symlinks=True, copy_function=shutil.copyfile)
    if not remembered:
        shutil.rmtree(copy / ".snakemake")
    for path in copy.glob("results/tiny/runs/*/trajectory.zarr/.snakemake_timestamp"):
        os.utime(path, (10**9, 10**9))  # older than all that it was made from
    jobs = dry_run(copy)
    assert "train" not in jobs
    touched = snakemake(copy, "--touch")
    assert touched.returncode == 0, touched.stderr
    assert dry_run(copy) == {}


def test_whatever_snakemake_remembers_a_run_is_trained_again_if_its_store_has_other_settings(copy, changed):
    def other(config):
        config["sweep"]["defaults"]["training"]["steps"] = 61  # no part of a run's name

    (store,) = copy.glob("results/tiny/runs/resnet8-*/trajectory.zarr/zarr.json")
    assert dry_run(copy, config=changed(other))["train"] == 4
    assert dry_run(copy) == {}
    store.write_text(store.read_text().replace('"batch_size": 32', '"batch_size": 16'))
    assert dry_run(copy)["train"] == 1
    shutil.rmtree(copy / ".snakemake")
    assert dry_run(copy)["train"] == 1
    assert dry_run(copy, config=changed(other))["train"] == 4


@pytest.mark.parametrize("remembered", [True, False], ids=["with .snakemake", "without .snakemake"])
def test_a_run_that_is_no_longer_in_the_config_leaves_tables_figures_and_page(copy, changed, remembered):
    if not remembered:
        shutil.rmtree(copy / ".snakemake")
    jobs = dry_run(copy, config=changed(lambda config: config["sweep"]["grid"][0].update(seed=[0])))
    assert {"tables_of_runs", "table_of_claims", "figures_of_runs", "page"} <= set(jobs)
    assert not {"train", "geometry", "diffusion"} & set(jobs)


def test_a_changed_analysis_trains_nothing(swept, changed):
    jobs = dry_run(swept, config=changed(lambda config: config["analysis"].update(slope_width=0.5)))
    assert "train" not in jobs
    assert "geometry" not in jobs
    assert jobs["diffusion"] == 4
    assert jobs["parts"] == 1  # the run with groups and walks


def test_parts_are_measured_of_the_runs_that_record_them_and_drawn(swept, changed):
    (table,) = swept.glob("results/tiny/runs/*/parts.csv")
    assert set(pd.read_csv(table)["kind"]) == {"whole", "group", "walk"}
    assert table.parent.name.startswith("resnet8-")
    assert (swept / "results/tiny/tables/parts.parquet").exists()
    assert all((table.parent / "figures" / f"{kind}.svg").exists() for kind in ("layers", "walks"))
    assert "Exponents by layer" in (swept / "results/tiny/index.html").read_text()

    def without(config):
        for key in ("recording.groups", "recording.walks"):
            del config["sweep"]["grid"][1][key]

    assert not {"parts", "table_of_parts", "figures_of_parts"} & set(dry_run(swept, "-R", "geometry", config=changed(without)))


def test_kinds_of_motion_are_read_again_alone_and_can_be_left_out(swept, changed):
    jobs = dry_run(swept, config=changed(lambda config: config.update(characters={"projections": 8})))
    assert jobs["characterise"] == 4
    assert not {"train", "geometry", "diffusion", "run_figure"} & set(jobs)
    left_out = dry_run(swept, "-R", "geometry", config=changed(lambda config: config.update(characters={"enabled": False})))
    assert left_out["diffusion"] == 4
    assert "characterise" not in left_out


def test_learning_curves_are_measured_again_alone_and_can_be_left_out(swept, changed):
    jobs = dry_run(swept, config=changed(lambda config: config["learning"].update(points=9)))
    assert jobs["learning"] == 2  # the runs with full weights
    assert not {"train", "geometry", "diffusion", "roughness"} & set(jobs)
    left_out = dry_run(swept, "-R", "geometry", config=changed(lambda config: config["learning"].update(seeds="none")))
    assert left_out["diffusion"] == 4
    assert not {"learning", "tables_of_learning", "figures_of_learning"} & set(left_out)


def test_changed_formats_draw_again_and_train_and_analyse_nothing(swept, changed):
    jobs = dry_run(swept, config=changed(lambda config: config["figures"].update(formats=["svg", "pdf"])))
    drawn = dict.fromkeys([f"figures_of_{what}" for what in ("runs", "parts", "landscapes", "learning", "model")], 1)
    drawn |= {"run_figure": 3, "page": 1}
    assert {rule: count for rule, count in jobs.items() if rule not in ("all", "total")} == drawn


def test_figures_are_drawn_of_the_runs_that_are_asked_for(swept, changed):
    def drawn(seeds):
        config = changed(lambda config: config.update(figures={"seeds": seeds}))
        return dry_run(swept, "--force", "run_figures", "-R", "run_figure", config=config).get("run_figure", 0)

    assert [drawn(seeds) for seeds in ("all", "first")] == [4, 3]
    assert "run_figure" not in dry_run(swept, config=changed(lambda config: config.update(figures={"seeds": "none"})))


def test_one_stage_or_one_target_can_be_asked_for(swept):
    jobs = dry_run(swept, "-R", "diffusion")
    assert jobs["diffusion"] == 4
    assert "train" not in jobs
    assert set(dry_run(swept, "--force", "tables")) - {"total"} == {"tables"}
    one = f"results/tiny/runs/{DIVERGING}/geometry.zarr"
    assert set(dry_run(swept, "--force", one)) - {"total"} == {"geometry"}


def test_a_rerun_gives_the_same_bits(swept, copy):
    (store,) = copy.glob("results/tiny/runs/resnet8-*/trajectory.zarr")
    before = store.stat().st_ino
    finished = snakemake(copy, "--force", store.relative_to(copy))
    assert finished.returncode == 0, finished.stderr
    assert store.stat().st_ino != before
    same_store(swept / store.relative_to(copy), store)


def test_the_report_builds_with_captions(swept, tmp_path):
    finished = snakemake(swept, "--report", tmp_path / "report.html")
    assert finished.returncode == 0, finished.stderr
    report = (tmp_path / "report.html").read_text()
    assert "Local exponent" in report
    assert "Sweep tiny: a row for each window of each run" in report


def test_a_failing_run_leaves_no_half_written_output_and_the_others_go_on(tmp_path, changed):
    def failing(config):
        config["sweep"] |= {"grid": [{"seed": [0]}], "runs": [{"data": "mnist"}]}
        config |= {"landscape": {"seeds": "none"}, "learning": {"seeds": "none"}, "simplified_model": {"enabled": False}}

    finished = snakemake(tmp_path, "tables", config=changed(failing))
    assert finished.returncode == 1
    assert "download=True" in finished.stdout + finished.stderr
    runs = tmp_path / "results" / "tiny" / "runs"
    assert (runs / "mlp-bs32-lr0.1-seed0" / "exponents.csv").exists()
    assert [path.name for path in (runs / "mlp-bs32-lr0.1-seed0-mnist").iterdir()] == ["run.yaml"]
    partial = pd.read_csv(tmp_path / "results" / "tiny" / "tables" / "exponents-partial.csv")
    assert partial["status"].tolist() == ["complete"] * 2 + ["missing"]
    assert partial["note"].iloc[-1].startswith("train: ")
    assert "why others are missing" in finished.stderr


HOSTILE = "'; touch MADE; echo '$(touch MADE)`touch MADE`\"{config}{SETTINGS.paths.data}{{x}}{"


def test_a_folder_is_never_a_template_nor_a_command(tmp_path, changed):
    """Whatever the folders are called, a rule's command gets them as they are; so do jobs on other machines."""
    (tmp_path / "Snakefile").write_text(
        f"""
include: {str(ROOT / "workflow" / "rules" / "common.smk")!r}
rule environment:
    output: RESULTS + "/said"
    shell: "printenv -0 ANODIFF_SCRATCH ANODIFF_DATA ANODIFF_DOWNLOAD PATH > {{output:q}}"
"""
    )
    results = 'it\'s $(touch MADE) "here"; *'
    paths = {"scratch": f"scratch{HOSTILE}", "data": f"data{HOSTILE}", "results": results}
    config = changed(lambda config: config.update(paths=paths, download=True))
    options = ["--snakefile", tmp_path / "Snakefile", "--cores", "1", "--force", "environment"]
    finished = snakemake(tmp_path / "run", *options, config=config)
    assert finished.returncode == 0, finished.stderr
    scratch, data, download, path, end = (tmp_path / "run" / results / "tiny" / "said").read_text().split("\0")
    assert (scratch, data, download, end) == (f"scratch{HOSTILE}/tiny", f"data{HOSTILE}", "1", "")
    assert path.split(os.pathsep)[0] == str(Path(sys.executable).parent)
    assert not list(tmp_path.rglob("MADE"))


def test_snakemake_sees_what_the_other_commands_see(tmp_path):
    """Numbers that its own reader takes for text, and --config; of two equal keys neither is dropped."""
    once, twice = tmp_path / "once.yaml", tmp_path / "twice.yaml"
    model = "{name: networks:small, options: {rate: 1e-1}}"
    once.write_text(f"sweep: {{name: s, runs: [{{training.steps: 4, model: {model}}}]}}\nanalysis: {{slope_width: 3e-1}}\n")
    twice.write_text(once.read_text() + "analysis: {}\n")
    network = "nn.Sequential(nn.Flatten(), nn.Linear(channels * size**2, classes))"
    factory = f"from torch import nn\n\n\ndef small(channels, size, classes, rate):\n    return {network}\n"
    (tmp_path / "networks.py").write_text(factory)
    (tmp_path / "Snakefile").write_text(
        f"include: {str(ROOT / 'workflow' / 'rules' / 'common.smk')!r}\n"
        "print('seen', list(RUNS), SETTINGS.analysis.slope_width, SETTINGS.analysis.lags_per_decade)\nrule nothing:\n"
    )
    options = ["--snakefile", tmp_path / "Snakefile", "--dry-run", "--config", "analysis={lags_per_decade: 21}"]
    finished = snakemake(tmp_path, *options, config=once)
    assert finished.returncode == 0, finished.stderr
    assert "seen ['networks.small-bs128-lr0.1-seed0-rate0.1-steps4'] 0.3 21\n" in finished.stdout
    refused = snakemake(tmp_path, *options, config=twice)
    assert (refused.returncode, "line 3: key 'analysis' is given twice" in refused.stderr) == (2, True)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda config: config["sweep"].update(grids=[]), "did you mean 'grid'"),
        (lambda config: config["sweep"]["defaults"]["optimiser"].update(learning_rate=-1), "learning_rate"),
        (lambda config: config["sweep"].update(runs=2 * config["sweep"]["runs"]), "two runs called"),
        (lambda config: config["sweep"]["defaults"].update(model="families:nowhere"), "families has no 'nowhere'"),
        (lambda config: config["sweep"]["defaults"].update(model="families:failing"), "KeyError: 'width' (families.py, line"),
    ],
)
def test_a_wrong_config_is_refused_before_the_first_job(tmp_path, changed, change, said):
    refused = snakemake(tmp_path / "run", config=changed(change))
    assert refused.returncode == 2
    (line,) = [line for line in refused.stderr.splitlines() if line.startswith("anodiff: ")]
    assert said in line
    assert not (tmp_path / "run" / "results").exists()


def test_the_published_sweep_can_be_planned(tmp_path):
    jobs = dry_run(tmp_path, config=ROOT / "config" / "paper.yaml")
    assert jobs["train"] == jobs["geometry"] == jobs["diffusion"] == 47


def test_the_rules_environment_is_what_the_package_needs():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    *_, by_pip = yaml.safe_load((ROOT / "workflow" / "envs" / "anodiff.yaml").read_text())["dependencies"]
    assert by_pip["pip"] == project["dependencies"]


def test_cifar10_takes_the_same_road(tmp_path, changed):
    root = os.environ.get("ANODIFF_TEST_DATA")
    if not root:
        pytest.skip("ANODIFF_TEST_DATA does not name a folder with CIFAR-10")

    def cifar(config):
        config["paths"] = {"data": root}
        defaults = {
            "data": {"name": "cifar10", "shift": 4, "flip": True},
            "model": {"name": "resnet14", "options": {"projection": True}},
            "recording": {"window_length": 100},
        }
        training = {"batch_size": 32, "steps": 200, "initialisation": "kaiming"}
        config["sweep"] = {"name": "cifar", "defaults": defaults | {"training": training}, "runs": [{}]}

    finished = snakemake(tmp_path, "tables", config=changed(cifar))
    assert finished.returncode == 0, finished.stderr
    table = pd.read_csv(tmp_path / "results" / "cifar" / "tables" / "exponents.csv")
    assert table["parameters"].unique().tolist() == [175_258]
    assert table["beta_max"].notna().all()
    assert table["test_accuracy"].iloc[0] > 0.15
