"""The page in a browser: what a person can do with it, by mouse, by keyboard, in the dark and on a phone."""

import chromium
import pytest
from hostile import NAMES, evaluation, group, hostile_report, report

from dedup_core.report.model import PairExample
from dedup_core.report.page import readable, render

selenium = pytest.importorskip("selenium", reason="needs selenium: pip install selenium")
from selenium.webdriver.common.by import By  # noqa: E402 - only where it is installed
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import Select  # noqa: E402

GROUPS = 95


def many_groups():
    """Return groups of two methods: the n-th has 2 to 6 images, and distances that grow with n."""
    hashes = [
        group([f"set {n % 7}/{n:03}-{k}.jpg" for k in range(2 + n % 5)], scores=[float(n % 6 * 2)] * (1 + n % 5))
        for n in range(GROUPS - 5)
    ]
    return hashes + [group([f"near/{n}-{k}.png" for k in range(9)], "cnn", [0.9 + n / 100] * 8) for n in range(5)]


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    pairs = [PairExample("phash", level, f"set 0/{k * 7:03}-0.jpg", f"set 0/{k * 7:03}-1.jpg", level)
             for level in (10.0, 4.0) for k in range(3)]  # fmt: skip
    reports = {
        "many": report(many_groups(), pairs=tuple(pairs)),
        "hostile": hostile_report(),
        "empty": report([]),
        "one": report([group(["a.jpg", "b.jpg"])]),
        "evaluated": report(many_groups(), evaluations=(evaluation(), evaluation("cnn", best=0.9))),
    }
    for name, content in reports.items():
        (folder / f"{name}.html").write_text(render(content), encoding="utf-8")
    return folder


@pytest.fixture
def opened(browser, pages):
    """A function that opens a page on a screen of some size, light or dark."""

    def open_page(name="many", width=1280, height=900, dark=False):
        chromium.set_screen(browser, width, height, dark)
        browser.get_log("browser")
        browser.get((pages / f"{name}.html").as_uri())
        return browser

    return open_page


def at(browser, name):
    return browser.find_element(By.ID, name)


def count(browser):
    return at(browser, "count").text


def first_paths(browser):
    """The first path of each group on the page."""
    script = "return [...document.querySelectorAll('.group .images')].map(g => g.querySelector('.name').textContent)"
    return browser.execute_script(script)


def sizes(browser):
    script = "return [...document.querySelectorAll('.group h3')].map(h => parseInt(h.textContent))"
    return browser.execute_script(script)


def choose(browser, name, value):
    Select(at(browser, name)).select_by_value(value)


# Loading


@pytest.mark.parametrize("name", ["many", "hostile", "empty", "one", "evaluated"])
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True), (320, False)])
def test_it_loads_without_complaint_and_fits_the_screen(opened, name, width, dark):
    browser = opened(name, width, 800, dark)
    assert browser.get_log("browser") == []
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width


def test_every_picture_is_drawn(opened):
    browser = opened()
    script = "return Promise.all([...document.images].map(i => i.decode().then(() => i.naturalWidth)))"
    widths = browser.execute_script(script)
    assert len(widths) > 20
    assert set(widths) == {120}


def test_nothing_is_fetched(opened):
    script = "return performance.getEntriesByType('resource').map(e => e.name).filter(n => !n.startsWith('data:'))"
    assert opened().execute_script(script) == []


def test_hostile_names_are_shown_and_do_nothing(opened):
    browser = opened("hostile")
    for element in browser.find_elements(By.CSS_SELECTOR, "details > summary"):
        browser.execute_script("arguments[0].parentElement.open = true", element)
    assert browser.execute_script("return window.hacked") is None
    assert browser.get_log("browser") == []
    assert set(first_paths(browser)) == {readable(name) for name in NAMES}
    assert browser.execute_script("return document.scripts.length") == 2


def test_no_result_says_so(opened):
    browser = opened("empty")
    assert count(browser) == "No groups"
    assert at(browser, "group-list").text == "No duplicates were found."
    assert not at(browser, "next").is_displayed()
    assert not at(browser, "filters").is_displayed()


# Looking through the groups


