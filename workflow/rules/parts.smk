# From geometry to the exponents of groups of parameters and of walks, for the runs that record them. If
# the analysis settings change, nothing before this stage runs again.

PARTS_RUNS = parts_runs(RUNS)


rule parts:
    input:
        geometry=rules.geometry.output,
        # so that both follow one another in their group's job, which then needs one core
        before=f"{RESULTS}/runs/{{run}}/exponents.csv",
    output:
        store=directory(f"{RESULTS}/runs/{{run}}/parts.zarr"),
        table=f"{RESULTS}/runs/{{run}}/parts.csv",
    log:
        f"{RESULTS}/logs/parts/{{run}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/parts/{{run}}.tsv"
    priority: 30
    group:
        "analysis"
    conda:
        "../envs/anodiff.yaml"
    threads: 1
    resources:
        mem_mb=run_memory(costs.analysis_memory, "parts", "geometry", "diffusion"),
        runtime=minutes(parts_costs.parts_minutes),
        attempt=attempt_number,
    params:
        analysis=SETTINGS.analysis.model_dump_json(),
    shell:
        "ANODIFF_ATTEMPT={resources.attempt} "
        "anodiff parts {input.geometry:q} --output {output.store:q} --table {output.table:q}"
        " --analysis {params.analysis:q} > {log:q} 2>&1"


PART_TABLES = expand(rules.parts.output, run=PARTS_RUNS)
