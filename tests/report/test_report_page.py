"""The page as a browser's parser sees it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from alliance_bayes.effects import EffectTable
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import card_text
from alliance_bayes.report import Rendered
from alliance_bayes.report.estimates import Estimates

VOID = {"meta", "link", "img", "br", "hr", "input"}
HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")


@dataclass
class Node:
    tag: str
    attributes: dict[str, str]
    children: list[Node | str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(child if isinstance(child, str) else child.text for child in self.children)

    def all(self, *tags: str) -> list[Node]:
        found: list[Node] = []
        for child in self.children:
            if isinstance(child, Node):
                found += [child] if not tags or child.tag in tags else []
                found += child.all(*tags)
        return found

    def by_id(self, identity: str) -> Node:
        (found,) = (node for node in self.all() if node.attributes.get("id") == identity)
        return found


class Builder(HTMLParser):
    """Builds a tree and refuses tags that are not closed in order."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Node("root", {})
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(node)
        if tag not in VOID:
            self.open.append(node)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].children.append(Node(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def parsed(html: str) -> Node:
    builder = Builder()
    builder.feed(html)
    builder.close()
    assert builder.open == [builder.root], f"not closed: {[node.tag for node in builder.open[1:]]}"
    return builder.root


@pytest.fixture(scope="module")
def page(report: Rendered) -> Node:
    return parsed(report.html)


def cells(table: Node) -> list[list[str]]:
    return [[cell.text for cell in row.all("th", "td")] for row in table.all("tr")]


def test_the_page_has_a_language_one_main_and_headings_in_order(page: Node, report: Rendered) -> None:
    (html,) = page.all("html")
    assert html.attributes == {"lang": "en"}
    assert report.html.startswith("<!doctype html>\n")
    assert [len(page.all(tag)) for tag in ("head", "h1", "nav", "main", "header", "footer")] == [1] * 6
    (title,) = page.all("head")[0].all("title")
    assert title.text == report.title == page.all("h1")[0].text == "Alliance and follow-up WHO-5"
    levels = [int(node.tag[1]) for node in page.all(*HEADINGS)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    headings = [node.text for node in page.all("main")[0].all("h2")]
    assert headings == [link.text for link in page.all("nav")[0].all("a")]
    assert headings[0] == "Key findings"
    numbers, titles = zip(*(heading.split(" ", 1) for heading in headings[1:]), strict=True)
    assert numbers == tuple(map(str, range(1, len(headings))))
    expected = ("Who was studied", "Model and priors", "Whether to trust it", "Effect sizes", "Group differences")
    assert [title for title in titles if title in expected] == list(expected)
    assert titles[-1] == "Reproduction details"


def test_ids_are_unique_and_every_link_and_reference_finds_its_target(page: Node) -> None:
    ids = [node.attributes["id"] for node in page.all() if "id" in node.attributes]
    assert len(set(ids)) == len(ids)
    targets = [node.attributes["href"] for node in page.all("a")]
    assert {target for target in targets if not target.startswith("#")} == set()
    assert {target[1:] for target in targets} <= set(ids)
    for name in ("aria-labelledby", "aria-describedby"):
        for node in page.all():
            assert set(node.attributes.get(name, "").split()) <= set(ids)
    contents = [link.attributes["href"] for link in page.all("nav")[0].all("a")]
    assert contents == [f"#{node.attributes['id']}" for node in page.all("main")[0].all("section")]


def test_nothing_is_loaded_from_anywhere(page: Node, report: Rendered) -> None:
    for node in page.all():
        for name in ("src", "href", "srcset", "action", "data", "poster", "background", "xlink:href"):
            value = node.attributes.get(name, "#")
            assert value.startswith(("#", "data:")), (node.tag, name, value)
        assert "style" not in node.attributes
        assert not [name for name in node.attributes if name.startswith("on")]
    assert page.all("iframe", "object", "embed", "form", "base", "video", "audio") == []
    assert [node.attributes for node in page.all("link")] == [{"rel": "icon", "href": "data:,"}]
    assert re.findall(r"url\((?!#)", report.html) == []
    assert "@import" not in report.html


def sha256(element: Node) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(element.text.encode()).digest()).decode()}'"


def test_the_content_policy_allows_this_style_sheet_this_script_and_pictures_inside_the_page_only(page: Node) -> None:
    (policy,) = (
        node.attributes["content"]
        for node in page.all("meta")
        if node.attributes.get("http-equiv") == "Content-Security-Policy"
    )
    (style,) = page.all("style")
    data, script = page.all("script")
    assert data.attributes == {"type": "application/json", "id": "manifest"}
    assert json.loads(data.text)["kind"] in ("report", "study")
    assert script.attributes == {}
    assert (
        policy == f"default-src 'none'; style-src {sha256(style)}; script-src {sha256(script)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def test_the_script_does_not_end_itself_and_reaches_for_nothing(page: Node) -> None:
    _, script = page.all("script")
    assert "</" not in script.text
    assert "<!--" not in script.text
    assert re.findall(r"fetch|XMLHttp|WebSocket|import\b|eval|innerHTML|https?:|localStorage", script.text) == []


def test_every_picture_has_words_and_every_table_a_name_and_headings(page: Node) -> None:
    pictures = page.all("svg")
    assert len(pictures) >= 8  # curve, density, priors, two a factor, variance, the check's own
    for picture in pictures:
        assert picture.attributes["role"] == "img"
        title, description = picture.all("title", "desc")
        assert title.text
        assert len(description.text) > 20
    for figure in page.all("figure"):
        assert figure.all("figcaption")[0].text
    for table in page.all("table"):
        assert page.by_id(table.attributes["aria-labelledby"]).text
        head, *body = table.all("tr")
        assert {cell.attributes.get("scope") for cell in head.all("th")} == {"col"}
        for row in body:
            assert row.all("th")[0].attributes["scope"] == "row"
            assert len(row.all("th", "td")) == len(head.all("th"))
    for region in (node for node in page.all() if node.attributes.get("role") == "region"):
        assert region.attributes["tabindex"] == "0"
        assert region.attributes.get("aria-label") or region.attributes.get("aria-labelledby")


def test_the_numbers_of_the_slope_table_are_those_of_the_effects(
    page: Node, table: EffectTable, fit: FittedModel
) -> None:
    head, *body = cells(page.by_id("table-slopes"))
    estimates = Estimates.of(fit, table)

    assert head == [
        "Association",
        "Mean",
        "89% equal-tailed interval",
        "Probability of direction",
        "Probability in ROPE",
        "Probability of 10 or more, up or down",
        "Unit; denominator",
    ]
    first = table.loc[table["estimand"] == "slope"].iloc[0]
    places = estimates.places(first)
    assert places == 2  # SD 0.1 in 600 independent draws: error 0.004
    assert body[0] == [
        "Per alliance point",
        f"{first['mean']:.2f}",
        f"({first['lower']:.2f} to {first['upper']:.2f})",
        "> 99% above 0",
        # A point of the scale carries no verdict.
        "–",
        "–",
        "WHO-5 point per alliance point; 1 alliance point",
    ]
    contrast = table.loc[table["estimand"] == "slope_p10_p90"].iloc[0]
    assert contrast["p_rope"] < 0.01
    assert body[3][4:6] == ["< 1%", "< 1%"]
    assert [row[0] for row in body] == [
        "Per alliance point",
        "Per alliance point, over the levels in the data",
        "Per SD of alliance",
        "From the 10th to the 90th percentile of alliance",
        "Standardised slope",
        "Partial correlation",
        "ΔR²: share of the variance that goes with the average slope of alliance",
        "Alliance points that go with 10 WHO-5 points (median)",
    ]


def shown(value: float) -> str:
    return f"{value:.2f}".replace("-", "\N{MINUS SIGN}").replace("\N{MINUS SIGN}0.00", "0.00")


def test_the_numbers_of_the_group_tables_are_those_of_the_effects(
    page: Node, table: EffectTable, fit: FittedModel
) -> None:
    head, *body = cells(page.by_id("table-levels-2"))
    assert head[:4] == ["Level", "People", "Adjusted mean", "89% equal-tailed interval"]
    counts = fit.design.frame["sex"].value_counts()
    means = table[(table["estimand"] == "mean") & (table["factor"] == "sex")]
    expected = [
        [
            row["level"],
            str(counts[row["level"]]),
            shown(row["mean"]),
            f"({shown(row['lower'])} to {shown(row['upper'])})",
        ]
        for _, row in means.iterrows()
    ]
    assert [row[:4] for row in body] == expected

    (pair,) = cells(page.by_id("table-mean-pairs-2"))[1:]
    row = table[(table["estimand"] == "contrast_of_means") & (table["factor"] == "sex")].iloc[0]
    size = table[(table["estimand"] == "cohens_d_of_means") & (table["factor"] == "sex")].iloc[0]
    assert pair[:3] == [
        "male \N{MINUS SIGN} female",
        shown(row["mean"]),
        f"({shown(row['lower'])} to {shown(row['upper'])})",
    ]
    assert row["mean"] == pytest.approx(-4.0, abs=0.04)  # planted; 0.04 is 7 Monte Carlo errors of 0.14 / sqrt(600)
    assert pair[-2] == f"{size['mean']:.3f}".replace("-", "\N{MINUS SIGN}")


def test_every_interval_names_its_kind_and_probability(page: Node) -> None:
    for table in page.all("table"):
        head, *body = cells(table)
        for row in body:
            for heading, cell in zip(head, row, strict=True):
                if re.fullmatch(r"\([\N{MINUS SIGN}0-9.,%]+ to [\N{MINUS SIGN}0-9.,%∞]+\)", cell):
                    assert heading == "89% equal-tailed interval"


def test_warnings_stand_beside_the_findings_they_touch(page: Node) -> None:
    findings = page.by_id("findings")
    (caution,) = (node for node in findings.all("span") if node.attributes.get("class") == "caution")
    assert caution.text == "! warn Residuals along numeric predictors: Bent by 271.828."
    assert [link.attributes["href"] for link in caution.all("a")] == ["#check-3"]
    assert "Read with ! warn Residuals along numeric predictors." in page.by_id("effects").text
    assert "Read with" not in page.by_id("groups").text


def test_checks_show_verdict_sentence_table_and_figure(page: Node) -> None:
    strip = [node.text.split() for node in page.by_id("checks").all("ul")[0].all("li")]
    assert [words[1] for words in strip] == ["pass", "info", "warn"]
    article = page.by_id("check-1")
    assert article.all("h3")[0].text == "Convergence of the sampler ✓ pass"
    assert article.all("p")[0].text == "The chains agree."
    assert cells(page.by_id("check-1-table")) == [
        ["Criterion", "Value", "Verdict"],
        ["R-hat, largest", "1.003", "pass"],
        ["divergences", "0", "pass"],
    ]
    # Wider than a phone, it is drawn for that, too.
    assert len(article.all("figure")) == 1
    assert len(article.all("svg")) == 2
    assert "Limits \N{MINUS SIGN}10 to 10; 5% beyond." in page.by_id("check-2").text
    assert "open" in page.by_id("check-3").all("details")[0].attributes


def test_the_model_is_written_out(page: Node, fit: FittedModel) -> None:
    model = page.by_id("model").text
    centre = fit.design.centres["alliance"]
    assert "who5_followup ~ Normal(η, σ)" in model
    assert f"β[alliance] · (alliance \N{MINUS SIGN} {centre:.5g})" in model
    assert "u[country] ~ Normal(0, τ[country]) for each of 4 levels" in model
    assert "u[sex] ~ Normal(0, τ[sex]) for each of 2 levels, summing to zero over the levels" in model
    rows = cells(page.by_id("table-priors"))[1:]
    assert [row[0] for row in rows] == list(fit.priors)
    assert rows[1][:3] == ["alliance", "difference in follow-up WHO-5 per alliance point", "Normal(4.071, 2.714)"]
    reasons = "\n".join(stated.reason for stated in fit.priors.values())
    for quoted, spoken in (("'who5_followup'", "follow-up WHO-5"), ("'provider_type'", "provider type")):
        reasons = reasons.replace(quoted, spoken)
    assert [row[3] for row in rows] == reasons.replace("+/- ", "\N{PLUS-MINUS SIGN}").split("\n")


def test_what_is_needed_to_rerun_is_there(page: Node, fit: FittedModel) -> None:
    section = page.by_id("reproduction")
    command, verify, card = (node.text for node in section.all("pre"))
    assert command == "alliance-bayes report model.toml cohort.csv -o report.html --seed 0 --prob 0.89"
    assert verify == "alliance-bayes verify report.html cohort.csv"
    assert card == card_text(fit.spec)
    settings = dict(row for row in cells(page.by_id("table-settings"))[1:])
    assert settings["Data"] == "built"
    assert not any("0" * 64 in value for value in settings.values())
