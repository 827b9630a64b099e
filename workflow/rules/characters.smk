# From geometry to the kinds of motion of a run's coordinates, by trained networks. If these settings
# change, nothing before this stage runs again.


rule characterise:
    input:
        geometry=rules.geometry.output,
        # so that both follow one another in their group's job, which then needs one core
        before=f"{RESULTS}/runs/{{run}}/exponents.csv",
    output:
        f"{RESULTS}/runs/{{run}}/characters.csv",
    log:
        f"{RESULTS}/logs/characterise/{{run}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/characterise/{{run}}.tsv"
    priority: 30
    group:
        "analysis"
    conda:
        "../envs/anodiff.yaml"
    threads: 1
    resources:
        mem_mb=run_memory_with_torch(
            costs.characters_memory, "characterise", "geometry", "diffusion"
        ),
        runtime=minutes(
            lambda settings, longest: costs.characters_minutes(
                settings, SETTINGS.characters, longest
            )
        ),
        attempt=attempt_number,
    params:
        settings=SETTINGS.characters.model_dump_json(exclude={"enabled"}),
    shell:
        "ANODIFF_ATTEMPT={resources.attempt} OMP_NUM_THREADS={threads} "
        "anodiff characters {input.geometry:q} --output {output:q}"
        " --settings {params.settings:q} > {log:q} 2>&1"


CHARACTER_TABLES = (
    expand(rules.characterise.output, run=RUNS) if SETTINGS.characters.enabled else []
)
