# The tables of the whole sweep. Each rule makes several, in one process that reads the runs once.

LEARNING_KINDS = ["learning", "learning_windows", "learning_relations"]

TABLES_OF_RUNS = [
    kind
    for kind, table in TABLES.items()
    if table.made_from == "runs"
    and kind not in ("landscape", "parts", *LEARNING_KINDS)
    and (kind != "characters" or SETTINGS.characters.enabled)
]


rule tables_of_runs:
    input:
        RUNS_MARK,
        expand(rules.diffusion.output, run=RUNS),
        CHARACTER_TABLES,
    output:
        **csv_and_parquet(TABLES_OF_RUNS),
    log:
        f"{RESULTS}/logs/tables/runs.log",
    benchmark:
        f"{RESULTS}/benchmarks/tables/runs.tsv"
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
        made_from=lambda wildcards: run_folders(RUNS),
        kinds=",".join(TABLES_OF_RUNS),
        folder=lambda wildcards, output: Path(output[0]).parent,
    shell:
        "ANODIFF_ATTEMPT={resources.attempt} "
        "anodiff tables {params.made_from:q} --kind {params.kinds} --output {params.folder:q} > {log:q} 2>&1"


SWEEP_TABLES = [*TABLES_OF_RUNS, "claims"]

if PARTS_RUNS:
    SWEEP_TABLES.insert(-1, "parts")

    use rule tables_of_runs as table_of_parts with:
        input:
            RUNS_MARK,
            PART_TABLES,
            expand(rules.diffusion.output, run=PARTS_RUNS),
        output:
            **csv_and_parquet(["parts"]),
        log:
            f"{RESULTS}/logs/tables/parts.log",
        benchmark:
            f"{RESULTS}/benchmarks/tables/parts.tsv"
        params:
            made_from=lambda wildcards: run_folders(PARTS_RUNS),
            kinds="parts",


if LANDSCAPES:
    SWEEP_TABLES.insert(-1, "landscape")

    use rule tables_of_runs as table_of_landscapes with:
        input:
            RUNS_MARK,
            LANDSCAPE_STORES,
        output:
            **csv_and_parquet(["landscape"]),
        log:
            f"{RESULTS}/logs/tables/landscapes.log",
        benchmark:
            f"{RESULTS}/benchmarks/tables/landscapes.tsv"
        params:
            made_from=lambda wildcards: run_folders(LANDSCAPES),
            kinds="landscape",


if LEARNING_RUNS:
    SWEEP_TABLES[-1:-1] = LEARNING_KINDS

    use rule tables_of_runs as tables_of_learning with:
        input:
            RUNS_MARK,
            LEARNING_TABLES,
            expand(rules.diffusion.output, run=LEARNING_RUNS),
            expand(rules.geometry.output, run=LEARNING_RUNS),
            [
                expand(output, run=[run for run in LEARNING_RUNS if run in LANDSCAPES])
                for output in (rules.roughness.output, rules.curvature.output)
            ],
        output:
            **csv_and_parquet(LEARNING_KINDS),
        log:
            f"{RESULTS}/logs/tables/learning.log",
        benchmark:
            f"{RESULTS}/benchmarks/tables/learning.tsv"
        params:
            made_from=lambda wildcards: run_folders(LEARNING_RUNS),
            kinds=",".join(LEARNING_KINDS),


JUDGED_BY = [
    f"{RESULTS}/tables/{kind}.csv"
    for kind in SWEEP_TABLES
    if TABLES[kind].for_claims != "unused"
]
if SETTINGS.simplified_model.enabled:
    JUDGED_BY.append(rules.simplified_model.output.table)


use rule tables_of_runs as table_of_claims with:
    input:
        JUDGED_BY,
    output:
        **csv_and_parquet(["claims"]),
    log:
        f"{RESULTS}/logs/tables/claims.log",
    benchmark:
        f"{RESULTS}/benchmarks/tables/claims.tsv"
    params:
        made_from=lambda wildcards, input: input,
        kinds="claims",
