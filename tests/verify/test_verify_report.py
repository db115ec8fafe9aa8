"""A page is verified by its manifest, the data and a refit; any change of one of them is found."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import alliance_bayes as ab
from alliance_bayes.effects import EffectTable
from alliance_bayes.report import Rendered
from alliance_bayes.report.page import EMPTY, GIVEN, MIXING, NUMBERS, embed, read_manifest
from alliance_bayes.verify import verification
from alliance_bayes.verify.again import Again, make_again
from builders import rows

# Pages are made once for all of them, and again to be verified.
pytestmark = pytest.mark.slow

FORMULA = "who5_followup ~ alliance + who5_baseline + (alliance || provider_type) + (1 || sex)"
MANIFEST = re.compile(r'<script type="application/json" id="manifest">.*?</script>', re.DOTALL)

# Countries of the table by size; ties in their declared order.
LARGEST = (3, 4, 0, 1, 2)


def table() -> pd.DataFrame:
    return rows(160, seed=3).assign(participant_id=[f"p{k}" for k in range(160)])


@pytest.fixture(scope="module")
def fit() -> ab.Fit:
    return ab.Model(FORMULA).fit(table(), seed=11, draws=400, progress=False)


def page_of(fit: ab.Fit, *sections: Any, effects: Any = None, key: Path | None = None) -> str:
    """A page with the one check that decides, and without figures that nobody looks at here."""
    table = fit.effects() if effects is None else effects
    checks = fit.check(effects=table, checks=["convergence"])
    return fit.report(effects=table, checks=checks, sections=list(sections), key=key).html


@pytest.fixture(scope="module")
def html(fit: ab.Fit) -> str:
    return page_of(fit, "effects", "reproduction")


@pytest.fixture(scope="module")
def refit(html: str) -> Again:
    """What every verification of the page would make again."""
    manifest = read_manifest(html, name="page")
    return make_again(manifest, ab.read_cohort(table()), tell=lambda line: None, name="page")


@pytest.fixture
def verify(tmp_path: Path) -> Callable[..., ab.Verification]:
    def call(page: str, data: Any = None, *sections: Any) -> ab.Verification:
        path = tmp_path / "page.html"
        path.write_text(page, encoding="utf-8")
        return ab.verify_report(path, ab.read_cohort(table()) if data is None else data, sections=sections)

    return call


def resealed(html: str, manifest: dict[str, Any]) -> str:
    """What a careful forger makes: a changed manifest with fingerprints that fit."""
    bare = {key: value for key, value in manifest.items() if key not in ("page", "digest")}
    return embed(MANIFEST.sub(EMPTY, html), bare)


def test_an_untouched_page_passes_and_every_figure_is_the_same(
    html: str, verify: Callable[..., ab.Verification]
) -> None:
    found = verify(html)
    assert found.problems == ()
    assert found.passed
    manifest = read_manifest(html, name="page")
    named = [manifest["columns"].index(name) for name in (*NUMBERS, *GIVEN)]
    assert len(found.figures) == sum(row[place] is not None for row in manifest["rows"] for place in named)
    assert found.table["error"].isna().all()
    assert found.summary()["differ"].sum() == 0
    assert found.summary()["compared"].sum() == len(found.figures)


def test_end_points_are_verified_too(fit: ab.Fit, verify: Callable[..., ab.Verification]) -> None:
    page = page_of(fit, "endpoints")
    found = verify(page)
    assert found.problems == ()
    assert "endpoints/" in "".join(found.table["row"])
    manifest = read_manifest(page, name="page")
    (line,) = (
        row for row in manifest["rows"] if row[0].startswith("endpoints/share_improved") and "among" not in row[0]
    )
    line[1] -= 0.2
    assert [figure.row for figure in verify(resealed(page, manifest)).figures if not figure.agree] == [line[0]]


def test_an_unmeasured_cause_and_overlap_are_verified_too(fit: ab.Fit, verify: Callable[..., ab.Verification]) -> None:
    page = page_of(fit, "overlap", "confounding", "limitations")
    found = verify(page)
    assert found.problems == ()
    assert "confounding/robustness_value/alliance/sample" in set(found.table["row"])
    manifest = read_manifest(page, name="page")
    (line,) = (row for row in manifest["rows"] if row[0].startswith("confounding/contrast_as_strong/alliance/sex"))
    line[1] += line[2]
    assert [figure.row for figure in verify(resealed(page, manifest)).figures if not figure.agree] == [line[0]]
    # The one number among the limitations, and a difference between groups, are of no row but of the page.
    for pattern in (r"(explain at least )\d+(% of what remains)", r"(differ most in [^:]*: by 0\.)\d(\d SD)"):
        changed, times = re.subn(pattern, r"\g<1>9\2", page)
        assert times == 1
        assert not verify(changed).passed


PRIORS = ("as fitted", "weak", "literature", "sceptical", "enthusiastic", "all scales halved", "all scales doubled")


def test_refits_under_other_priors_and_without_people_are_verified_too(verify: Callable[..., ab.Verification]) -> None:
    formula = "who5_followup ~ alliance + who5_baseline + (1 | country)"
    fit = ab.Model(formula).fit(table(), seed=11, draws=400, progress=False)
    effects = fit.effects()
    checks = fit.check(effects=effects, checks=["convergence", "prior_sensitivity", "influence"])
    page = fit.report(effects=effects, checks=checks, sections=["sensitivity"]).html
    manifest = read_manifest(page, name="page")
    shown = [row[0] for row in manifest["rows"] if row[0].startswith("sensitivity/")]
    assert [name.removeprefix("sensitivity/") for name in shown] == [
        f"{check}/slope/{label}"
        for check, labels in (
            ("prior_sensitivity", PRIORS),
            ("influence", ("as fitted", *(f"without country C{k}" for k in LARGEST))),
        )
        for label in labels
    ]
    assert verify(page).problems == ()
    lines = [row for row in manifest["rows"] if row[0].endswith(("slope/sceptical", f"without country C{LARGEST[0]}"))]
    assert len(lines) == 2
    for line in lines:
        line[1] += line[2]
    assert [(figure.row, figure.name) for figure in verify(resealed(page, manifest)).figures if not figure.agree] == [
        (line[0], "mean") for line in lines
    ]


def test_lines_that_end_as_on_windows_are_the_same_page(html: str, verify: Callable[..., ab.Verification]) -> None:
    assert verify(html.replace("\n", "\r\n")).passed


def between_sexes(fit: Any) -> EffectTable:
    found: EffectTable = fit.contrasts("sex")
    return found


def sexes(view: ab.View) -> ab.Section:
    """A section of the analyst's own, with words and a table that follow from its estimates."""
    found = between_sexes(view.fit)
    estimates = view.estimated("sexes", found)
    shown = view.effect_table(estimates, name="own", caption="Sexes", label=lambda row: row["estimand"])
    words = f"The difference is {estimates.mean(estimates.table.iloc[0])}."
    return ab.Section.of("sexes", "Sexes", words, shown, rows=found, remake=between_sexes)


