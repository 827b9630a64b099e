# The whole sweep in three tables.

for kind in TABLES:

    rule:
        name:
            f"table_{kind}"
        input:
            expand(rules.diffusion.output, run=RUNS),
        output:
            csv=report(
                f"{RESULTS}/tables/{kind}.csv",
                caption=f"../report/{kind}_table.rst",
                category="Tables",
                labels={"table": kind},
            ),
            parquet=f"{RESULTS}/tables/{kind}.parquet",
        log:
            f"{RESULTS}/logs/tables/{kind}.log",
        benchmark:
            f"{RESULTS}/benchmarks/tables/{kind}.tsv"
        group:
            "summary"
        conda:
            "../envs/anodiff.yaml"
        threads: 1
        resources:
            mem_mb=2000,
            runtime=30,
            attempt=this_attempt,
        params:
            runs=run_folders,
            kind=kind,
        shell:
            "ANODIFF_ATTEMPT={resources.attempt} "
            "anodiff tables {params.runs:q} --kind {params.kind} --output {output.csv:q} > {log:q} 2>&1"
