# The tables of the whole sweep: the inputs of each, and the folders that the command is given. None
# stands for the inputs themselves.

SWEEP_TABLES = {
    kind: (expand(rules.diffusion.output, run=RUNS), run_folders(RUNS))
    for kind, table in TABLES.items()
    if table.made_from == "runs"
}
if LANDSCAPES:
    SWEEP_TABLES["landscape"] = LANDSCAPE_STORES, run_folders(LANDSCAPES)
else:
    del SWEEP_TABLES["landscape"]

JUDGED_BY = [
    f"{RESULTS}/tables/{kind}.csv"
    for kind in SWEEP_TABLES
    if TABLES[kind].for_claims != "unused"
]
if SETTINGS.simplified_model.enabled:
    JUDGED_BY.append(rules.simplified_model.output.table)
SWEEP_TABLES["claims"] = JUDGED_BY, None

for kind, (needed, made_from) in SWEEP_TABLES.items():

    rule:
        name:
            f"table_{kind}"
        input:
            needed,
        output:
            csv=report(
                f"{RESULTS}/tables/{kind}.csv",
                caption="../report/table.rst",
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
            attempt=attempt_number,
        params:
            made_from=lambda wildcards, input, folders=made_from: folders or input,
            kind=kind,
            row=TABLES[kind].row,
            holds=TABLES[kind].holds,
        shell:
            "ANODIFF_ATTEMPT={resources.attempt} "
            "anodiff tables {params.made_from:q} --kind {params.kind} --output {output.csv:q} > {log:q} 2>&1"
