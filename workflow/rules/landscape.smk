# The loss landscape along chosen runs: slices, roughness, curvature. A change of these settings trains nothing.

LANDSCAPES = landscape_runs(RUNS, SETTINGS.landscape.seeds)
LANDSCAPE = f"{RESULTS}/runs/{{run}}/landscape"


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
        mem_mb=asked_of_scheduler(partial(more_each_time, costs.landscape_memory)),
        runtime=minutes(costs.landscape_minutes),
        attempt=this_attempt,
        device="auto",
    params:
        landscape=SETTINGS.landscape.model_dump_json(),
    shell:
        "ANODIFF_ATTEMPT={resources.attempt} OMP_NUM_THREADS={threads} "
        "anodiff landscape {input.trajectory:q} --geometry {input.geometry:q} --output {output:q}"
        " --landscape {params.landscape:q} --device {resources.device} > {log:q} 2>&1"


rule roughness:
    input:
        rules.train.output,
    output:
        store=directory(f"{LANDSCAPE}/roughness.zarr"),
        table=f"{LANDSCAPE}/roughness.csv",
    log:
        f"{RESULTS}/logs/roughness/{{run}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/roughness/{{run}}.tsv"
    group:
        "landscape"
    conda:
        "../envs/anodiff.yaml"
    threads: 1
    resources:
        mem_mb=asked_of_scheduler(partial(more_each_time, costs.landscape_memory)),
        runtime=minutes(costs.landscape_minutes),
        attempt=this_attempt,
        device="auto",
    params:
        landscape=SETTINGS.landscape.model_dump_json(),
        settings=SETTINGS.roughness.model_dump_json(),
    shell:
        "ANODIFF_ATTEMPT={resources.attempt} OMP_NUM_THREADS={threads} "
        "anodiff roughness {input:q} --output {output.store:q} --table {output.table:q}"
        " --landscape {params.landscape:q} --settings {params.settings:q}"
        " --device {resources.device} > {log:q} 2>&1"


rule curvature:
    input:
        rules.train.output,
    output:
        directory(f"{LANDSCAPE}/curvature.zarr"),
    log:
        f"{RESULTS}/logs/curvature/{{run}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/curvature/{{run}}.tsv"
    group:
        "landscape"
    conda:
        "../envs/anodiff.yaml"
    threads: 1
    resources:
        mem_mb=asked_of_scheduler(partial(more_each_time, costs.landscape_memory)),
        runtime=minutes(costs.landscape_minutes),
        attempt=this_attempt,
        device="auto",
    params:
        landscape=SETTINGS.landscape.model_dump_json(),
        settings=SETTINGS.curvature.model_dump_json(),
    shell:
        "ANODIFF_ATTEMPT={resources.attempt} OMP_NUM_THREADS={threads} "
        "anodiff curvature {input:q} --output {output:q}"
        " --landscape {params.landscape:q} --settings {params.settings:q}"
        " --device {resources.device} > {log:q} 2>&1"


LANDSCAPE_STORES = [
    expand(output, run=LANDSCAPES)
    for output in (
        rules.landscape.output,
        rules.roughness.output,
        rules.curvature.output,
        rules.diffusion.output,
    )
]
