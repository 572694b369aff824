"""Comparing two pictures on the page, in a browser: by mouse, keyboard and link, and where a picture is missing."""

from urllib.parse import urlencode

import chromium
import pytest
from hostile import LOOKS, NAMES, SAME, group, hostile_report, image_file, judged, picture, report, with_verdicts

from dedup_core.report.model import Evidence, Hub, PageImage, PairExample
from dedup_core.report.page import readable, render

selenium = pytest.importorskip("selenium", reason="needs selenium: pip install selenium")
from selenium.webdriver.common.by import By  # noqa: E402 - only where it is installed
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import Select  # noqa: E402

REASON = "640 x 480 instead of 64 x 48"


def judged_report():
    """A report with verdicts of both kinds, a group of similar pairs only, and pictures that are missing."""
    groups = [
        judged(["set/a.jpg", "set/b.jpg", "set/c.jpg", "set/d.jpg"], [SAME, LOOKS, Evidence("same", 0.0)], REASON),
        judged(["e.jpg", "f.jpg"], [LOOKS]),
        judged(["gone.jpg", "g.jpg"], [SAME], scores=[0.0]),
        judged(["x.jpg", "y.jpg"], [SAME], scores=[0.0]),
    ]
    pairs = (
        PairExample("phash", 10.0, "set/a.jpg", "set/b.jpg", 10.0, SAME),
        PairExample("phash", 10.0, "set/c.jpg", "set/d.jpg", 10.0, LOOKS),
        PairExample("phash", 0.0, "set/a.jpg", "set/d.jpg", 0.0),
    )
    files = {member.path: image_file(n) for n, member in enumerate(m for g in groups for m in g.members)}
    files["set/b.jpg"] = PageImage(64, 48, "JPEG", 900, picture((200, 80, 80), (60, 45)))
    files["gone.jpg"] = files["x.jpg"] = files["y.jpg"] = PageImage(64, 48, "JPEG", 900, missing="vanished")
    hub = Hub("set/a.jpg", 6000, 18, "most have few details")
    return with_verdicts(report(groups, pairs=pairs, files=files, caution={"flat": 3}), hubs=(hub,))


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    old = report([group(["a.jpg", "b.jpg"])], pairs=(PairExample("phash", 10.0, "a.jpg", "b.jpg", 10.0),))
    for name, content in {"judged": judged_report(), "hostile": hostile_report(), "old": old}.items():
        (folder / f"{name}.html").write_text(render(content), encoding="utf-8")
    return folder


@pytest.fixture
def opened(browser, pages):
    """A function that opens a page on a screen of some size, light or dark, at a link if need be."""

    def open_page(name="judged", link="", **screen):
        chromium.set_screen(browser, **screen)
        browser.get_log("browser")
        browser.get("about:blank")
        browser.get((pages / f"{name}.html").as_uri() + link)
        return browser

    return open_page


def at(browser, name):
    return browser.find_element(By.ID, name)


def is_open(browser):
    return browser.execute_script("return document.getElementById('compare').open")


def buttons(browser, within=".group"):
    return browser.find_elements(By.CSS_SELECTOR, f"{within} button:not(.decide)")


def compared(browser):
    """The paths on either side."""
    return [side.text for side in browser.find_elements(By.CSS_SELECTOR, "#compare-sides .name")]


def focused(browser):
    return browser.switch_to.active_element


def fate(browser):
    """The marks of all members of all groups."""
    return [mark.text for mark in browser.find_elements(By.CSS_SELECTOR, ".group .mark")]


# Verdicts on the page


def test_members_show_their_verdict_and_why_the_other_one_stays(opened):
    browser = opened()
    assert fate(browser)[:4] == ["✓ Keep", "distance 2 · same", "✓ Keep, similar only", "distance 2 · same"]
    cards = [
        card.text.split("\nNot a duplicate")[0].split("\n")
        for card in browser.find_elements(By.CSS_SELECTOR, ".group .images > li")
    ]
    assert cards[1][-2:] == ["largest tile difference 1.9 levels at 512 pixels", f"The other stays: {REASON}"]
    assert cards[2][-1] == "differ by 134 levels at 32 pixels already"
    assert "equal files" in cards[3]
    assert browser.find_element(By.CSS_SELECTOR, ".notice li").text == (
        "6,000 images are one group around set/a.jpg: most have few details (18 could be removed)"
    )


def test_groups_can_be_chosen_by_what_is_in_them(opened):
    browser = opened()
    assert at(browser, "count").text.startswith("4 groups")
    choose = Select(at(browser, "filter-kind"))
    choose.select_by_value("removals")
    assert at(browser, "count").text.startswith("3 groups")
    choose.select_by_value("similar")
    assert at(browser, "count").text.startswith("1 group")
    assert "similar pairs only" in browser.find_element(By.CSS_SELECTOR, ".group h3").text
    at(browser, "clear").click()
    assert at(browser, "count").text.startswith("4 groups")


