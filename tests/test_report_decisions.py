"""Deciding on the page, in a browser: by mouse and keys, kept by the browser, undone, and taken away as tables."""

import csv
import json
import time

import chromium
import pytest
from hostile import LOOKS, NAMES, SAME, group, image_file, judged, report, with_verdicts

from dedup_core.report.model import PairExample
from dedup_core.report.page import readable, render

selenium = pytest.importorskip("selenium", reason="needs selenium: pip install selenium")
from selenium.webdriver.common.by import By  # noqa: E402 - only where it is installed
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import Select  # noqa: E402

ODD = [
    "z, with a comma.jpg", 'a "quoted".jpg', "line\nbreak\r.jpg", " blanks .jpg", "\\xff\\x5c.jpg", "تصاویر/گربه.jpg",
    "\u202egnp.exe.jpg", "a" * 400 + ".jpg", "\U00010000.jpg", "\uffee.jpg", "=1+1.jpg", "<b>&amp;.jpg",
]  # fmt: skip
MANY = 60


def content(groups, run_id="20260101T000000Z-1", **others):
    return with_verdicts(report(groups, **others), run_id=run_id)


def decided_report(run_id="20260101T000000Z-1"):
    """A group of two that can be removed and one that is similar, one of equal names by other methods, and pairs."""
    groups = [
        judged(["set/a.jpg", "set/b.jpg", "set/c.jpg", "set/d.jpg"], [SAME, LOOKS, SAME]),
        judged(["e.jpg", "f.jpg"], [SAME]),
        judged(["b/late.jpg", "a/early.jpg"], [SAME]),
        group(["old-1.jpg", "old-2.jpg"]),
    ]
    return content(groups, run_id, pairs=(PairExample("phash", 10.0, "set/a.jpg", "set/b.jpg", 10.0, SAME),))


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    reports = {
        "first": decided_report(),
        "again": decided_report(),
        "other": decided_report("20260102T000000Z-2"),
        "odd": content([judged([f"kept {n}.jpg", name], [SAME]) for n, name in enumerate(ODD)], "odd"),
        "hostile": content([judged([name, f"copy of {name}"], [SAME]) for name in NAMES], "hostile"),
        "many": content([judged([f"{n:03}-a.jpg", f"{n:03}-b.jpg"], [SAME]) for n in range(MANY)], "many"),
    }
    for name, page in reports.items():
        (folder / f"{name}.html").write_text(render(page), encoding="utf-8")
    framed = '<iframe sandbox="allow-scripts allow-downloads" src="first.html" width="1200" height="800"></iframe>'
    (folder / "framed.html").write_text(framed)
    return folder


@pytest.fixture
def opened(browser, pages):
    """A function that opens a page; what the test before has left in the browser is gone."""
    browser.get((pages / "first.html").as_uri())
    browser.execute_script("localStorage.clear()")

    def open_page(name="first", **screen):
        chromium.set_screen(browser, **screen)
        browser.get_log("browser")
        browser.get((pages / f"{name}.html").as_uri())
        return browser

    return open_page


@pytest.fixture
def downloads(browser, tmp_path):
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    return tmp_path


def at(browser, name):
    return browser.find_element(By.ID, name)


def bar(browser):
    return at(browser, "decisions")


def choices(browser, kind, within=".group"):
    return browser.find_elements(By.CSS_SELECTOR, f'{within} [data-decide="{kind}"]')


def press(browser, button):
    """Click a button, in the middle of the screen: at its end the bar may lie over it."""
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
    button.click()


def named(browser, text):
    """The button whose name for everybody is this."""
    return browser.find_element(By.CSS_SELECTOR, f'.group [aria-label="{text}"]')


def pressed(browser):
    """The names of the buttons on the page that are pressed."""
    script = "return [...document.querySelectorAll('.group .decide[aria-pressed=true]')].map(b => b.ariaLabel)"
    return browser.execute_script(script)


def focused(browser):
    return browser.switch_to.active_element


