import base64
import gzip
import json
import math
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from invented import page_sources, sweep
from jinja2 import Environment, StrictUndefined

from anodiff.diffusion.columns import EXPONENT_COLUMNS
from anodiff.errors import ConfigError, OutputExistsError, StoreDamagedError, StoreMissingError
from anodiff.report.figures.catalogue import ALL_FIGURES, FIGURES
from anodiff.report.figures.drawing import draw
from anodiff.report.figures.run.catalogue import RUN_FIGURES
from anodiff.report.page import write_page
from anodiff.report.page.overview import diverged_runs, model_summaries, read_exponents, run_table
from anodiff.report.page.tables import MAX_ROWS, page_table
from anodiff.report.page.topics import TOPICS
from anodiff.storage.tables import write_table
from anodiff.sweep.claims import CLAIM_COLUMNS
from anodiff.sweep.run_columns import RUN_COLUMNS, SETTING_COLUMNS
from anodiff.sweep.statements import CLAIMS
from anodiff.sweep.tables import write_tables

VOID = {"meta", "img", "br", "link", "hr", "input", "mspace"}
REPORT = Path(__file__).parents[2] / "workflow" / "report"


class Page(HTMLParser):
    """A page's elements as (tag, attributes, text), once it is clear that its tags are balanced."""

    def __init__(self, html):
        super().__init__()
        self.open, self.elements, self.identifiers = [], [], []
        self.feed(html)
        self.close()
        assert self.open == []
        assert len(self.identifiers) == len(set(self.identifiers))

    def handle_starttag(self, tag, attrs):
        element = [tag, dict(attrs), ""]
        self.elements.append(element)
        if tag == "br":
            self.handle_data(" ")
        self.identifiers += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        for element in self.open:
            element[2] += data

    def all(self, tag):
        return [(attributes, " ".join(text.split())) for name, attributes, text in self.elements if name == tag]

    def rows(self, identifier):
        """The texts of a table's cells, by row; the table is named by its class or id."""
        rows, inside = [], False
        for tag, attributes, text in self.elements:
            if tag == "table":
                inside = identifier in (attributes.get("id"), attributes.get("class"))
            elif inside and tag == "tr":
                rows.append([])
            elif inside and tag in ("th", "td"):
                rows[-1].append(" ".join(text.split()))
        return rows


@pytest.fixture
def pages(tmp_path):
    """What a page is made of: tables of an invented sweep, one run of it diverged, and stand-ins for its figures."""
    lost = "vgg9-bs64-lr0.1-seed1"
    runs = sweep(["mlp3", "vgg9"], [64, 128], starts=[0, 1000, 2000], diverged_at={lost: 1200})
    sources = page_sources(runs, tmp_path)
    return SimpleNamespace(lost=lost, runs=runs, sources=sources, folder=tmp_path, page=tmp_path / "index.html")


def invented_table(**columns):
    """A table as that of `anodiff tables`, with one run per entry of the columns unless they say otherwise."""
    number = len(next(iter(columns.values())))
    usual = {column: [math.nan] * number for column in (*SETTING_COLUMNS, *RUN_COLUMNS, *EXPONENT_COLUMNS)}
    usual |= {"run": [f"run{index}" for index in range(number)], "model": ["mlp"] * number, "seed": [0] * number}
    return pd.DataFrame(
        usual | {"window": [0] * number, "waiting_time": [0] * number, "status": ["complete"] * number} | columns
    )


def table_of(pages):
    return pd.read_csv(pages.folder / "exponents.csv")


def written(pages, **options):
    options = {"title": "tiny", "overwrite": True, "runs": pages.folder / "runs", **options}
    write_page(pages.sources, pages.page, **options)
    return pages.page.read_text(encoding="utf-8")


def data_of(html, identifier):
    """What a script element of the page holds, as text."""
    return re.search(rf'<script type="[a-z/]+" id="{re.escape(identifier)}">(.*?)</script>', html, re.DOTALL)[1]


