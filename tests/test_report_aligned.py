"""Two pictures that geometry has laid on each other, in a browser: where they lie, and how they differ."""

import io

import chromium
import numpy as np
import pytest
from laid import QUARTER, SIZE, laid_report
from PIL import Image

from dedup_core.report.page import render

selenium = pytest.importorskip("selenium", reason="needs selenium: pip install selenium")
from selenium.webdriver.common.by import By  # noqa: E402 - only where it is installed
from selenium.webdriver.common.keys import Keys  # noqa: E402

CORNERS = """
return [...document.querySelectorAll("#compare-stage img")].map((image) => {
  const matrix = new DOMMatrix(getComputedStyle(image).transform);
  const [width, height] = [image.offsetWidth, image.offsetHeight];
  return [[0, 0], [width, 0], [width, height], [0, height]].map(([x, y]) => {
    const point = matrix.transformPoint(new DOMPoint(x, y));
    return [point.x + image.offsetLeft, point.y + image.offsetTop];
  });
});"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("pages") / "laid.html"
    path.write_text(render(laid_report()), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def opened(browser, page):
    """A function that opens the page and the comparison of a picture with the whole one."""

    def compare(name, width=1280, height=900):
        chromium.set_screen(browser, width, height)
        browser.get_log("browser")
        browser.get("about:blank")
        browser.get(page)
        button = browser.find_element(By.CSS_SELECTOR, f'[aria-label="Compare {name} with whole.png"]')
        browser.execute_script("arguments[0].focus()", button)
        button.send_keys(Keys.ENTER)
        browser.execute_async_script(
            "Promise.all([...document.querySelectorAll('#compare-stage img')].map(i => i.decode())).then(arguments[0])"
        )
        return browser

    return compare


def at(browser, name):
    return browser.find_element(By.ID, f"compare-{name}")


def pixels(browser):
    """The stage as it is drawn: uint8 (height, width, 3)."""
    return np.asarray(Image.open(io.BytesIO(at(browser, "stage").screenshot_as_png)).convert("RGB"))


def brightness(browser, share):
    """How bright a part of the stage is: left, top, right and bottom in shares of it."""
    drawn = pixels(browser)
    (left, right), (top, bottom) = ([round(at * side) for at in ends] for ends, side in
                                    ((share[::2], drawn.shape[1]), (share[1::2], drawn.shape[0])))  # fmt: skip
    return drawn[top:bottom, left:right].mean()


def on_first(corners):
    """Corners on the screen, in pixels of the first picture's file."""
    whole, other = (np.array(each) for each in corners)
    scale = (whole[1, 0] - whole[0, 0]) / SIZE[0]
    return (other - whole[0]) / scale


def test_a_turned_crop_lies_where_it_was_cut_out(opened):
    browser = opened("quarter.png")
    corners = browser.execute_script(CORNERS)
    # The first corner of what was turned left is the upper right one of the crop.
    assert np.allclose(on_first(corners), [(480, 60), (480, 340), (120, 340), (120, 60)], atol=2)
    a, b, x, c, d, y = QUARTER
    there = [(a * h + b * v + x, c * h + d * v + y) for h, v in on_first(corners)]
    assert np.allclose(there, [(0, 0), (280, 0), (280, 360), (0, 360)], atol=2)
    outline = browser.find_element(By.CSS_SELECTOR, ".overlap polygon").get_attribute("points")
    points = np.array([point.split(",") for point in outline.split()], float)
    assert np.allclose(sorted(map(tuple, points)), sorted([(20, 15), (80, 15), (80, 85), (20, 85)]), atol=0.01)
    assert browser.get_log("browser") == []


@pytest.mark.parametrize(
    ("name", "inside"),
    [
        ("quarter.png", (0.22, 0.17, 0.78, 0.83)),
        ("oblique.png", (0.4, 0.35, 0.6, 0.65)),
        ("framed.png", (0.15, 0.2, 0.85, 0.8)),
        ("mirrored.png", (0.05, 0.12, 0.95, 0.88)),
        ("part.png", (0.31, 0.05, 0.69, 0.95)),
    ],
)
def test_the_difference_is_dark_where_the_transform_is_right(opened, name, inside):
    browser = opened(name)
    assert brightness(browser, inside) > 80
    at(browser, "differ").click()
    assert brightness(browser, inside) < 25