def test_pairs_of_a_level_tell_their_verdicts(opened):
    browser = opened()
    level = browser.find_element(By.CSS_SELECTOR, "#pair-list > details")
    assert level.find_element(By.TAG_NAME, "summary").text == "Distance 10 5 same, 5 similar"
    words = [row.text for row in level.find_elements(By.CSS_SELECTOR, ".verdict > div")]
    assert words == [
        "same: largest tile difference 1.9 levels at 512 pixels",
        "similar: differ by 134 levels at 32 pixels already",
    ]


def test_tables_without_verdicts_can_be_compared_and_claim_nothing(opened):
    browser = opened("old")
    assert fate(browser) == ["✓ Keep", "distance 2"]
    assert [option.text for option in Select(at(browser, "filter-kind")).options] == [
        "all groups",
        "something to remove",
        "decided by you",
        "not decided yet",
    ]
    buttons(browser, "#pair-list")[0].click()
    assert at(browser, "compare-verdict").text == "No verdict: the page has none on these two (phash: distance 10)"
    assert not at(browser, "compare-outline").is_displayed()


# The comparison


def test_a_picture_opens_it_escape_closes_it_and_the_focus_returns(opened):
    browser = opened()
    button = buttons(browser)[0]
    assert button.accessible_name == "Compare b.jpg with a.jpg"
    browser.execute_script("arguments[0].focus()", button)
    button.send_keys(Keys.ENTER)
    assert is_open(browser)
    assert focused(browser).get_attribute("id") == "compare-slider"
    assert compared(browser) == ["set/a.jpg", "set/b.jpg"]
    assert at(browser, "compare-verdict").text == (
        "Same: largest tile difference 1.9 levels at 512 pixels (phash: distance 2)"
    )
    assert at(browser, "compare-told").text.endswith(f"1.9 of 255 levels. The first one stays: {REASON}.")
    focused(browser).send_keys(Keys.ESCAPE)
    assert not is_open(browser)
    assert focused(browser) == button
    assert "#" not in browser.current_url


def test_it_closes_by_its_button_and_by_a_click_beside_it(opened):
    browser = opened()
    buttons(browser)[0].click()
    at(browser, "compare-close").click()
    assert not is_open(browser)
    buttons(browser)[0].click()
    browser.execute_script("document.getElementById('compare').click()")
    assert not is_open(browser)


def test_a_click_on_a_picture_of_a_pair_opens_it_too(opened):
    browser = opened()
    browser.find_element(By.CSS_SELECTOR, "#pair-list .picture img").click()
    assert compared(browser) == ["set/a.jpg", "set/b.jpg"]
    at(browser, "compare-close").click()
    assert focused(browser).accessible_name == "Compare a.jpg with b.jpg"


def test_tab_stays_inside(opened):
    browser = opened()
    buttons(browser)[0].click()
    seen = []
    for _ in range(9):
        focused(browser).send_keys(Keys.TAB)
        seen.append(browser.execute_script("return document.activeElement.closest('dialog, main, header')?.tagName"))
    assert set(seen) - {None} == {"DIALOG"}


def test_the_pictures_lie_on_each_other_and_the_slider_divides_them(opened):
    browser = opened()
    buttons(browser)[0].click()
    images = browser.find_elements(By.CSS_SELECTOR, "#compare-stage img")
    assert len(images) == 2
    assert images[0].rect == images[1].rect
    assert images[0].rect["width"] / images[0].rect["height"] == pytest.approx(640 / 480, abs=0.02)
    clip = "return getComputedStyle(document.querySelectorAll('#compare-stage .sheet')[1]).clipPath"
    assert browser.execute_script(clip) == "inset(0px 0px 0px 50%)"
    slider = at(browser, "compare-slider")
    slider.send_keys(Keys.HOME)
    assert browser.execute_script(clip) in ("inset(0px)", "inset(0px 0px 0px 0%)")
    slider.send_keys(Keys.ARROW_RIGHT)
    assert browser.execute_script(clip) == "inset(0px 0px 0px 1%)"
    assert slider.get_attribute("aria-valuetext") == "1% of the first picture, 99% of the second"
    assert slider.accessible_name


def test_what_differs_most_is_outlined_unless_it_shall_not_be(opened):
    browser = opened()
    buttons(browser)[0].click()
    stage, outline = (browser.find_element(By.CSS_SELECTOR, f"#compare-stage{each}").rect for each in ("", " .outline"))
    centre = [
        (outline[at] + outline[side] / 2 - stage[at]) / stage[side] for at, side in (("x", "width"), ("y", "height"))
    ]
    assert centre == pytest.approx([0.2578, 0.5078], abs=0.01)
    assert min(outline["width"], outline["height"]) >= 16
    at(browser, "compare-outline").click()
    assert not browser.find_element(By.CSS_SELECTOR, "#compare-stage .outline").is_displayed()


