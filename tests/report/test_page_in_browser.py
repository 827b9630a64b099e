"""The page in a browser, as its reader has it: headless Chromium, opened from the file system."""

import os
import re
import shutil

import pandas as pd
import pytest
from invented import page_sources, sweep

from anodiff.report.figures.catalogue import FIGURES
from anodiff.report.page import write_page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here; on Debian: apt-get install chromium"),
]

#: Of all texts that are seen: the least ratio of their contrast against what is behind them (WCAG 2.2, 1.4.3), and whose it is.
LEAST_CONTRAST = """() => {
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * x + .7152 * y + .0722 * z;
  };
  const parts = colour => { const [r, g, b, a = 1] = colour.match(/[\\d.]+/g).map(Number); return [r, g, b, a]; };
  const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3]));
  const behind = element => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) layers.push(parts(getComputedStyle(at).backgroundColor));
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255]);
  };
  let least = [Infinity, ""];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement, style = getComputedStyle(element);
    if (!walker.currentNode.data.trim() || !element.checkVisibility() || element.closest(":disabled, .disabled")) continue;
    const back = behind(element), [x, y] = [luminance(over(parts(style.color), back)), luminance(back)];
    const ratio = (Math.max(x, y) + .05) / (Math.min(x, y) + .05);
    if (ratio < least[0]) least = [ratio, `${element.tagName}.${element.className}: ${walker.currentNode.data.trim()}`];
  }
  return least;
}"""


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = started.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def sweep_page(tmp_path_factory):
    """The page of an invented sweep, one run of it diverged: its path and its runs."""
    folder = tmp_path_factory.mktemp("page")
    runs = sweep(starts=[0, 1000, 2000], diverged_at={"vgg9-bs64-lr0.1-seed1": 1200})
    write_page(page_sources(runs, folder), folder / "index.html", title="tiny", runs=folder / "runs")
    return folder / "index.html", runs


