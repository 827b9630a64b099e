# The whole sweep in tables: of what runs and of which of them, each with its inputs.

SWEEP_TABLES = {
    kind: (expand(rules.diffusion.output, run=RUNS), list(RUNS)) for kind in TABLES
}
if LANDSCAPES:
    SWEEP_TABLES["landscape"] = LANDSCAPE_STORES, LANDSCAPES
else:
    del SWEEP_TABLES["landscape"]

for kind, (needed, of_runs) in SWEEP_TABLES.items():

    rule:
        name:
            f"table_{kind}"
        input:
            needed,
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
            runs=run_folders(of_runs),
            kind=kind,
        shell:
            "ANODIFF_ATTEMPT={resources.attempt} "
            "anodiff tables {params.runs:q} --kind {params.kind} --output {output.csv:q} > {log:q} 2>&1"
