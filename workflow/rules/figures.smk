# The figures of the sweep, of its landscapes and of the simplified model.

# What each figure is drawn from: its inputs, and the folders that the command is given. None stands
# for the inputs themselves.
DRAWN = {
    kind: (expand(rules.diffusion.output, run=RUNS), run_folders(RUNS))
    for kind in FIGURES
}
for kind in GEOMETRY_FIGURES:
    needed, drawn_from = DRAWN[kind]
    DRAWN[kind] = needed + expand(rules.geometry.output, run=RUNS), drawn_from
if LANDSCAPES:
    DRAWN |= {
        kind: (LANDSCAPE_STORES, run_folders(LANDSCAPES)) for kind in LANDSCAPE_FIGURES
    }
if SETTINGS.simplified_model.enabled:
    DRAWN |= {
        kind: (rules.simplified_model.output.store, None) for kind in MODEL_FIGURES
    }

for kind, (needed, drawn_from) in DRAWN.items():

    rule:
        name:
            f"figure_{kind}"
        input:
            needed,
        output:
            svg=report(
                f"{RESULTS}/figures/{kind}.svg",
                caption="../report/figure.rst",
                category="Figures",
                labels={"figure": ALL_FIGURES[kind].title},
            ),
            pdf=f"{RESULTS}/figures/{kind}.pdf",
            png=f"{RESULTS}/figures/{kind}.png",
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
            attempt=attempt_number,
        params:
            drawn_from=lambda wildcards, input, folders=drawn_from: folders or input,
            kind=kind,
            caption=ALL_FIGURES[kind].caption,
        shell:
            "ANODIFF_ATTEMPT={resources.attempt} "
            "anodiff figures {params.kind} {params.drawn_from:q} --output {output.svg:q} --formats pdf,png > {log:q} 2>&1"
