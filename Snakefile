# The sweep of a config file, from training to a page of results.
#
#   snakemake                                   everything, for config/config.yaml
#   snakemake --configfile config/paper.yaml    another sweep
#   snakemake tables                            one target: trajectories, tables, figures, page

from snakemake.utils import min_version

min_version("9.9")

# --configfile replaces the default config: merged, the one's settings would leak into the other's runs.
if not workflow.overwrite_configfiles:

    configfile: "config/config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/geometry.smk"
include: "workflow/rules/diffusion.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/figures.smk"


rule tables:
    input:
        expand(
            f"{RESULTS}/tables/{{kind}}.{{ending}}",
            kind=TABLES,
            ending=["csv", "parquet"],
        ),


rule all:
    default_target: True
    input:
        rules.page.output,
        rules.tables.input,


rule trajectories:
    input:
        expand(f"{RESULTS}/runs/{{run}}/trajectory.zarr", run=RUNS),


rule figures:
    input:
        expand(f"{RESULTS}/figures/{{kind}}.svg", kind=FIGURES),


onsuccess:
    if Path(rules.page.output[0]).exists():
        print(f"The page: {Path(rules.page.output[0]).resolve()}", file=sys.stderr)