def test_the_page_is_whole_html_with_every_claim_run_and_figure(pages):
    page = Page(written(pages))
    table = table_of(pages)
    rows = page.rows("run-table")
    assert [row[0] for row in rows[1:]] == table["run"].unique().tolist()
    assert [text for _, text in page.all("figcaption")] == [
        ALL_FIGURES[kind].caption.replace("t_w", "tw") for topic in TOPICS for kind in topic.figures if kind in FIGURES
    ]
    claims = [text for attributes, text in page.all("h4") if attributes.get("id", "").startswith("claim-")]
    assert claims == [f"{number} {claim.title}" for number, claim in CLAIMS.items()]
    headings = [text for _, text in page.all("h2")]
    assert headings[:2] == ["Answers", "Runs"]
    assert headings[-3:-1] == ["Tables", "How this was made"]


def test_every_figure_has_its_topic():
    placed = [kind for topic in TOPICS for kind in topic.figures]
    assert len(placed) == len(set(placed))
    assert set(ALL_FIGURES) <= set(placed)
    assert set(RUN_FIGURES) == {kind for topic in TOPICS for kind in topic.run_figures}


def test_a_figure_without_a_topic_is_still_shown(pages, monkeypatch):
    monkeypatch.setattr("anodiff.report.page.topics.TOPICS", TOPICS[1:])
    page = Page(written(pages))
    assert "Further figures" in [text for _, text in page.all("h2")]
    assert len(page.all("figure")) == len(FIGURES)


def test_figures_are_in_the_page_as_they_are_and_nothing_comes_from_outside(pages):
    html = written(pages)
    for kind in FIGURES:
        packed = data_of(html, f"packed-{kind}")
        assert gzip.decompress(base64.b64decode(packed)) == (pages.folder / f"{kind}.svg").read_bytes()
    page = Page(html)
    assert not [tag for tag, attributes, _ in page.elements if "src" in attributes]
    assert {attributes["href"] for attributes, _ in page.all("link")} == {"data:,"}
    assert not re.findall(r"@import|url\(", html.split("</head>")[0])


def test_figures_of_runs_are_in_the_page_if_there_is_room(pages):
    html = written(pages)
    sheets = json.loads(data_of(html, "sheets"))
    run = pages.runs[0].name
    (figure,) = sheets[run]["figures"]
    content = (pages.folder / "runs" / run / "figures" / "msd.svg").read_bytes()
    assert gzip.decompress(base64.b64decode(data_of(html, f"packed-{run}/msd"))) == content
    assert figure == {
        "title": RUN_FIGURES["msd"].title,
        "caption": RUN_FIGURES["msd"].caption,
        "link": f"runs/{run}/figures/msd.svg",
        "data": f"{run}/msd",
    }
    assert sheets[pages.runs[1].name]["figures"] == []
    linked = written(pages, max_bytes=0)
    assert json.loads(data_of(linked, "sheets"))[run]["figures"] == [{k: v for k, v in figure.items() if k != "data"}]
    assert f"packed-{run}" not in linked
    assert "loaded from the folder runs next to it" in " ".join(Page(linked).all("footer")[0][1].split())
    assert "loaded from the folder" not in html
    assert json.loads(data_of(written(pages, runs=None), "sheets"))[run]["figures"] == []


def test_figures_come_in_one_order_however_they_are_given(pages):
    first = written(pages)
    pages.sources.reverse()
    assert written(pages) == first