@pytest.fixture
def opened(browser, sweep_page):
    """Return a function that opens the page. At the end the console must be empty, and nothing loaded from the network."""
    messages, requests, contexts = [], [], []

    def open_page(width=1300, colours="light", end=""):
        contexts.append(browser.new_context(viewport={"width": width, "height": 900}, color_scheme=colours))
        page = contexts[-1].new_page()
        page.set_default_timeout(20_000)
        page.on("console", lambda message: messages.append(message.text))
        page.on("pageerror", lambda error: messages.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(sweep_page[0].as_uri() + end)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert messages == []
    assert {url.split("#")[0] for url in requests if not url.startswith(("blob:", "data:"))} == {sweep_page[0].as_uri()}


def column(page, heading, table="#run-table"):
    """The texts of a column, in the order shown."""
    headings = [text.strip() for text in page.locator(f"{table} thead th .dt-column-title").all_inner_texts()]
    return page.locator(f"{table} tbody tr > :nth-child({headings.index(heading) + 1})").all_inner_texts()


def heading(page, text, table="#run-table"):
    return page.locator(f"{table} thead th", has=page.get_by_text(text, exact=True))


def wait_until_sorted(page, text, direction, table="#run-table"):
    """The table is drawn again a moment after the click."""
    from playwright.sync_api import expect

    expect(heading(page, text, table)).to_have_attribute("aria-sort", direction, timeout=20_000)


def test_every_figure_is_there_and_drawn(opened, sweep_page):
    page = opened()
    page.wait_for_function("!document.querySelector('main img[data-packed]')")
    page.wait_for_function("[...document.querySelectorAll('main img')].every(image => image.complete)")
    widths = page.eval_on_selector_all("main img", "images => images.map(image => image.naturalWidth)")
    assert widths == [400] * len(FIGURES)


def test_the_table_of_runs_sorts_by_mouse_and_by_keyboard_with_missing_numbers_last(opened, sweep_page):
    page = opened()
    known = pd.read_csv(sweep_page[0].parent / "exponents.csv").groupby("run").last()["beta_long"]
    heading(page, "β late").locator(".dt-column-title").click()
    wait_until_sorted(page, "β late", "ascending")
    up = column(page, "run")
    heading(page, "β late").locator("[role=button]").first.press("Enter")
    wait_until_sorted(page, "β late", "descending")
    down = column(page, "run")
    assert len(up) == 8
    assert up[:7] == down[6::-1]
    assert known[up[:7]].is_monotonic_increasing
    assert up[7] == down[7] == "vgg9-bs64-lr0.1-seed1"


def test_the_table_of_runs_filters_by_words_values_and_numbers(opened):
    page = opened()
    page.locator(".dt-search input").first.fill("vgg9 seed0")
    page.wait_for_function("document.querySelectorAll('#run-table tbody tr').length === 2")
    assert column(page, "run") == ["vgg9-bs64-lr0.1-seed0", "vgg9-bs128-lr0.1-seed0"]
    page.locator(".dt-search input").first.fill("")
    heading(page, "batch size").locator("button.dtcc-button").click()
    page.locator(".dtcc-dropdown input").fill("64")
    page.wait_for_function("document.querySelectorAll('#run-table tbody tr').length === 4")
    assert set(column(page, "batch size")) == {"64"}
    page.keyboard.press("Escape")
    page.locator(".dtcc-dropdown").wait_for(state="detached")
    heading(page, "model").locator("button.dtcc-button").click()
    page.locator(".dtcc-dropdown .dtcc-list button", has_text="mlp3").click()
    page.wait_for_function("document.querySelectorAll('#run-table tbody tr').length === 2")
    assert set(column(page, "model")) == {"mlp3"}


def test_a_run_shows_its_figures_and_windows_and_leads_to_the_next(opened, sweep_page):
    first, second = (run.name for run in sweep_page[1][:2])
    page = opened()
    page.get_by_role("link", name=first, exact=True).click()
    dialog = page.get_by_role("dialog", name=first)
    dialog.wait_for()
    page.wait_for_function("document.querySelector('#run-figures img').naturalWidth > 0")
    assert dialog.get_by_role("heading", name="MSD by waiting time").is_visible()
    assert dialog.locator("#run-windows tbody tr").count() == 3
    dialog.get_by_role("button", name="Enlarge").click()
    page.wait_for_function("document.querySelector('#large-image').naturalWidth > 0")
    page.locator("#large-close").click()
    dialog.get_by_role("button", name="Next run").click()
    page.get_by_role("dialog", name=second).wait_for()
    assert page.locator("#run-without").is_visible()
    page.keyboard.press("Escape")
    page.wait_for_function("location.hash === ''")
    assert not page.locator("#run").is_visible()
    assert page.evaluate("document.activeElement.dataset.run") == second


def test_a_link_to_a_run_opens_it(opened, sweep_page):
    name = sweep_page[1][3].name
    opened(end=f"#run={name}").get_by_role("dialog", name=name).wait_for()


def test_a_table_is_made_when_it_is_opened(opened, sweep_page):
    page = opened()
    table = pd.read_csv(sweep_page[0].parent / "exponents.csv")
    assert page.locator("#table-exponents table").count() == 0
    page.locator("details[data-table=exponents] > summary").click()
    heading(page, "beta_max", "#table-exponents").locator(".dt-column-title").click()
    wait_until_sorted(page, "beta_max", "ascending", "#table-exponents")
    texts = column(page, "beta_max", "#table-exponents")
    known = table["beta_max"].dropna().sort_values()
    assert texts[: len(known)] == [f"{value:.4g}" for value in known]
    assert set(texts[len(known) :]) == {""}


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_every_text_stands_out_from_what_is_behind_it(opened, sweep_page, colours):
    page = opened(colours=colours)
    page.locator("details[data-table=exponents] > summary").click()
    page.locator("#table-exponents table").wait_for()
    ratio, where = page.evaluate(LEAST_CONTRAST)
    assert ratio >= 4.5, where
    page.evaluate(f"location.hash = 'run={sweep_page[1][0].name}'")
    page.get_by_role("dialog").wait_for()
    ratio, where = page.evaluate(LEAST_CONTRAST)
    assert ratio >= 4.5, where


def test_light_and_dark_follow_the_system_until_the_reader_chooses(opened):
    page = opened(colours="dark")
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function(f"getComputedStyle(document.documentElement).colorScheme === '{scheme}'")
    page.get_by_role("button", name="Change to dark colours").click()
    page.reload()
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"
    assert max(map(int, re.findall(r"\d+", page.evaluate("getComputedStyle(document.body).backgroundColor")))) < 60


def test_on_a_phone_nothing_is_wider_than_the_screen(opened, sweep_page):
    page = opened(width=390)
    for table in page.locator("details.data > summary").all():
        table.click()
    page.locator("#table-exponents table").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert not page.get_by_role("navigation", name="Contents").is_visible()
    page.get_by_text("Contents", exact=True).click()
    page.get_by_role("navigation", name="Contents").get_by_role("link", name="Diffusion", exact=True).click()
    assert not page.get_by_role("navigation", name="Contents").is_visible()
    page.evaluate(f"location.hash = 'run={sweep_page[1][0].name}'")
    page.get_by_role("dialog").wait_for()
    assert page.evaluate("document.querySelector('#run').scrollWidth") <= 390


def test_a_print_holds_the_answers_and_figures_and_no_controls(opened):
    page = opened()
    page.wait_for_function("!document.querySelector('main img[data-packed]')")
    page.emulate_media(media="print")
    assert page.locator("#claim-1").is_visible()
    assert page.locator("main img").first.is_visible()
    for control in (".side", ".dt-search", "#run-table .dtcc"):
        assert not page.locator(control).first.is_visible()