def drawn_elsewhere(seed: int, *sections: Any, **versions: str) -> str:
    """A page as another machine makes it: it states the same seed, and has other draws."""
    fit = ab.Model(FORMULA).fit(table(), seed=seed, draws=400, progress=False)
    stated = {**fit.info["versions"], **versions}
    return page_of(replace(fit, info={**fit.info, "seed": 11, "versions": stated}), *sections)


def test_other_draws_of_the_collapsed_engine_are_a_problem_with_the_same_versions(
    monkeypatch: pytest.MonkeyPatch, verify: Callable[..., ab.Verification]
) -> None:
    fits = []

    def again(*arguments: Any, other: int = 0, **options: Any) -> Again:
        fits.append(other)
        return make_again(*arguments, other=other, **options)

    monkeypatch.setattr(verification, "make_again", again)
    found = verify(drawn_elsewhere(12, "reproduction"))
    assert all(figure.agree for figure in found.figures)
    (problem,) = (line for line in found.problems if not re.match(r".+: (rhat|ess_\w+|mcse_mean) is ", line))
    assert problem.startswith("The page's draws are not those of its seed: ")
    assert fits == [0]


def test_other_draws_agree_within_their_error_and_are_not_the_same(
    monkeypatch: pytest.MonkeyPatch, verify: Callable[..., ab.Verification]
) -> None:
    monkeypatch.setattr(verification, "make_again", _kept_again)
    found = verify(elsewhere(), None, sexes)
    assert found.problems == ()
    assert {figure.row for figure in found.figures if figure.row.startswith("sexes/") and figure.errors > 0}
    counts = found.summary().set_index("figure")
    # Differences of slopes between the sexes are zero in this model, in every draw: nothing moves them.
    assert counts.loc["mean", "within_error"] == counts.loc["mean", "compared"] - 2
    assert 1 < counts.loc["mean", "largest"] < 5
    assert "from draws other than the page's: the largest difference is " in found.notes[1]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (r"almost certainly", "perhaps"),
        (r"(equal-tailed interval )(\d)", r"\g<1>1\2"),
        (r"What must not be concluded", "What must be concluded"),
        (r"<td>(\d)", r"<td>1\1"),
        (r"</style>", "p { display: none }</style>"),
        (r"<tr><th scope=\"row\".*?</tr>", ""),
        (r"<footer>", "<p>All is well.</p><footer>"),
        (r"The difference is (\S)", r"The difference is 9\1"),
    ],
)
def test_what_is_changed_of_a_page_with_other_draws_is_found(
    old: str, new: str, monkeypatch: pytest.MonkeyPatch, verify: Callable[..., ab.Verification]
) -> None:
    page = elsewhere()
    changed = re.sub(old, new, page, count=1)
    assert changed != page
    made: dict[int, Again] = _made_again
    monkeypatch.setattr(verification, "make_again", _kept_again)
    problems = verify(resealed(changed, read_manifest(changed, name="page")), None, sexes).problems
    assert len(made) == 1 + verification.OTHERS
    assert problems
    assert not any("fingerprint" in problem for problem in problems)