def test_the_page_can_be_read_without_seeing_it(pages):
    page = Page(written(pages))
    assert page.elements[0][:2] == ["html", {"lang": "en"}]
    identifiers = set(page.identifiers)
    for attributes, _ in page.all("img"):
        assert attributes["alt"] or attributes["id"] == "large-image"
        assert attributes.get("aria-describedby", "tables") in identifiers
    assert len(page.all("caption")) == len(page.all("table"))
    assert {attributes.get("scope") for attributes, _ in page.all("th")} == {"col", "row"}
    assert len(page.all("h1")) == len(page.all("main")) == len(page.all("nav")) == 1
    targets = {attributes["href"].removeprefix("#") for attributes, _ in page.all("a") if attributes["href"].startswith("#")}
    assert {target for target in targets if not target.startswith("run=")} <= identifiers
    levels = [int(tag[1]) for tag, attributes, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_claims_say_what_their_table_says(pages):
    table = pd.DataFrame(
        [
            [
                1,
                "t",
                "early exponent",
                "beta_long",
                1.4421,
                1.401,
                1.61,
                14,
                "sign test",
                0.00012,
                "supports",
                "drift too",
                "chance",
                "drift",
            ],
            [1, "t", "late exponent", "beta_long", 0.9, 0.8, 1.1, 14, "sign test", 0.18, "undecided", "", "rest", "a bowl"],
            [
                4,
                "t",
                "roughness",
                "roughness_exponent",
                2.1,
                math.nan,
                math.nan,
                3,
                "sign test",
                0.25,
                "contradicts",
                "",
                "a smooth loss",
                "noise",
            ],
            [
                5,
                "t",
                "walkers",
                "exponent_early",
                math.nan,
                math.nan,
                math.nan,
                0,
                "",
                math.nan,
                "not measured",
                "not enabled",
                "",
                "",
            ],
        ],
        columns=[*list(CLAIM_COLUMNS)[:-3], "note", "rules_out", "leaves"],
    )
    write_table(table, pages.folder / "claims.csv")
    page = Page(written(pages))
    articles = [text for _, text in page.all("article")]
    assert [text.split("supported" if number == 0 else " ")[0][:1] for number, text in enumerate(articles)] == list("123456789")
    first, second, _, fourth, fifth, *dynamics = articles
    assert all("Nothing in this sweep measures it." in article for article in dynamics)
    assert "? undecided" in first
    assert "supports: early exponent beta_long" in first
    assert "1.44 [1.40, 1.61]" in first
    assert "n = 14 · sign test, p < 0.001drift tooRuled out: chance. Still possible: drift." in first
    assert "Not ruled out: rest; nor a bowl." in first
    assert "It would have ruled out a smooth loss." in fourth
    assert "uled out" not in fifth
    assert "n = 14 · sign test, p = 0.18" in first
    assert "– not measured" in second
    assert "Nothing in this sweep measures it." in second
    assert "✗ contradicted" in fourth
    assert "2.10 " in fourth
    assert "–" in fifth
    assert "not enabled" in fifth
    glance, other = [text for attributes, text in page.all("ol") if attributes.get("class") == "glance"]
    assert other.count("– not measured") == 4
    assert "early exponent: 1.44 [1.40, 1.61], n = 14 2 parts: 1 supported, 1 undecided" in glance


def test_without_a_table_of_claims_there_is_no_empty_chapter(pages):
    pages.sources = [file for file in pages.sources if file.name != "claims.csv"]
    assert next(text for _, text in Page(written(pages)).all("h2")) == "Runs"


def test_the_table_of_runs_shows_the_first_and_the_last_window():
    table = invented_table(
        run=["b", "b", "a"],
        waiting_time=[10, 0, 0],
        window=[1, 0, 0],
        beta_long=[0.8123, 1.4567, 1.2],
        beta_long_low=[0.7, 1.3, math.nan],
        beta_long_high=[0.9, 1.6, math.nan],
    )
    runs = run_table(table)
    heads = [column.heading for column in runs.columns]
    cells = [dict(zip(heads, row, strict=True)) for row in runs.rows]
    assert [cell["run"].text for cell in cells] == ["b", "a"]
    assert (cells[0]["β early"].text, cells[0]["β late"].text) == ("1.46 [1.30, 1.60]", "0.81 [0.70, 0.90]")
    assert cells[0]["β early"].key == repr(1.4567)
    assert cells[1]["β early"].text == cells[1]["β late"].text == "1.2"
    assert cells[1]["path dimension"].text == ""


def test_the_table_of_runs_shows_the_settings_that_tell_runs_of_a_model_apart():
    table = invented_table(model=["mlp", "mlp", "vgg"])
    place = table.columns.get_loc("parameters")
    table.insert(place, "model.depth", [3, 3, 9])
    table.insert(place, "data.label_noise", [0.0, 0.2, 0.0])
    heads = [column.heading for column in run_table(table).columns]
    assert "label noise" in heads
    assert "depth" not in heads
    assert "data" not in heads


def test_tables_hold_numbers_exactly_with_their_intervals_and_meanings(pages):
    table = table_of(pages)
    table["beta_max"], table["beta_max_low"], table["beta_max_high"] = 1.5349999999, 1.4, 1.6712
    table.loc[1, "beta_max_high"] = math.nan
    table.loc[2, "beta_max"] = math.inf
    table.loc[3, "beta_max_high"] = math.inf
    shown = json.loads(page_table("exponents", table).data)
    titles = [column["title"] for column in shown["columns"]]
    cells = [row[titles.index("beta_max")] for row in shown["rows"]]
    assert cells[:4] == [[1.5349999999, 1.4, 1.6712], 1.5349999999, None, 1.5349999999]
    ends = {f"{name}{end}" for name in EXPONENT_COLUMNS for end in ("_low", "_high")} & set(EXPONENT_COLUMNS)
    assert set(titles) == set(table.columns) - ends
    assert titles[0] == "run"
    meanings = {column["title"]: column["meaning"] for column in shown["columns"]}
    assert meanings["beta_long"] == EXPONENT_COLUMNS["beta_long"].meaning
    assert meanings["status"] == RUN_COLUMNS["status"].meaning
    assert meanings["learning_rate"] == SETTING_COLUMNS["learning_rate"].meaning


def test_a_table_that_is_too_long_shows_only_the_first_and_last_window_of_each_run():
    windows = MAX_ROWS // 2
    runs = np.repeat(["a", "b", "c"], windows)
    table = invented_table(run=runs, window=np.tile(range(windows), 3), waiting_time=np.tile(range(windows), 3))
    shown = page_table("exponents", table)
    assert (shown.rows, shown.all_rows) == (6, 3 * windows)
    place = [column["title"] for column in shown.columns].index("window")
    assert [(row[0], row[place]) for row in json.loads(shown.data)["rows"]] == [
        (run, end) for run in "abc" for end in (0, windows - 1)
    ]


def test_diverged_runs_are_marked_and_named_with_their_step(pages):
    page = Page(written(pages))
    (marked,) = [text for attributes, text in page.all("tr") if attributes.get("class") == "diverged"]
    assert marked.startswith(pages.lost)
    (warning,) = [text for attributes, text in page.all("p") if attributes.get("class") == "notice" and "diverged" in text]
    assert (
        warning == f"1 of 8 runs diverged, and is measured only in windows that ended before that: {pages.lost} at step 1,200."
    )


def test_without_diverged_runs_there_is_no_notice(pages):
    table = table_of(pages)
    write_table(table[table["run"] != pages.lost], pages.folder / "exponents.csv")
    assert "diverged, and" not in written(pages)


def test_the_foot_says_how_the_page_was_made(pages):
    ((_, text),) = Page(written(pages)).all("footer")
    assert re.search(r"anodiff \d+\.\d+.* analysed 8 runs of the sweep tiny, 24 windows in all", text)


def test_the_summary_is_what_the_table_says(pages):
    heads, *shown = Page(written(pages)).rows("models")
    table = table_of(pages)
    assert [row[0] for row in shown] == ["mlp3", "vgg9"]
    for row in shown:
        cells = dict(zip(heads, row, strict=True))
        of_model = table[table["model"] == row[0]]
        early = of_model.loc[of_model["waiting_time"] == 0, "beta_long"]
        late = of_model.loc[of_model["waiting_time"] == 2000, "beta_long"].dropna()
        accuracy = of_model["test_accuracy"]
        assert (cells["runs"], cells["seeds"]) == ("4", "2")
        assert cells["β early"] == f"{early.min():.2f} – {early.max():.2f}"
        assert cells["β late"] == f"{late.min():.2f} – {late.max():.2f}"
        assert cells["test accuracy"].split(" – ") == list(dict.fromkeys([f"{accuracy.min():.2f}", f"{accuracy.max():.2f}"]))
        assert (cells["superdiffusive early"], cells["subdiffusive late"]) == ("4 of 4", f"{len(late)} of {len(late)}")
    assert len(late) == 3


def test_summaries_take_the_first_and_the_last_window_of_each_run():
    table = invented_table(
        run=["a", "a", "a", "b", "b"],
        window=[0, 1, 2, 0, 1],
        waiting_time=[0, 10, 20, 0, 10],
        seed=[0, 0, 0, 1, 1],
        beta_long=[1.5, 9, 0.5, 1.25, 0.75],
        test_accuracy=[0.9, 0.9, 0.9, 0.8, 0.8],
    )
    (summary,) = model_summaries(table.sample(frac=1, random_state=0))
    assert (summary.runs, summary.seeds) == (2, 2)
    assert (summary.early, summary.late, summary.accuracy) == ("1.25 – 1.50", "0.50 – 0.75", "0.80 – 0.90")
    assert (summary.superdiffusive, summary.subdiffusive) == ("2 of 2", "2 of 2")


@pytest.mark.parametrize(
    ("exponents", "early", "late"),
    [([0.9, 0.8], "0 of 2", "2 of 2"), ([1.0, 1.0], "0 of 2", "0 of 2"), ([1.1, np.nan], "1 of 1", "0 of 1")],
)
def test_the_summary_does_not_claim_what_was_not_seen(exponents, early, late):
    (summary,) = model_summaries(invented_table(beta_long=exponents))
    assert (summary.superdiffusive, summary.subdiffusive) == (early, late)
    (nothing,) = model_summaries(invented_table(beta_long=[np.nan] * 2))
    assert (nothing.superdiffusive, nothing.subdiffusive, nothing.early) == ("not measured", "not measured", "–")


def test_a_diverged_run_has_no_last_window():
    columns = {"run": ["a", "a"], "window": [0, 1], "waiting_time": [0, 10]}
    table = invented_table(**columns, beta_long=[1.5, np.nan], status=["diverged"] * 2, steps_completed=[15] * 2)
    (summary,) = model_summaries(table)
    assert (summary.early, summary.late) == ("1.50", "–")
    assert diverged_runs(table) == [("a", 15)]


def test_models_keep_the_order_of_the_sweep():
    table = invented_table(model=["vgg9", "mlp", "alexnet"], waiting_time=[5, 0, 3])
    assert [summary.model for summary in model_summaries(table)] == ["vgg9", "mlp", "alexnet"]


def test_a_hostile_name_stays_text(pages):
    hostile = "<script>alert('1')</script>\"&"
    page = Page(written(pages))
    scripts = len(page.all("script"))
    html = written(pages, title=hostile)
    assert "<script>alert" not in html
    table = table_of(pages)
    table["run"] = hostile
    write_table(table, pages.folder / "exponents.csv")
    page = Page(written(pages, title=hostile))
    assert page.all("h1")[0][1].startswith(hostile)
    packed = len([run for run in pages.runs if (pages.folder / "runs" / run.name / "figures" / "msd.svg").exists()])
    assert len(page.all("script")) == scripts - packed
    assert page.rows("run-table")[1][0] == hostile


def test_what_cannot_be_shown_is_one_line_and_leaves_no_page(pages, tmp_path):
    other = tmp_path / "other.csv"
    other.write_text("run,group\na,b\n")
    drawing = tmp_path / "other.svg"
    drawing.touch()
    table = tmp_path / "exponents.csv"
    odd = tmp_path / "odd"
    odd.mkdir()
    write_table(pd.DataFrame({"run": ["a"], "group": ["b"]}), odd / "exponents.csv")
    write_table(pd.DataFrame({"claim": [1]}), odd / "claims.csv")
    (odd / "tails.csv").touch()
    for sources, error, message in (
        ([tmp_path / "no.csv"], StoreMissingError, "no.csv: no such file"),
        ([table, tmp_path / "no.svg"], StoreMissingError, "no.svg: no such file"),
        ([table, other], ConfigError, "other.csv: the page takes tables called exponents.csv, "),
        ([table, drawing], ConfigError, "other.svg: the page takes SVG files called msd.svg, beta.svg"),
        ([tmp_path / "msd.svg"], ConfigError, "the page needs the sweep's table exponents.csv"),
        ([odd / "exponents.csv"], ConfigError, "exponents.csv: not a table of a sweep, it has no column 'data'"),
        ([table, odd / "claims.csv"], ConfigError, "claims.csv: not a table of claims"),
        ([table, odd / "tails.csv"], StoreDamagedError, "tails.csv is damaged: tails.csv.sha256, .* is missing"),
    ):
        with pytest.raises(error, match=message) as caught:
            write_page(sources, pages.page, title="tiny")
        assert "\n" not in str(caught.value)
        assert not pages.page.exists()
    written(pages)
    with pytest.raises(OutputExistsError):
        written(pages, overwrite=False)


def test_the_page_of_real_results(make_run, tmp_path):
    folders = [make_run(), make_run({"seed": 1}, taken=30, status="diverged", diverged_at=30)]
    write_tables(folders, tmp_path / "exponents.csv")
    draw(["beta"], folders, tmp_path / "beta.svg")
    write_page([tmp_path / "exponents.csv", tmp_path / "beta.svg"], tmp_path / "index.html", title="tiny")
    page = Page((tmp_path / "index.html").read_text(encoding="utf-8"))
    assert {row[0] for row in page.rows("run-table")[1:]} == {folder.name for folder in folders}
    assert page.rows("models")[1][:2] == ["mlp3", "2"]
    width, height = re.search(r'width="([\d.]+)pt" height="([\d.]+)pt"', (tmp_path / "beta.svg").read_text()).groups()
    (image,) = [attributes for attributes, _ in page.all("img") if "width" in attributes]
    assert (int(image["width"]), int(image["height"])) == (round(float(width) * 4 / 3), round(float(height) * 4 / 3))


def test_the_table_is_read_as_it_was_written(pages):
    assert read_exponents(pages.folder / "exponents.csv").equals(table_of(pages))


def test_the_bundled_library_has_its_licence_and_its_stated_size():
    vendor = Path(__file__).parents[2] / "anodiff" / "report" / "page" / "templates" / "vendor"
    assert "The MIT License" in (vendor / "LICENSE.txt").read_text()
    stated = dict(re.findall(r"^\| `([\w.]+)`.*\| ([\d,]+) \|", (vendor / "README.md").read_text(), re.M))
    assert {name: int(size.replace(",", "")) for name, size in stated.items()} == {
        file.name: file.stat().st_size for file in vendor.glob("*.min.*")
    }


@pytest.mark.parametrize("file", sorted(REPORT.glob("*.rst")), ids=lambda file: file.name)
def test_the_report_s_captions_can_be_filled_in(file):
    params = SimpleNamespace(kind="msd", caption=FIGURES["msd"].caption, title="tiny", row="each run", holds="numbers")
    job = SimpleNamespace(config={"sweep": {"name": "tiny"}}, params=params, wildcards=SimpleNamespace(kind="msd"))
    text = Environment(undefined=StrictUndefined, autoescape=False).from_string(file.read_text(encoding="utf-8"))
    filled = text.render(snakemake=job)
    assert "{" not in filled
    assert "tiny" in filled
