# One streaming pass over the weights gives the update Gram matrix of every window.


rule geometry:
    input:
        rules.train.output,
    output:
        directory(f"{RESULTS}/runs/{{run}}/geometry.zarr"),
    log:
        f"{RESULTS}/logs/geometry/{{run}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/geometry/{{run}}.tsv"
    # before more runs are trained, so that the page has its first run early; so in the next rules
    priority: 10
    group:
        "analysis"
    conda:
        "../envs/anodiff.yaml"
    threads: 1
    resources:
        mem_mb=run_memory(costs.geometry_memory, "geometry", "diffusion"),
        runtime=minutes(costs.geometry_minutes),
        attempt=attempt_number,
    shell:
        "ANODIFF_ATTEMPT={resources.attempt} "
        "anodiff geometry {input:q} --output {output:q} --memory $(({resources.mem_mb} / 4)) > {log:q} 2>&1"