def test_it_blinks_when_asked_and_no_earlier(opened):
    browser = opened()
    buttons(browser)[0].click()
    blink, stage = at(browser, "compare-blink"), at(browser, "compare-stage")
    assert (blink.get_attribute("aria-pressed"), stage.get_attribute("class")) == ("false", "")
    blink.click()
    assert (blink.get_attribute("aria-pressed"), stage.get_attribute("class")) == ("true", "first-alone")
    shown = [image.is_displayed() for image in browser.find_elements(By.CSS_SELECTOR, "#compare-stage img")]
    assert shown == [True, False]
    browser.execute_async_script("setTimeout(arguments[0], 1700)")
    assert stage.get_attribute("class") == "second-alone"
    assert browser.find_element(By.CSS_SELECTOR, "#compare-sides .seen").text.startswith("Second")
    at(browser, "compare-slider").send_keys(Keys.ARROW_LEFT)
    assert (blink.get_attribute("aria-pressed"), stage.get_attribute("class")) == ("false", "")
    blink.click()
    at(browser, "compare-close").click()
    buttons(browser)[0].click()
    assert blink.get_attribute("aria-pressed") == "false"


def test_a_missing_picture_is_said_to_be_missing(opened):
    browser = opened()
    by_name = {button.accessible_name: button for button in buttons(browser)}
    by_name["Compare g.jpg with gone.jpg"].click()
    assert at(browser, "compare-stage").text == "No picture of gone.jpg: vanished"
    assert focused(browser).get_attribute("id") == "compare-close"
    assert len(browser.find_elements(By.CSS_SELECTOR, "#compare-stage img")) == 1
    assert not at(browser, "compare-slider").is_enabled()
    assert not at(browser, "compare-blink").is_enabled()
    at(browser, "compare-close").click()
    by_name["Compare y.jpg with x.jpg"].click()
    assert at(browser, "compare-stage").text == "No picture of x.jpg: vanished\nNo picture of y.jpg: vanished"


# Links


def link(method, a, b):
    return "#" + urlencode({"compare": method, "a": a, "b": b})


def test_a_link_opens_a_comparison_of_the_page(opened):
    browser = opened(link=link("phash", "set/b.jpg", "set/a.jpg"))
    assert compared(browser) == ["set/a.jpg", "set/b.jpg"]
    assert at(browser, "compare-verdict").text.startswith("Same: largest tile difference 1.9 levels")
    browser.execute_script("location.hash = arguments[0]", link("phash", "e.jpg", "f.jpg"))
    browser.execute_async_script("setTimeout(arguments[0], 50)")
    assert compared(browser) == ["e.jpg", "f.jpg"]


def test_a_click_gives_the_link(opened):
    browser = opened()
    buttons(browser)[0].click()
    assert browser.current_url.endswith(link("phash", "set/a.jpg", "set/b.jpg"))


def test_a_link_to_two_that_are_no_pair_claims_nothing(opened):
    browser = opened(link=link("phash", "set/a.jpg", "f.jpg"))
    assert at(browser, "compare-verdict").text == "No verdict: the page has none on these two"


@pytest.mark.parametrize(
    "wrong", ["#compare", "#compare=phash", link("phash", "set/a.jpg", "nowhere.jpg"), "#%E0%A4%A"]
)
def test_a_link_to_nothing_opens_nothing(opened, wrong):
    browser = opened(link=wrong)
    assert not is_open(browser)
    assert browser.get_log("browser") == []


def test_hostile_names_are_compared_and_do_nothing(opened):
    browser = opened("hostile")
    names = {readable(name) for name in NAMES}
    seen = set()
    for button in buttons(browser):
        browser.execute_script("arguments[0].click()", button)
        seen.add(compared(browser)[0])
        at(browser, "compare-close").click()
    assert len(seen) == len(names)
    browser.get(browser.current_url + link(NAMES[0], NAMES[0], f"copy of {NAMES[0]}"))
    assert browser.execute_script("return window.hacked") is None
    assert browser.get_log("browser") == []


# For everybody


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True), (320, False)])
def test_it_fits_the_screen_and_stands_out_from_it(opened, width, dark):
    browser = opened(width=width, height=700, dark=dark)
    browser.execute_script("document.querySelector('.group button').click()")
    box = at(browser, "compare").rect
    assert box["width"] <= width
    assert box["height"] <= 700
    assert browser.execute_script("const d = document.getElementById('compare'); return d.scrollWidth <= d.clientWidth")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert browser.get_log("browser") == []
    script = "const s = getComputedStyle(document.getElementById('compare')); return [s.color, s.backgroundColor]"
    ink, ground = (sum(map(int, c[4:-1].split(","))) for c in browser.execute_script(script))
    assert (ground < ink) == dark
    assert abs(ground - ink) > 400


def test_everything_in_it_has_a_name(opened):
    browser = opened()
    buttons(browser)[0].click()
    controls = browser.find_elements(By.CSS_SELECTOR, "dialog input, dialog button")
    controls = [control for control in controls if control.is_displayed()]
    assert len(controls) == 6
    assert all(control.accessible_name for control in controls)
    assert at(browser, "compare").accessible_name == "Comparison"
    assert all(image.get_attribute("alt") for image in browser.find_elements(By.TAG_NAME, "img"))
