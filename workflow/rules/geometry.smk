# One streaming pass over the weights: the update Gram matrix of every window.


rule geometry:
    input:
        rules.train.output,
    output:
        directory(f"{RESULTS}/runs/{{run}}/geometry.zarr"),
    log:
        f"{RESULTS}/logs/geometry/{{run}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/geometry/{{run}}.tsv"
    conda:
        "../envs/anodiff.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    shell:
        "anodiff geometry {input:q} --output {output:q} --memory $(({resources.mem_mb} / 4)) > {log:q} 2>&1"
