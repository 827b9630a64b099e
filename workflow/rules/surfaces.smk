# The simplified model: walkers on generated surfaces. This trains nothing and needs no run.


rule simplified_model:
    output:
        store=directory(f"{RESULTS}/simplified_model.zarr"),
        table=report(
            f"{RESULTS}/tables/simplified_model.csv",
            caption="../report/simplified_model_table.rst",
            category="Tables",
            labels={"table": "simplified model"},
        ),
    log:
        f"{RESULTS}/logs/simplified_model.log",
    benchmark:
        f"{RESULTS}/benchmarks/simplified_model.tsv"
    conda:
        "../envs/anodiff.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: memory_for_attempt(
            costs.simplified_model_memory(SETTINGS.simplified_model),
            attempt,
            "simplified_model",
            f"{RESULTS}/logs/simplified_model.log",
        ),
        runtime=costs.simplified_model_minutes(SETTINGS.simplified_model),
        attempt=attempt_number,
    params:
        settings=SETTINGS.simplified_model.model_dump_json(),
    shell:
        "ANODIFF_ATTEMPT={resources.attempt} "
        "anodiff simplified-model --output {output.store:q} --table {output.table:q}"
        " --settings {params.settings:q} > {log:q} 2>&1"
