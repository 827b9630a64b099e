# A run's settings become run.yaml. Training reads only this file, and publishes trajectory.zarr by
# one rename.


localrules:
    run_config,


rule run_config:
    output:
        f"{RESULTS}/runs/{{run}}/run.yaml",
    log:
        f"{RESULTS}/logs/run_config/{{run}}.log",
    conda:
        "../envs/anodiff.yaml"
    params:
        settings=lambda wildcards: RUNS[wildcards.run].yaml,
    shell:
        "printf '%s' {params.settings:q} > {output:q} 2> {log:q}"


rule train:
    input:
        rules.run_config.output,
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
        mem_mb=run_estimate(partial(memory_for_attempt, costs.training_memory)),
        runtime=minutes(costs.training_minutes),
        attempt=attempt_number,
        device="auto",
    # exec, so that a scheduler's signal reaches the training and not the shell around it
    shell:
        "export ANODIFF_ATTEMPT={resources.attempt}; "
        "exec anodiff train {input:q} --output {output:q} --device {resources.device} > {log:q} 2>&1"