def test_paging_by_click(opened):
    browser = opened()
    assert count(browser) == f"{GROUPS} groups, showing 1 to 20"
    first = first_paths(browser)
    at(browser, "next").click()
    assert count(browser) == f"{GROUPS} groups, showing 21 to 40"
    assert set(first).isdisjoint(first_paths(browser))
    at(browser, "previous").click()
    assert first_paths(browser) == first
    at(browser, "previous").click()
    assert first_paths(browser) == first


def test_paging_by_keyboard(opened):
    browser = opened()
    browser.execute_script("arguments[0].focus()", at(browser, "next"))
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    browser.switch_to.active_element.send_keys(Keys.SPACE)
    assert count(browser) == f"{GROUPS} groups, showing 41 to 60"
    browser.switch_to.active_element.send_keys(Keys.SHIFT, Keys.TAB)
    page = browser.switch_to.active_element
    assert page.get_attribute("id") == "page"
    page.send_keys(Keys.CONTROL, "a")
    page.send_keys(Keys.NULL, "99", Keys.ENTER)
    assert count(browser) == f"{GROUPS} groups, showing 81 to 95"
    assert at(browser, "next").get_attribute("aria-disabled") == "true"


def test_sorting(opened):
    browser = opened()
    assert sizes(browser) == sorted(sizes(browser), reverse=True)
    assert sizes(browser)[0] == 9
    choose(browser, "sort", "smallest")
    assert set(sizes(browser)) == {2, 3}
    choose(browser, "sort", "path")
    assert first_paths(browser)[:6] == [*(f"near/{n}-0.png" for n in range(5)), "set 0/000-0.jpg"]
    choose(browser, "sort", "closest")
    choose(browser, "filter-method", "phash")
    assert "distance 0" in browser.find_element(By.CSS_SELECTOR, ".group h3").text
    choose(browser, "sort", "loosest")
    assert "distance 10" in browser.find_element(By.CSS_SELECTOR, ".group h3").text
    choose(browser, "filter-method", "cnn")
    assert first_paths(browser) == [f"near/{n}-0.png" for n in range(5)]


def test_filtering(opened):
    browser = opened()
    at(browser, "filter-text").send_keys("SET 3/")
    assert count(browser) == "13 groups, showing 1 to 13"
    assert all(path.startswith("set 3/") for path in first_paths(browser))
    at(browser, "filter-size").send_keys("6")
    assert set(sizes(browser)) == {6}
    at(browser, "filter-text").send_keys("nowhere")
    assert count(browser) == "No groups"
    assert at(browser, "group-list").text == "No group fits these filters."
    at(browser, "clear").click()
    assert count(browser) == f"{GROUPS} groups, showing 1 to 20"
    choose(browser, "filter-method", "phash")
    at(browser, "filter-from").send_keys("8")
    at(browser, "filter-to").send_keys("8")
    assert count(browser) == "15 groups, showing 1 to 15"


def test_filters_begin_on_the_first_page(opened):
    browser = opened()
    at(browser, "next").click()
    at(browser, "filter-text").send_keys("set")
    assert count(browser) == f"{GROUPS - 5} groups, showing 1 to 20"


def test_the_kept_image_is_marked_in_words(opened):
    browser = opened("one")
    marks = [mark.text for mark in browser.find_elements(By.CSS_SELECTOR, ".group .mark")]
    assert marks == ["✓ Keep", "distance 2"]
    browser.find_element(By.CSS_SELECTOR, ".group summary").send_keys(Keys.ENTER)
    assert [row.text for row in browser.find_elements(By.CSS_SELECTOR, ".paths li")] == ["keep a.jpg", "remove b.jpg"]


def test_pairs_open_at_the_threshold_and_the_rest_on_demand(opened):
    browser = opened()
    levels = browser.find_elements(By.CSS_SELECTOR, "#pair-list > details")
    assert [level.find_element(By.TAG_NAME, "summary").text for level in levels] == [
        "Phash: distance 10",
        "Phash: distance 4",
    ]
    assert [len(level.find_elements(By.CSS_SELECTOR, ".pair-row > li")) for level in levels] == [3, 0]
    levels[1].find_element(By.TAG_NAME, "summary").send_keys(Keys.ENTER)
    browser.execute_async_script("requestAnimationFrame(() => setTimeout(arguments[0]))")
    assert len(levels[1].find_elements(By.CSS_SELECTOR, ".pair-row > li")) == 3


# For everybody