@cache
def elsewhere() -> str:
    return drawn_elsewhere(12, "effects", "endpoints", sexes, "reproduction", numpy="2.0.0")


_made_again: dict[int, Again] = {}


def _kept_again(*arguments: Any, other: int = 0, **options: Any) -> Again:
    """The refits of the page, and what they write, are the same for all that is changed of its words."""
    if other not in _made_again:
        again, pages = make_again(*arguments, other=other, **options), {}

        def write(told: Any) -> Rendered:
            key = json.dumps(told, sort_keys=True)
            if key not in pages:
                pages[key] = again.write(told)
            return pages[key]

        _made_again[other] = replace(again, write=write)
    return _made_again[other]


def test_a_changed_seed_breaks_the_seal(html: str, verify: Callable[..., ab.Verification]) -> None:
    changed = html.replace('"seed":11', '"seed":12')
    assert changed != html
    seal, draws = verify(changed).problems
    assert seal == "The manifest was changed after the page was made: its fingerprint is another one."
    assert draws.startswith("The page's draws are not those of its seed: ")


def test_a_changed_number_of_the_page_is_found(html: str, fit: ab.Fit, verify: Callable[..., ab.Verification]) -> None:
    body = MANIFEST.sub("", html)
    mean = f"{pd.DataFrame(fit.effects()).loc['slope/alliance/sample', 'mean']:.1f}".replace("-", "\N{MINUS SIGN}")
    assert mean in body
    changed = html.replace(f"{mean}", "9.9", 1)
    assert changed != html
    problems = verify(changed).problems
    assert problems[0] == "The page was changed after it was made: its fingerprint is not the one in its manifest."
    assert "9.9" in problems[1]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(data=st.data())