def taken(browser, downloads, kind, run="20260101T000000Z-1"):
    """Download a table and return its rows."""
    at(browser, f"decisions-{kind}").click()
    path, until = downloads / f"decisions_{kind}_{run}.csv", time.monotonic() + 20
    while not path.exists() and time.monotonic() < until:
        time.sleep(0.05)
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_nothing_is_decided_at_first(opened):
    browser = opened()
    assert not bar(browser).is_displayed()
    assert pressed(browser) == []
    assert {b.text for b in choices(browser, "pair")} == {"Not a duplicate"}
    assert {b.text for b in choices(browser, "image")} == {"Keep this one"}
    keeps = [button.get_attribute("aria-label") for button in choices(browser, "image")]
    assert keeps == [f"Keep this one: {name}" for name in ("b.jpg", "d.jpg", "early.jpg", "f.jpg", "old-2.jpg")]
    assert len(choices(browser, "pair", "#pairs")) == 1
    assert choices(browser, "image", "#pairs") == []


def test_decisions_are_counted_and_turned_back(opened):
    browser = opened()
    press(browser, named(browser, "Not a duplicate: b.jpg and a.jpg"))
    assert at(browser, "decisions-count").text == "1 decision: 1 pair is no duplicate"
    press(browser, named(browser, "Keep this one: f.jpg"))
    press(browser, named(browser, "Keep this one: d.jpg"))
    assert at(browser, "decisions-count").text == "3 decisions: 1 pair is no duplicate, 2 images stay"
    assert pressed(browser) == [
        "Not a duplicate: b.jpg and a.jpg", "Keep this one: d.jpg", "Keep this one: f.jpg"
    ]  # fmt: skip
    press(browser, named(browser, "Keep this one: d.jpg"))
    assert at(browser, "decisions-count").text == "2 decisions: 1 pair is no duplicate, 1 image stays"
    assert choices(browser, "pair", "#pairs")[0].get_attribute("aria-pressed") == "true", "one pair, shown twice"


def test_what_is_decided_shows_in_the_list_of_paths(opened):
    browser = opened()
    browser.find_element(By.CSS_SELECTOR, ".group summary").click()
    rows = browser.find_elements(By.CSS_SELECTOR, ".group .paths")[0].find_elements(By.TAG_NAME, "b")
    assert [row.text for row in rows] == ["keep", "remove", "keep", "remove"]
    press(browser, named(browser, "Not a duplicate: b.jpg and a.jpg"))
    press(browser, named(browser, "Keep this one: d.jpg"))
    assert [row.text for row in rows] == ["keep"] * 4
    assert len(browser.find_elements(By.CSS_SELECTOR, ".group .spared")) == 2
    press(browser, named(browser, "Keep this one: d.jpg"))
    assert [row.text for row in rows] == ["keep", "keep", "keep", "remove"]


def test_each_step_is_undone(opened):
    browser = opened()
    press(browser, named(browser, "Keep this one: b.jpg"))
    press(browser, named(browser, "Keep this one: f.jpg"))
    press(browser, named(browser, "Keep this one: b.jpg"))
    at(browser, "decisions-none").click()
    assert at(browser, "decisions-count").text == "No decision"
    undo, seen = at(browser, "decisions-undo"), []
    for _ in range(3):
        undo.click()
        seen.append(pressed(browser))
    assert seen == [
        ["Keep this one: f.jpg"], ["Keep this one: b.jpg", "Keep this one: f.jpg"], ["Keep this one: b.jpg"],
    ]  # fmt: skip
    undo.click()
    assert not bar(browser).is_displayed()
    assert focused(browser).get_attribute("id") == "groups", "the focus is not lost with the bar"


def test_all_by_keyboard(opened):
    browser = opened()
    first = named(browser, "Not a duplicate: b.jpg and a.jpg")
    browser.execute_script("arguments[0].focus()", first)
    focused(browser).send_keys(Keys.SPACE)
    focused(browser).send_keys("k")
    assert pressed(browser) == ["Not a duplicate: b.jpg and a.jpg", "Keep this one: b.jpg"]
    focused(browser).send_keys("N")
    assert pressed(browser) == ["Keep this one: b.jpg"]
    focused(browser).send_keys("u")
    focused(browser).send_keys("u")
    assert pressed(browser) == ["Not a duplicate: b.jpg and a.jpg"]
    assert focused(browser) == first
    assert first.get_attribute("aria-keyshortcuts") == "n"
    shown = [key.text for key in browser.find_elements(By.CSS_SELECTOR, "#groups kbd")]
    assert shown == ["N", "K", "U"]


