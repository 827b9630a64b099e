# A run's settings become run.yaml. Training reads only this file, and publishes trajectory.zarr by
# one rename.
#
# Whether a run is trained again depends on the settings in its store alone, not on time stamps or
# on what Snakemake remembers. So run.yaml is no input: the mark is.


rule train:
    input:
        f"{MARKS}/train/{{run}}",
    output:
        directory(f"{RESULTS}/runs/{{run}}/trajectory.zarr"),
    log:
        f"{RESULTS}/logs/train/{{run}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/train/{{run}}.tsv"
    conda:
        "../envs/anodiff.yaml"
    threads: lambda wildcards: RUNS[wildcards.run].settings.training.threads
    resources:
        mem_mb=run_memory_with_torch(costs.training_memory, "train"),
        runtime=minutes(costs.training_minutes),
        attempt=attempt_number,
        device="auto",
    params:
        folder=lambda wildcards: f"{RESULTS}/runs/{wildcards.run}",
        # a function of the output, so that Snakemake does not compare it with the last one
        settings=lambda wildcards, output: RUNS[wildcards.run].yaml,
    # exec, so that a scheduler's signal reaches the training and not the shell around it
    shell:
        "printf '%s' {params.settings:q} > {params.folder:q}/run.yaml; "
        "export ANODIFF_ATTEMPT={resources.attempt}; "
        "exec anodiff train {params.folder:q}/run.yaml --output {output:q} --device {resources.device} > {log:q} 2>&1"
