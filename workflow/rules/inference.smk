# The networks that read exponent and kind of motion off one track. They learn from simulated tracks
# and need no run. Only the target `inference` asks for them.


rule inference_network:
    output:
        weights=f"{RESULTS}/inference/{{dimensions}}d.safetensors",
        card=f"{RESULTS}/inference/{{dimensions}}d.json",
    log:
        f"{RESULTS}/logs/inference/{{dimensions}}d.log",
    benchmark:
        f"{RESULTS}/benchmarks/inference/{{dimensions}}d.tsv"
    wildcard_constraints:
        dimensions=r"[123]",
    conda:
        "../envs/anodiff.yaml"
    threads: SETTINGS.inference.threads
    resources:
        mem_mb=lambda wildcards, attempt: memory_for_attempt(
            inference_costs.inference_memory(SETTINGS.inference),
            attempt,
            "inference_network",
            f"{RESULTS}/logs/inference/{wildcards.dimensions}d.log",
        ),
        runtime=inference_costs.inference_minutes(
            SETTINGS.inference, SETTINGS.longest_job
        ),
        attempt=attempt_number,
        device="auto",
    params:
        settings=SETTINGS.inference.model_dump_json(exclude={"dimensions"}),
    # exec, so that a scheduler's signal reaches the training and not the shell around it
    shell:
        "export ANODIFF_ATTEMPT={resources.attempt}; "
        "exec anodiff inference {wildcards.dimensions} --output {output.weights:q}"
        " --settings {params.settings:q} --device {resources.device} > {log:q} 2>&1"