def test_everything_to_use_has_a_name_and_is_reached_by_tab(opened):
    browser = opened()
    controls = browser.find_elements(By.CSS_SELECTOR, "main input, main select, main button, main summary, header a")
    shown = [control for control in controls if control.is_displayed()]
    assert all(control.accessible_name for control in shown)
    assert all(image.get_attribute("alt") for image in browser.find_elements(By.TAG_NAME, "img"))
    browser.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    assert browser.switch_to.active_element.text == "Skip to the groups"
    assert at(browser, "count").get_attribute("aria-live") == "polite"
    assert {e.tag_name for e in browser.find_elements(By.CSS_SELECTOR, "body > *")} >= {"header", "main"}


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True), (320, False)])
def test_curves_are_seen_and_their_tables_stay_inside_the_screen(opened, width, dark):
    browser = opened("evaluated", width, 800, dark)
    browser.execute_script("document.querySelectorAll('#quality details').forEach((e) => { e.open = true; })")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    script = """
        const colour = (e) => getComputedStyle(e);
        const ground = colour(document.querySelector('#quality figure')).backgroundColor;
        return [...document.querySelectorAll('#quality .plot g path')].filter(p => p.getAttribute('d')).map(p =>
          [p.className.baseVal, colour(p).stroke, parseFloat(colour(p).strokeWidth), ground])"""
    paths = browser.execute_script(script)
    assert [kind for kind, *_ in paths].count("best") == 2 + 1 + 1, (
        "one a method in the first figure, one in each other"
    )
    for _, stroke, stroke_width, ground in paths:
        line, card = luminance(stroke), luminance(ground)
        assert (max(line, card) + 0.05) / (min(line, card) + 0.05) >= 3
        assert stroke_width >= 2
        assert (card < 0.2) == dark
    plots = browser.find_elements(By.CSS_SELECTOR, "#quality .plot svg")
    assert len(plots) == 3
    assert all(plot.size["width"] > 150 and plot.size["height"] > 150 for plot in plots)


@pytest.mark.parametrize(("width", "figures"), [(390, 3), (320, 0)])
def test_on_a_phone_tables_fold_and_each_number_is_named(opened, width, figures):
    browser = opened("evaluated", width, 800)
    browser.execute_script("document.querySelectorAll('details').forEach((e) => { e.open = true; })")
    script = "return [...document.querySelectorAll('.scroll')].map(e => e.scrollWidth - e.clientWidth)"
    pushed = browser.execute_script(script)
    assert pushed[: 2 + figures] == [0] * (2 + figures), "nothing is to be pushed sideways"
    cells = browser.find_elements(By.CSS_SELECTOR, ".folds tbody tr:first-child td")
    label = "return getComputedStyle(arguments[0], '::before').content"
    assert [browser.execute_script(label, cell) for cell in cells] == [
        f'"{cell.get_attribute("data-label")}"' for cell in cells
    ]
    assert {"Pairs", "Could be removed", "Precision", "MAP"} < {cell.get_attribute("data-label") for cell in cells}


def test_focus_is_seen(opened):
    browser = opened()
    at(browser, "filter-text").send_keys(Keys.TAB)
    style = "return getComputedStyle(document.activeElement).outlineStyle"
    assert browser.execute_script(style) == "solid"


def luminance(colour):
    values = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize(
    "selector", [".group h3", ".group .quiet", ".kept .mark", ".facts-line", "header nav a", "label"]
)
def test_text_stands_out_from_its_ground(opened, dark, selector):
    browser = opened(dark=dark)
    script = """
        const ground = (e) => { const c = getComputedStyle(e).backgroundColor;
          return c === 'rgba(0, 0, 0, 0)' ? ground(e.parentElement) : c; };
        const e = document.querySelector(arguments[0]); return [getComputedStyle(e).color, ground(e)];"""
    text, ground = map(luminance, browser.execute_script(script, selector))
    assert (max(text, ground) + 0.05) / (min(text, ground) + 0.05) >= 4.5
    assert (ground < 0.2) == dark or selector == ".kept .mark"


def test_on_a_phone_filters_wait_behind_a_button(opened):
    browser = opened(width=390, height=844)
    assert not at(browser, "filter-size").is_displayed()
    button = at(browser, "more-filters")
    button.click()
    assert at(browser, "filter-size").is_displayed()
    assert button.get_attribute("aria-expanded") == "true"