def test_a_wrong_transform_would_be_seen(opened):
    browser = opened("quarter.png")
    at(browser, "differ").click()
    browser.execute_script("document.querySelectorAll('#compare-stage img')[1].style.transform += ' scale(-1, 1)'")
    assert brightness(browser, (0.22, 0.17, 0.78, 0.83)) > 60


def test_an_overlay_alone_is_bright(opened):
    browser = opened("stamped.png")
    at(browser, "differ").click()
    assert brightness(browser, (0.66, 0.78, 0.94, 0.9)) > 150
    assert brightness(browser, (0.05, 0.05, 0.6, 0.7)) < 25


def test_the_slider_divides_what_is_laid(opened):
    browser = opened("framed.png")
    middle = pixels(browser).shape[0] // 2
    left, right = (pixels(browser)[middle, column] for column in (8, -8))
    assert left.min() > 200, "the first picture has nothing where the frame is"
    assert right.tolist() == pytest.approx([70, 40, 20], abs=8)


def test_all_is_reached_by_keyboard_and_says_what_it_is(opened):
    browser = opened("quarter.png")
    assert at(browser, "verdict").text.startswith(
        "Similar: the second is a crop of the first, turned left by 90 degrees"
    )
    assert at(browser, "verdict").text.endswith("(orb: 212 inliers)")
    assert at(browser, "numbers").text == (
        "212 inliers · all of the second lies on the first and covers 42% of it · 99% alike"
    )
    names = []
    for key in (Keys.TAB, Keys.TAB, Keys.ENTER, Keys.TAB, Keys.SPACE):
        browser.switch_to.active_element.send_keys(key)
        names.append(browser.switch_to.active_element.accessible_name)
    controls = browser.find_elements(By.CSS_SELECTOR, "dialog input, dialog button")
    assert sum(bool(control.accessible_name) for control in controls if control.is_displayed()) == 6
    assert names == ["Blink", "Difference", "Difference", "Outline the overlap", "Outline the overlap"]
    assert at(browser, "differ").get_attribute("aria-pressed") == "true"
    assert at(browser, "differ-note").is_displayed()
    assert not at(browser, "slider").is_enabled()
    assert not browser.find_element(By.CSS_SELECTOR, ".overlap").is_displayed()
    at(browser, "blink").click()
    assert at(browser, "differ").get_attribute("aria-pressed") == "false"
    assert at(browser, "stage").get_attribute("class") == "first-alone"
    assert at(browser, "slider").is_enabled()


def test_a_member_is_told_what_it_is_of_the_other_one(opened):
    browser = opened("framed.png")
    at(browser, "close").click()
    cards = {card.find_element(By.CLASS_NAME, "name").text: card.text.split("\n")
             for card in browser.find_elements(By.CSS_SELECTOR, ".group .images > li")}  # fmt: skip
    assert "This has a frame around the other" in cards["framed.png"]
    assert "301 inliers · all of the other lies on this and covers 50% of it · 100% alike" in cards["framed.png"]
    assert "301 to 88 inliers" in browser.find_element(By.CSS_SELECTOR, ".group h3").text
    levels = [level.text for level in browser.find_elements(By.CSS_SELECTOR, "#pair-list summary")]
    assert levels[0].startswith("212 inliers")
    words = browser.find_element(By.CSS_SELECTOR, "#pair-list .verdict > div").text.split("\n")
    assert words[:2] == ["similar", "The second is a crop of the first, turned left by 90 degrees"]


@pytest.mark.parametrize("name", ["quarter.png", "oblique.png", "framed.png", "part.png"])
@pytest.mark.parametrize("width", [390, 320])
def test_it_fits_a_phone(opened, name, width):
    browser = opened(name, width, 800)
    box, stage = (each.rect for each in (browser.find_element(By.ID, "compare"), at(browser, "stage")))
    assert box["width"] <= width
    assert stage["x"] >= box["x"]
    assert stage["x"] + stage["width"] <= box["x"] + box["width"]
    assert browser.execute_script("const d = document.getElementById('compare'); return d.scrollWidth <= d.clientWidth")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert browser.get_log("browser") == []
