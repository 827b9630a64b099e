# The page of the sweep: its claims, runs, figures and tables.

PAGE_TABLES = expand(f"{RESULTS}/tables/{{kind}}.csv", kind=SWEEP_TABLES)
if SETTINGS.simplified_model.enabled:
    PAGE_TABLES.append(rules.simplified_model.output.table)


rule page:
    input:
        tables=PAGE_TABLES,
        figures=expand(f"{RESULTS}/figures/{{kind}}.svg", kind=DRAWN),
        run_figures=expand(rules.run_figure.output, run=RUNS_WITH_FIGURES),
    output:
        report(
            f"{RESULTS}/index.html",
            caption="../report/page.rst",
            category="Page",
            labels={"page": "whole sweep"},
        ),
    log:
        f"{RESULTS}/logs/page.log",
    benchmark:
        f"{RESULTS}/benchmarks/page.tsv"
    group:
        "summary"
    conda:
        "../envs/anodiff.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
        attempt=attempt_number,
    params:
        title=SETTINGS.sweep.name,
        runs=lambda wildcards: f"{RESULTS}/runs",
    shell:
        "ANODIFF_ATTEMPT={resources.attempt} "
        "anodiff page {input.tables:q} {input.figures:q} --runs {params.runs:q} --output {output:q} "
        "--title {params.title:q} > {log:q} 2>&1"