def test_letters_typed_elsewhere_decide_nothing(opened):
    browser = opened()
    at(browser, "filter-text").send_keys("nku")
    browser.find_element(By.TAG_NAME, "body").send_keys("nku")
    assert not bar(browser).is_displayed()
    at(browser, "clear").click()
    named(browser, "Not a duplicate: b.jpg and a.jpg").send_keys(Keys.CONTROL, "k")
    assert not bar(browser).is_displayed()


def test_in_the_comparison(opened):
    browser = opened()
    browser.find_element(By.CSS_SELECTOR, '[aria-label="Compare f.jpg with e.jpg"]').click()
    focused(browser).send_keys("n")
    focused(browser).send_keys("k")
    inside = browser.find_elements(By.CSS_SELECTOR, "dialog .decide")
    assert [(button.text, button.get_attribute("aria-pressed")) for button in inside] == [
        ("Not a duplicate", "true"), ("Keep the second", "true"),
    ]  # fmt: skip
    inside[0].click()
    focused(browser).send_keys(Keys.ESCAPE)
    assert pressed(browser) == ["Keep this one: f.jpg"]


# Kept


def test_the_browser_keeps_them_for_the_report_of_this_run_alone(opened):
    browser = opened()
    press(browser, named(browser, "Keep this one: f.jpg"))
    browser.refresh()
    assert pressed(browser) == ["Keep this one: f.jpg"]
    opened("other")
    assert pressed(browser) == []
    press(browser, named(browser, "Keep this one: b.jpg"))
    opened("again")
    assert pressed(browser) == ["Keep this one: f.jpg"]
    at(browser, "decisions-undo").click()
    assert pressed(browser) == []


def test_another_tab_follows(opened, pages):
    browser = opened()
    mine = browser.current_window_handle
    browser.switch_to.new_window("tab")
    chromium.set_screen(browser)
    browser.get((pages / "first.html").as_uri())
    press(browser, named(browser, "Keep this one: f.jpg"))
    browser.close()
    browser.switch_to.window(mine)
    browser.execute_async_script("setTimeout(arguments[0], 200)")
    assert pressed(browser) == ["Keep this one: f.jpg"]


@pytest.mark.parametrize("found", ["", "{", "7", '{"a": 1}', '[7, null, ["pair", "a"], ["image", 3], ["none", "x"]]'])
def test_what_lies_there_and_is_no_decision_is_passed_over(opened, found):
    browser = opened()
    browser.execute_script("localStorage.setItem('dedup-core decisions 20260101T000000Z-1', arguments[0])", found)
    browser.refresh()
    assert not bar(browser).is_displayed()
    press(browser, named(browser, "Keep this one: f.jpg"))
    kept = browser.execute_script("return localStorage.getItem('dedup-core decisions 20260101T000000Z-1')")
    assert json.loads(kept) == [["image", "f.jpg"]]
    assert browser.get_log("browser") == []


def test_a_page_that_may_keep_nothing_says_so_and_works(opened, downloads):
    browser = opened("framed")
    browser.switch_to.frame(0)
    assert not at(browser, "decisions-lost").is_displayed()
    named(browser, "Keep this one: f.jpg").send_keys("k")  # a frame moves at its own pace: no click on what moves
    assert pressed(browser) == ["Keep this one: f.jpg"]
    assert at(browser, "decisions-lost").text.startswith("This browser keeps nothing for this page: download")
    assert taken(browser, downloads, "images") == [["path", "decision"], ["f.jpg", "keep"]]


# Taken away


def test_tables_of_pairs_and_of_images(opened, downloads):
    browser = opened()
    press(browser, named(browser, "Not a duplicate: early.jpg and late.jpg"))
    press(browser, named(browser, "Not a duplicate: b.jpg and a.jpg"))
    press(browser, named(browser, "Keep this one: old-2.jpg"))
    assert at(browser, "decisions-pairs").text == "Download 2 pairs"
    assert at(browser, "decisions-images").text == "Download 1 image"
    assert taken(browser, downloads, "pairs") == [
        ["path_a", "path_b", "decision"],
        ["a/early.jpg", "b/late.jpg", "not_duplicate"],
        ["set/a.jpg", "set/b.jpg", "not_duplicate"],
    ]
    assert taken(browser, downloads, "images") == [["path", "decision"], ["old-2.jpg", "keep"]]
    assert browser.get_log("browser") == []


