# The simplified model: walkers on generated surfaces, beside the sweep. It trains nothing and needs no run.


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
        mem_mb=lambda wildcards, attempt: costs.model_memory(SETTINGS.simplified_model)
        * attempt,
        runtime=costs.model_minutes(SETTINGS.simplified_model),
        attempt=this_attempt,
    params:
        settings=SETTINGS.simplified_model.model_dump_json(),
    shell:
        "ANODIFF_ATTEMPT={resources.attempt} "
        "anodiff simplified-model --output {output.store:q} --table {output.table:q}"
        " --settings {params.settings:q} > {log:q} 2>&1"


MODEL = MODEL_FIGURES if SETTINGS.simplified_model.enabled else {}

for kind, figure in MODEL.items():

    rule:
        name:
            f"figure_{kind}"
        input:
            rules.simplified_model.output.store,
        output:
            report(
                f"{RESULTS}/figures/{kind}.svg",
                caption="../report/figure.rst",
                category="Figures",
                labels={"figure": figure.title},
            ),
        log:
            f"{RESULTS}/logs/figures/{kind}.log",
        benchmark:
            f"{RESULTS}/benchmarks/figures/{kind}.tsv"
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
            kind=kind,
            caption=figure.caption,
        shell:
            "ANODIFF_ATTEMPT={resources.attempt} "
            "anodiff figures {params.kind} {input:q} --output {output:q} > {log:q} 2>&1"