def test_any_changed_number_is_found_however_well_it_is_sealed(
    html: str, refit: Again, verify: Callable[..., ab.Verification], data: st.DataObject
) -> None:
    manifest = read_manifest(html, name="page")
    places = [
        (line, column)
        for line, row in enumerate(manifest["rows"])
        for column, value in enumerate(row)
        if isinstance(value, float) and manifest["columns"][column] not in MIXING
    ]
    line, column = data.draw(st.sampled_from(places))
    row = manifest["rows"][line]
    sd = row[manifest["columns"].index("sd")] or 1.0
    row[column] += data.draw(st.sampled_from([-1, 1])) * (1.0 if manifest["columns"][column].startswith("p_") else sd)
    with pytest.MonkeyPatch.context() as patch:
        # No number that is changed is one that the page is fitted by.
        patch.setattr(verification, "make_again", lambda *arguments, **options: refit)
        found = verify(resealed(html, manifest))
    wrong = [(figure.row, figure.name) for figure in found.figures if not figure.agree]
    assert wrong == [(row[0], manifest["columns"][column])]
    assert len(found.problems) == 1
    assert found.problems[0].startswith(f"{row[0]}: {manifest['columns'][column]} is ")


def test_an_invented_row_is_found(html: str, verify: Callable[..., ab.Verification]) -> None:
    manifest = read_manifest(html, name="page")
    manifest["rows"].append(["slope/courage/sample", *manifest["rows"][0][1:]])
    assert verify(resealed(html, manifest)).problems == ("slope/courage/sample: the refit has no such row.",)


def test_another_card_is_found_by_its_numbers(html: str, verify: Callable[..., ab.Verification]) -> None:
    manifest = read_manifest(html, name="page")
    assert "who5_baseline" in manifest["card"]
    manifest["card"] = manifest["card"].replace(" + who5_baseline", "")
    found = verify(resealed(html, manifest))
    assert not found.passed
    assert {"mean", "sd"} & {figure.name for figure in found.figures if not figure.agree}


def changed_cell(frame: pd.DataFrame) -> pd.DataFrame:
    out = frame.copy()
    out.loc[17, "alliance"] = 5.0 if out.loc[17, "alliance"] < 5 else 4.75
    return out


