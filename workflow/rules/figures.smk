# The figures of the sweep, of its parts, its landscapes, of what is learned when, and of the simplified model.
# Each rule draws several, in one process that reads the runs once.


FIGURES_OF_RUNS = [
    *FIGURES,
    *(CHARACTER_FIGURES if SETTINGS.characters.enabled else []),
]


rule figures_of_runs:
    input:
        RUNS_MARK,
        CHARACTER_TABLES,
        expand(rules.diffusion.output, run=RUNS),
        expand(rules.geometry.output, run=RUNS),
    output:
        **pictures(FIGURES_OF_RUNS),
    log:
        f"{RESULTS}/logs/figures/runs.log",
    benchmark:
        f"{RESULTS}/benchmarks/figures/runs.tsv"
    group:
        "summary"
    conda:
        "../envs/anodiff.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
        attempt=attempt_number,
    params:
        kinds=",".join(FIGURES_OF_RUNS),
        drawn_from=lambda wildcards: run_folders(RUNS),
        folder=lambda wildcards, output: Path(output[0]).parent,
        formats=",".join(SETTINGS.figures.formats),
    shell:
        "ANODIFF_ATTEMPT={resources.attempt} "
        "anodiff figures {params.kinds} {params.drawn_from:q} --output {params.folder:q} --formats {params.formats}"
        " > {log:q} 2>&1"


DRAWN = list(FIGURES_OF_RUNS)

if PARTS_RUNS:
    FIGURES_OF_PARTS = [
        kind
        for kind, recorded in zip(PART_FIGURES, ("groups", "walks"))
        if any(getattr(RUNS[run].settings.recording, recorded) for run in PARTS_RUNS)
    ]
    DRAWN += FIGURES_OF_PARTS

    use rule figures_of_runs as figures_of_parts with:
        input:
            RUNS_MARK,
            PART_TABLES,
            expand(rules.diffusion.output, run=PARTS_RUNS),
        output:
            **pictures(FIGURES_OF_PARTS),
        log:
            f"{RESULTS}/logs/figures/parts.log",
        benchmark:
            f"{RESULTS}/benchmarks/figures/parts.tsv"
        params:
            kinds=",".join(FIGURES_OF_PARTS),
            drawn_from=lambda wildcards: run_folders(PARTS_RUNS),


if LANDSCAPES:
    DRAWN += LANDSCAPE_FIGURES

    use rule figures_of_runs as figures_of_landscapes with:
        input:
            RUNS_MARK,
            LANDSCAPE_STORES,
        output:
            **pictures(LANDSCAPE_FIGURES),
        log:
            f"{RESULTS}/logs/figures/landscapes.log",
        benchmark:
            f"{RESULTS}/benchmarks/figures/landscapes.tsv"
        params:
            kinds=",".join(LANDSCAPE_FIGURES),
            drawn_from=lambda wildcards: run_folders(LANDSCAPES),


if LEARNING_RUNS:
    FIGURES_OF_LEARNING = [
        kind
        for kind in LEARNING_FIGURES
        if kind != "starvation"
        or any(RUNS[run].settings.data.cue for run in LEARNING_RUNS)
    ]
    DRAWN += FIGURES_OF_LEARNING

    use rule figures_of_runs as figures_of_learning with:
        input:
            RUNS_MARK,
            LEARNING_TABLES,
            expand(rules.diffusion.output, run=LEARNING_RUNS),
        output:
            **pictures(FIGURES_OF_LEARNING),
        log:
            f"{RESULTS}/logs/figures/learning.log",
        benchmark:
            f"{RESULTS}/benchmarks/figures/learning.tsv"
        params:
            kinds=",".join(FIGURES_OF_LEARNING),
            drawn_from=lambda wildcards: run_folders(LEARNING_RUNS),


if SETTINGS.simplified_model.enabled:
    DRAWN += MODEL_FIGURES

    use rule figures_of_runs as figures_of_model with:
        input:
            rules.simplified_model.output.store,
        output:
            **pictures(MODEL_FIGURES),
        log:
            f"{RESULTS}/logs/figures/model.log",
        benchmark:
            f"{RESULTS}/benchmarks/figures/model.tsv"
        params:
            kinds=",".join(MODEL_FIGURES),
            drawn_from=lambda wildcards, input: input,
