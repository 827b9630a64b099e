# The whole sweep in one table.


rule tables:
    input:
        expand(rules.diffusion.output, run=RUNS),
    output:
        csv=report(
            f"{RESULTS}/tables/exponents.csv",
            caption="../report/exponents_table.rst",
            category="Tables",
            labels={"table": "exponents"},
        ),
        parquet=f"{RESULTS}/tables/exponents.parquet",
    log:
        f"{RESULTS}/logs/tables.log",
    benchmark:
        f"{RESULTS}/benchmarks/tables.tsv"
    conda:
        "../envs/anodiff.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        runs=run_folders,
    shell:
        "anodiff tables {params.runs:q} --output {output.csv:q} > {log:q} 2>&1"
