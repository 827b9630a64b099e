# The figures of each run. The output is a folder, because figures without data are left out. The
# rule has its own group, because it waits for the curvature, which waits for the geometry.


RUNS_WITH_FIGURES = runs_of_seeds(RUNS, SETTINGS.figures.seeds)


rule run_figure:
    input:
        trajectory=rules.train.output,
        geometry=rules.geometry.output,
        diffusion=rules.diffusion.output,
        curvature=lambda wildcards: (
            rules.curvature.output if wildcards.run in LANDSCAPES else []
        ),
        parts=lambda wildcards: (
            rules.parts.output if wildcards.run in PARTS_RUNS else []
        ),
        learning=lambda wildcards: (
            rules.learning.output if wildcards.run in LEARNING_RUNS else []
        ),
    output:
        directory(f"{RESULTS}/runs/{{run}}/figures"),
    log:
        f"{RESULTS}/logs/run_figure/{{run}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/run_figure/{{run}}.tsv"
    priority: 40
    group:
        "run_figures"
    conda:
        "../envs/anodiff.yaml"
    threads: 1
    resources:
        mem_mb=run_memory(costs.analysis_memory, "run_figure"),
        runtime=minutes(costs.analysis_minutes),
        attempt=attempt_number,
    params:
        folder=lambda wildcards: f"{RESULTS}/runs/{wildcards.run}",
        kinds=list(RUN_FIGURES),
        formats=",".join(SETTINGS.figures.formats),
        page=lambda wildcards: f"{RESULTS}/index.html",
    shell:
        "ANODIFF_ATTEMPT={resources.attempt} "
        "anodiff run-figures {params.folder:q} --output {output:q} --formats {params.formats}"
        " --page {params.page:q} > {log:q} 2>&1"
