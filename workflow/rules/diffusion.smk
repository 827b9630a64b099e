# From geometry to curves and exponents. If the analysis settings change, this stage runs again and
# nothing before it does.


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
    priority: 20
    group:
        "analysis"
    conda:
        "../envs/anodiff.yaml"
    threads: 1
    resources:
        mem_mb=run_memory(costs.analysis_memory, "diffusion", "geometry"),
        runtime=minutes(costs.analysis_minutes),
        attempt=attempt_number,
    params:
        analysis=SETTINGS.analysis.model_dump_json(),
    shell:
        "ANODIFF_ATTEMPT={resources.attempt} "
        "anodiff diffusion {input:q} --output {output.curves:q} --table {output.exponents:q}"
        " --tails {output.tails:q} --analysis {params.analysis:q} > {log:q} 2>&1"
