# The sweep of a config file, from training to a page of results.
#
#   snakemake                                   everything, for config/config.yaml
#   snakemake --configfile config/paper.yaml    another sweep
#   snakemake tables                            one target: trajectories, tables, figures, page

from snakemake.utils import min_version

min_version("9.9")

# --configfile replaces the default config. If they were merged, the default's settings would leak
# into the other's runs.
if not workflow.overwrite_configfiles:

    configfile: "config/config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/geometry.smk"
include: "workflow/rules/diffusion.smk"
include: "workflow/rules/characters.smk"
include: "workflow/rules/parts.smk"
include: "workflow/rules/landscape.smk"
include: "workflow/rules/learning.smk"
include: "workflow/rules/run_figures.smk"
include: "workflow/rules/surfaces.smk"
include: "workflow/rules/inference.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/page.smk"


rule tables:
    input:
        expand(
            f"{RESULTS}/tables/{{kind}}.{{ending}}",
            kind=SWEEP_TABLES,
            ending=["csv", "parquet"],
        ),


rule figures:
    input:
        expand(
            f"{RESULTS}/figures/{{kind}}.{{ending}}",
            kind=DRAWN,
            ending=SETTINGS.figures.formats,
        ),


rule run_figures:
    input:
        expand(rules.run_figure.output, run=RUNS_WITH_FIGURES),


rule all:
    default_target: True
    input:
        rules.page.output,
        rules.tables.input,
        rules.figures.input,
        rules.run_figures.input,


rule trajectories:
    input:
        expand(f"{RESULTS}/runs/{{run}}/trajectory.zarr", run=RUNS),


rule inference:
    input:
        expand(
            f"{RESULTS}/inference/{{dimensions}}d.safetensors",
            dimensions=SETTINGS.inference.dimensions,
        ),


# The page of the runs so far says of how many. With its default limit of 100 jobs a second, Snakemake
# plans anew once more a second for each job that has ended; the limit itself is out of reach.
onstart:
    Path(RESULTS).mkdir(parents=True, exist_ok=True)
    Path(RESULTS, RUN_LIST).write_text("".join(f"{run}\n" for run in RUNS))
    if getattr(workflow.scheduler.job_rate_limiter, "max_jobs", None) == 100:
        workflow.scheduler.job_rate_limiter = None


# The exponents so far, for a sweep with failed runs; its own tables wait for all runs.
PARTIAL = f"{RESULTS}/tables/exponents-partial.csv"


onerror:
    folders = run_folders(RUNS)
    shell(
        "anodiff tables {folders:q} --output {PARTIAL:q} --logs {RESULTS:q}/logs --overwrite"
    )
    print(
        f"The runs so far, and why others are missing: {Path(PARTIAL).resolve()}",
        file=sys.stderr,
    )


onsuccess:
    for ending in (".csv", ".parquet"):
        Path(PARTIAL).with_suffix(ending).unlink(missing_ok=True)
    if Path(rules.page.output[0]).exists():
        print(f"The page: {Path(rules.page.output[0]).resolve()}", file=sys.stderr)
