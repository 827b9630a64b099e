# From the path of each run with full weights to what it learns when. If these settings change,
# nothing is trained again.

LEARNING_RUNS = learning_runs(RUNS, SETTINGS.learning.seeds)


rule learning:
    input:
        rules.train.output,
    output:
        store=directory(f"{RESULTS}/runs/{{run}}/learning.zarr"),
        table=f"{RESULTS}/runs/{{run}}/learning.csv",
        windows=f"{RESULTS}/runs/{{run}}/learning_windows.csv",
    log:
        f"{RESULTS}/logs/learning/{{run}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/learning/{{run}}.tsv"
    group:
        "landscape"
    conda:
        "../envs/anodiff.yaml"
    threads: 1
    resources:
        mem_mb=run_memory_with_torch(
            lambda settings, device: learning_costs.learning_memory(
                settings, SETTINGS.learning, device
            ),
            "learning",
            "landscape",
            "roughness",
            "curvature",
        ),
        runtime=minutes(
            lambda settings, longest: learning_costs.learning_minutes(
                settings, SETTINGS.learning, longest
            )
        ),
        attempt=attempt_number,
        device="auto",
    params:
        settings=SETTINGS.learning.model_dump_json(exclude={"seeds"}),
    shell:
        "ANODIFF_ATTEMPT={resources.attempt} OMP_NUM_THREADS={threads} "
        "anodiff learning {input:q} --output {output.store:q} --settings {params.settings:q}"
        " --device {resources.device} > {log:q} 2>&1"


LEARNING_TABLES = expand(rules.learning.output, run=LEARNING_RUNS)
