# Figures over the sweep, and the page that holds them.

for kind, figure in FIGURES.items():

    rule:
        name:
            f"figure_{kind}"
        input:
            expand(rules.diffusion.output, run=RUNS),
        output:
            report(
                f"{RESULTS}/figures/{kind}.svg",
                caption="../report/figure.rst",
                category="Figures",
                labels={"figure": figure.title},
            ),
        log:
            f"{RESULTS}/logs/figures/{kind}.log",
        benchmark:
            f"{RESULTS}/benchmarks/figures/{kind}.tsv"
        group:
            "summary"
        conda:
            "../envs/anodiff.yaml"
        threads: 1
        resources:
            mem_mb=2000,
            runtime=30,
            attempt=this_attempt,
        params:
            runs=run_folders,
            kind=kind,
            caption=figure.caption,
        shell:
            "ANODIFF_ATTEMPT={resources.attempt} "
            "anodiff figures {params.kind} {params.runs:q} --output {output:q} > {log:q} 2>&1"


rule page:
    input:
        table=f"{RESULTS}/tables/exponents.csv",
        figures=expand(f"{RESULTS}/figures/{{kind}}.svg", kind=[*FIGURES, *MODEL]),
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
        mem_mb=1000,
        runtime=10,
        attempt=this_attempt,
    params:
        title=SETTINGS.sweep.name,
    shell:
        "ANODIFF_ATTEMPT={resources.attempt} "
        "anodiff page {input.table:q} {input.figures:q} --output {output:q} --title {params.title:q} > {log:q} 2>&1"
