"""The style of pages: what is light, dark and printed can be read."""

import re
from importlib import resources

import pytest

CSS = (resources.files("lstmcore.experiments.report") / "page.css").read_text(encoding="utf-8")
LIGHT, DARK = (
    dict(re.findall(r"--([\w-]+): (#\w+)", block)) for block in re.findall(r":root \{[^}]*\}", CSS)
)


def luminance(colour):
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[k : k + 2], 16) / 255 for k in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_every_colour_has_a_dark_form():
    assert LIGHT.keys() == DARK.keys()
    assert "prefers-color-scheme: dark" in CSS
    rules = re.sub(r":root \{[^}]*\}", "", CSS)
    assert not re.findall(r"#[0-9a-f]{3}", rules), "a colour that the dark style doesn't know"


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("ground", ["paper", "ours", "code", "note"])
def test_text_stands_out(colours, ground):
    assert contrast(colours["ink"], colours[ground]) >= 7


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_pale_text_can_be_read(colours):
    assert contrast(colours["pale"], colours["paper"]) >= 4.5


def test_plots_that_are_turned_over_have_the_dark_papers_colour():
    inverted = float(re.search(r"filter: invert\(([.\d]+)\)", CSS)[1])
    white = round(255 * (1 - inverted))
    assert abs(int(DARK["paper"][1:3], 16) - white) <= 1


def test_on_paper_wide_tables_are_not_scrolled_and_the_light_style_holds():
    printed = CSS[CSS.index("@media print") :]
    assert ".wide { overflow: visible; }" in printed
    assert "white-space: pre-wrap" in printed
    assert re.search(r"table \{ font-size: (\d+)pt", printed)
    assert "@media screen and (prefers-color-scheme: dark)" in CSS, "dark must not be printed"
