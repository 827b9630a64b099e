# From geometry to curves and exponents; a change of the analysis settings redoes this and nothing before it.


rule diffusion:
    input:
        rules.geometry.output,
    output:
        curves=directory(f"{RESULTS}/runs/{{run}}/diffusion.zarr"),
        exponents=f"{RESULTS}/runs/{{run}}/exponents.csv",
        tails=f"{RESULTS}/runs/{{run}}/tails.csv",
    log:
        f"{RESULTS}/logs/diffusion/{{run}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/diffusion/{{run}}.tsv"
    group:
        "analysis"
    conda:
        "../envs/anodiff.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: more_each_time(
            costs.analysis_memory, RUNS[wildcards.run].settings, attempt
        ),
        runtime=minutes(costs.analysis_minutes),
        attempt=this_attempt,
    params:
        analysis=SETTINGS.analysis.model_dump_json(),
    shell:
        "ANODIFF_ATTEMPT={resources.attempt} "
        "anodiff diffusion {input:q} --output {output.curves:q} --table {output.exponents:q}"
        " --tails {output.tails:q} --analysis {params.analysis:q} > {log:q} 2>&1"