@pytest.fixture(scope="module")
def keyed(fit: ab.Fit, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A page with a digest of its data, and the key of it."""
    key = tmp_path_factory.mktemp("keyed") / "page.key"
    return page_of(fit, "reproduction", key=key), key.read_text(encoding="ascii")


def test_by_the_key_the_same_data_are_known(
    keyed: tuple[str, str], verify: Callable[..., ab.Verification], tmp_path: Path
) -> None:
    html, key = keyed
    (tmp_path / "page.key").write_text(key, encoding="ascii")
    assert verify(html).notes[0] == "The data are the same, to the last digit."


@pytest.mark.parametrize(
    "change",
    [
        changed_cell,
        lambda frame: frame.drop(index=[40]),
        lambda frame: frame.iloc[::-1],
        lambda frame: frame.drop(columns=["n_sessions"]),
        lambda frame: frame.assign(bond=frame["alliance"]),
    ],
)
def test_it_says_that_data_differ_and_fits_nothing(
    keyed: tuple[str, str],
    verify: Callable[..., ab.Verification],
    tmp_path: Path,
    change: Callable[[pd.DataFrame], pd.DataFrame],
) -> None:
    html, key = keyed
    (tmp_path / "page.key").write_text(key, encoding="ascii")
    found = verify(html, ab.read_cohort(change(table())))
    assert found.problems == (
        "The data are not those the page was made of, or the key is another page's: the digest differs.",
        "Nothing was fitted, since other data give other numbers.",
    )
    assert found.figures == ()


def test_without_the_key_other_data_show_in_the_numbers(
    fit: ab.Fit, verify: Callable[..., ab.Verification], tmp_path: Path
) -> None:
    html = page_of(fit, "reproduction", key=tmp_path / "elsewhere.key")
    other = table().assign(alliance=table()["alliance"].to_numpy()[::-1])
    same, changed = verify(html), verify(html, ab.read_cohort(other))
    said = "The page's key is not here (a file .key beside the page, or --key)"
    assert same.passed
    assert all(found.notes[0].startswith(said) for found in (same, changed))
    assert any(not figure.agree for figure in changed.figures)


def test_a_digest_needs_its_key_and_no_other_says_anything_of_the_data(fit: ab.Fit, tmp_path: Path) -> None:
    pages = [page_of(fit, "data", "reproduction", key=tmp_path / f"{name}.key") for name in "aab"]
    assert pages[0] == pages[1]
    manifests = [read_manifest(page, name="page") for page in pages]
    assert manifests[0]["data"]["digest"] != manifests[2]["data"]["digest"]
    # What else has the length of a digest is of the page itself, or of its style and script.
    for manifest in manifests:
        manifest["data"].pop("digest"), manifest.pop("page"), manifest.pop("digest")
    assert manifests[0] == manifests[2]
    key = (tmp_path / "a.key").read_text(encoding="ascii").strip()
    cohort = ab.read_cohort(table())
    for text in (json.dumps(manifests), re.sub(r"<(script|style).*?</\1>", "", pages[0], flags=re.DOTALL)):
        assert not re.search(
            r"(?<![0-9a-f])(?=(?:[0-9]*[a-f]){2})[0-9a-f]{8,}(?![0-9a-f])", re.sub(r"sha256-\S+", "", text)
        )
        assert not any(word in text for word in (key, cohort.hash))


@pytest.mark.parametrize("held", ["", "0" * 63, "g" * 64, "0" * 64 + "\n\n", "é" * 64, "0" * 5000])
def test_a_file_that_is_no_key_is_refused_and_kept(fit: ab.Fit, tmp_path: Path, held: str) -> None:
    key = tmp_path / "notes.key"
    key.write_text(held, encoding="utf-8", newline="")
    with pytest.raises(ab.FileFormatError, match=r"notes\.key"):
        page_of(fit, "reproduction", key=key)
    assert key.read_text(encoding="utf-8") == held


def test_other_options_of_the_effects_are_made_again(fit: ab.Fit, verify: Callable[..., ab.Verification]) -> None:
    effects = fit.effects(prob=0.5, interval="hdi", population="equal", rope=(-1.0, 1.0), relevant=4.0)
    found = verify(page_of(fit, "reproduction", effects=effects))
    assert found.problems == ()
    assert len(found.figures) > 100


def test_a_page_of_moments_is_verified_by_the_moments(verify: Callable[..., ab.Verification]) -> None:
    model = ab.Model(FORMULA)
    from alliance_bayes.moments import moments_of

    cohort = ab.read_cohort(table())
    moments = moments_of(model.design(cohort.complete(model.columns)[0]), spec=model)
    page = page_of(model.fit(moments, seed=1, draws=400, progress=False), "reproduction")
    assert verify(page, moments).passed
    with pytest.raises(ab.UsageError, match=r"made of moments\. Give the file of moments \(\.nc\), not a table\."):
        verify(page)


def test_withheld_conclusions_are_told(verify: Callable[..., ab.Verification]) -> None:
    """Ten draws a chain pass no convergence check, then as now."""
    fit = ab.Model(FORMULA).fit(table(), seed=11, draws=10, progress=False)
    found = verify(page_of(fit, "reproduction"))
    assert found.passed
    assert found.notes[1] == "The page withholds its conclusions, so it has no estimate to compare."


def test_a_page_that_hides_that_its_gate_was_closed_is_found(verify: Callable[..., ab.Verification]) -> None:
    fit = ab.Model(FORMULA).fit(table(), seed=11, draws=10, progress=False)
    html = page_of(fit, "reproduction")
    manifest = read_manifest(html, name="page")
    manifest["withheld"] = False
    assert verify(resealed(html, manifest)).problems == ("Manifest /withheld: False, but True by the refit.",)
    manifest["rows"] = []
    assert "Conclusions are not withheld in the page, but withheld by the refit." in (
        verify(resealed(html, manifest)).problems
    )


def test_a_table_put_together_by_hand_cannot_be_made_again(fit: ab.Fit, verify: Callable[..., ab.Verification]) -> None:
    from alliance_bayes.effects import EffectTable

    table = EffectTable.concat([fit.effects(["slopes"]), fit.effects(["bayesian_r2"])])
    with pytest.raises(ab.UsageError, match=r"effects of this page were put together by hand"):
        verify(page_of(fit, "reproduction", effects=table))


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("<p>nothing</p>", "'page.html' holds no manifest, so there is nothing to verify."),
        ('<script type="application/json" id="manifest">{</script>', "the manifest of 'page.html' is damaged"),
        ('<script type="application/json" id="manifest">{"format": 1}</script>', "has format 1, but this version"),
        (
            '<script type="application/json" id="manifest">{"format": 2, "kind": "poem"}</script>',
            "is damaged (no data, versions, withheld, columns, rows, page, digest). Make",
        ),
    ],
)
def test_what_is_no_page_of_ours_is_refused(verify: Callable[..., ab.Verification], page: str, said: str) -> None:
    with pytest.raises(ab.FileFormatError, match=re.escape(said)):
        verify(page)


def test_a_manifest_that_describes_no_model_of_this_package_is_refused(
    html: str, verify: Callable[..., ab.Verification]
) -> None:
    manifest = read_manifest(html, name="page")
    manifest["kind"] = "poem"
    with pytest.raises(ab.FileFormatError, match=r"'page\.html' does not describe a model that this version can fit"):
        verify(resealed(html, manifest))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ab.FileFormatError, match=r"^the page 'none\.html' does not exist\. Check the path\.$"):
        ab.verify_report(tmp_path / "none.html", ab.read_cohort(table()))


START = '<script type="application/json" id="manifest">'
WHOLE = {
    "format": 2,
    "kind": "report",
    "data": {},
    "versions": {},
    "withheld": False,
    "columns": ["id", "mean"],
    "rows": [["a", 1.0]],
    "page": "",
    "digest": "",
}


def refusal(page: str) -> str:
    with pytest.raises(ab.FileFormatError) as caught:
        read_manifest(page, name="p.html")
    return str(caught.value)


def test_a_page_with_more_than_one_place_for_a_manifest_is_refused_in_one_pass() -> None:
    # Looked for by a pattern, each of the starts would be followed to the end of the page.
    assert refusal(START * 200_000).startswith("'p.html' holds 200000 manifests, ")
    assert refusal(START + "{}").startswith("'p.html' holds no manifest, ")
    assert refusal(f"{START}{{}}</script>" * 2).startswith("'p.html' holds 2 manifests, ")


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "1" * 100_000, '{"format": NaN}', '{"format": 1e999}', "{", '"\\ud800"']
)
def test_a_manifest_that_is_no_plain_json_is_refused(text: str) -> None:
    assert refusal(f"{START}{text}</script>").startswith("the manifest of 'p.html' is damaged (")


@given(
    st.sampled_from(["kind", "data", "versions", "columns", "rows", "page", "digest"]),
    st.sampled_from([None, 1, "", [], {}, [1], [[1]], [["a"]], {"a": 1}]),
)
def test_a_manifest_with_a_value_of_another_kind_is_refused(key: str, value: Any) -> None:
    text = json.dumps({**WHOLE, key: value})
    kept = type(value) is type(WHOLE[key]) and not (key in ("columns", "rows") and value)
    if (kept and key != "columns") or (key == "rows" and value is None):
        assert read_manifest(f"{START}{text}</script>", name="p.html")[key] == value
    else:
        assert re.fullmatch(
            r"the manifest of 'p\.html' is damaged \(no \w+\)\. Make the report again\.",
            refusal(f"{START}{text}</script>"),
        )