def test_paths_are_those_of_the_tables_whatever_is_in_them(opened, downloads):
    browser = opened("odd")
    for button in choices(browser, "pair") + choices(browser, "image"):
        press(browser, button)
    pairs = taken(browser, downloads, "pairs", "odd")[1:]
    assert {(a, b) for a, b, _ in pairs} == {tuple(sorted((f"kept {n}.jpg", name))) for n, name in enumerate(ODD)}, (
        "in the order of their letters' numbers, as Python and the tables have it"
    )
    images = taken(browser, downloads, "images", "odd")[1:]
    assert sorted(path for path, _ in images) == sorted(ODD)
    browser.refresh()
    assert len(pressed(browser)) == 2 * len(ODD)


def test_hostile_names_are_decided_on_and_do_nothing(opened):
    browser = opened("hostile")
    for button in choices(browser, "pair"):
        press(browser, button)
    assert at(browser, "decisions-count").text.startswith(f"{len(NAMES)} decisions")
    browser.refresh()
    assert len(pressed(browser)) == len(NAMES)
    assert browser.execute_script("return window.hacked") is None
    assert browser.get_log("browser") == []


# Among many, and on small screens


def test_on_every_page_of_groups_and_by_filter(opened):
    browser = opened("many")
    press(browser, choices(browser, "image")[0])
    press(browser, at(browser, "next"))
    press(browser, choices(browser, "pair")[3])
    press(browser, at(browser, "previous"))
    assert len(pressed(browser)) == 1
    Select(at(browser, "filter-kind")).select_by_value("decided")
    assert at(browser, "count").text == "2 groups, showing 1 to 2"
    assert len(pressed(browser)) == 2
    Select(at(browser, "filter-kind")).select_by_value("undecided")
    assert at(browser, "count").text == f"{MANY - 2} groups, showing 1 to 20"


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True), (320, False)])
def test_the_bar_fits_the_screen_and_stays_in_sight(opened, width, dark):
    browser = opened("many", width=width, height=800, dark=dark)
    browser.execute_script("document.querySelectorAll('.group .decide').forEach((b) => b.click())")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    browser.execute_script("scrollTo(0, 0)")
    inside = "const {top, bottom} = arguments[0].getBoundingClientRect(); return top > 0 && bottom <= innerHeight"
    assert browser.execute_script(inside, bar(browser))
    assert bar(browser).size["height"] < 260
    sizes = [b.size for b in choices(browser, "pair")[:3] + browser.find_elements(By.CSS_SELECTOR, "#decisions button")]
    assert min(size["height"] for size in sizes) >= 24, "what a finger can hit"


def test_the_page_knows_reports_apart():
    def run_of(groups, run_id):
        return json.loads(render(content(groups, run_id)).split('id="data">')[1].split("</script>")[0])["run"]

    one, two = [judged(["a.jpg", "b.jpg"], [SAME])], [judged(["a.jpg", "c.jpg"], [SAME])]
    assert run_of(one, "R-1") == run_of(two, "R-1") == "R-1"
    assert run_of(one, None) == run_of(one, None) != run_of(two, None), "by their groups where no record tells"
    several = [*one, judged(["a.jpg", "b.jpg"], [SAME], method="dhash")]
    assert run_of(several, "R-1") == "R-1"


def test_a_path_travels_whole_where_it_is_shown_in_part():
    files = {name: image_file(n) for n, name in enumerate(ODD)}
    page = render(content([judged(ODD, [SAME] * (len(ODD) - 1))], files=files))
    rows = json.loads(page.split('id="data">')[1].split("</script>")[0])["files"]
    assert [row[7] if len(row) > 7 else row[0] for row in rows] == ODD
    assert [row[0] for row in rows] == [readable(name) for name in ODD]
