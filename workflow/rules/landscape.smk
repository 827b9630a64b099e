# The loss landscape along chosen runs: slices, roughness, curvature. If these settings change,
# nothing is trained again.

LANDSCAPES = landscape_runs(RUNS, SETTINGS.landscape.seeds)
LANDSCAPE = f"{RESULTS}/runs/{{run}}/landscape"
LANDSCAPE_OPTION = ["--landscape", SETTINGS.landscape.model_dump_json()]


rule landscape:
    input:
        trajectory=rules.train.output,
        geometry=rules.geometry.output,
    output:
        directory(f"{LANDSCAPE}/slices"),
    log:
        f"{RESULTS}/logs/landscape/{{run}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/landscape/{{run}}.tsv"
    group:
        "landscape"
    conda:
        "../envs/anodiff.yaml"
    threads: 1
    resources:
        mem_mb=run_memory_with_torch(
            costs.landscape_memory,
            "landscape",
            "roughness",
            "curvature",
            "learning",
        ),
        runtime=minutes(costs.landscape_minutes),
        attempt=attempt_number,
        device="auto",
    params:
        command=lambda wildcards, input, output: shlex.join(
            ["landscape", *input.trajectory, "--geometry", *input.geometry]
            + ["--output", *output, *LANDSCAPE_OPTION]
        ),
    shell:
        "ANODIFF_ATTEMPT={resources.attempt} OMP_NUM_THREADS={threads} "
        "anodiff {params.command} --device {resources.device} > {log:q} 2>&1"


use rule landscape as roughness with:
    input:
        rules.train.output,
    output:
        store=directory(f"{LANDSCAPE}/roughness.zarr"),
        table=f"{LANDSCAPE}/roughness.csv",
    log:
        f"{RESULTS}/logs/roughness/{{run}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/roughness/{{run}}.tsv"
    params:
        command=lambda wildcards, input, output: shlex.join(
            ["roughness", *input, "--output", output.store, "--table", output.table]
            + [*LANDSCAPE_OPTION, "--settings", SETTINGS.roughness.model_dump_json()]
        ),


use rule landscape as curvature with:
    input:
        rules.train.output,
    output:
        directory(f"{LANDSCAPE}/curvature.zarr"),
    log:
        f"{RESULTS}/logs/curvature/{{run}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/curvature/{{run}}.tsv"
    # the run's figures show it
    priority: 30
    params:
        command=lambda wildcards, input, output: shlex.join(
            ["curvature", *input, "--output", *output]
            + [*LANDSCAPE_OPTION, "--settings", SETTINGS.curvature.model_dump_json()]
        ),


LANDSCAPE_STORES = [
    expand(output, run=LANDSCAPES)
    for output in (
        rules.landscape.output,
        rules.roughness.output,
        rules.curvature.output,
        rules.diffusion.output,
    )
]
