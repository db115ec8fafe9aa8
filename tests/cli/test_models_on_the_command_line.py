"""Models as commands take them: cards by file and by name, formulas, and options in place of a card's keys."""

from __future__ import annotations

import contextlib
import json
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alliance_bayes as ab
from alliance_bayes.cli import main
from alliance_bayes.cli.models import ModelOptions, model_of
from alliance_bayes.cli.options import EffectOptions
from alliance_bayes.cli.values import pairs
from alliance_bayes.model.card import card_text

CARD = (
    'format = 4\nquestion = "Whom?"\nformula = "who5_followup ~ alliance + age + (1 | site)"\nfocal = "age"\n'
    '[priors]\nset = "sceptical"\nage = "Normal(0, 1)"\n[levels]\nsite = ["b", "a"]\nsex = ["male", "female"]\n'
)


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    data = ab.simulate_cohort(n=120, seed=5).data.drop(columns=["who5_change"])
    data.assign(site=["a", "b", "c"] * 40).to_csv("cohort.csv", index=False)
    Path("m.toml").write_text(CARD, encoding="utf-8")
    return "cohort.csv"


def test_every_option_takes_the_place_of_its_key(capsys: pytest.CaptureFixture[str], table: str) -> None:
    options = [
        *("--family", "student_t", "--priors", "weak", "--prior", "alliance=Normal(0, 2)", "--focal", "alliance"),
        *("--against", "age", "--exhaustive", "site", "--role", "site=provider", "--centre", "age=40"),
        *("--scale", "age:mean=40,sd=12,lower=18,unit=alliance point", "--no-autoscale", "--residual-by", "sex"),
        *("--among", "who5_baseline:at_most=28", "--words", "title=T", "--words", "assumptions=A", "--prior", "nu="),
    ]
    status, out, err = run(capsys, "card", "m.toml", *options)
    assert (status, out) == (2, "")
    assert err == "error: --prior 'nu=' should be NAME=VALUE, such as --prior alliance='Normal(0, 2)'.\n"
    status, out, err = run(capsys, "card", "m.toml", *options[:-2])
    assert status == 0, err
    made = ab.Model(
        "who5_followup ~ alliance + age + (1 | site)",
        family="student_t",
        priors={"set": "weak", "alliance": "Normal(0, 2)", "age": "Normal(0, 1)"},
        focal="alliance",
        against="age",
        exhaustive=("site",),
        roles={"site": "provider"},
        centre={"age": 40},
        scales={"age": ab.Scale(mean=40, sd=12, lower=18, unit="alliance point")},
        autoscale=False,
        residual_by="sex",
        among={"who5_baseline": {"at_most": 28}},
        levels={"site": ("b", "a"), "sex": ("male", "female")},
        card=ab.Card(name="m", title="T", question="Whom?", assumptions=("A",)),
    )
    assert tomllib.loads(out) == tomllib.loads(card_text(made))
    # What the card said is told beside what takes its place.
    assert err.startswith("note: of model card 'm.toml', options replace ")
    for said in ('focal ("age") by "alliance"', 'priors.set ("sceptical") by "weak"', "centre.age (which it does not"):
        assert said in err
    assert "words stay" not in err


def test_a_model_of_the_residual_sd_is_an_option_and_refused_in_its_words(
    capsys: pytest.CaptureFixture[str], table: str
) -> None:
    formula = "who5_followup ~ alliance + (1 | site)"
    status, out, err = run(capsys, "card", formula, "--sigma", "alliance + sex")
    assert status == 0, err
    assert tomllib.loads(out)["sigma"] == "~ alliance + sex"
    status, out, err = run(capsys, "card", formula, "--sigma", "~ (1 | site)")
    assert (status, out) == (2, "")
    assert err == (
        "error: --sigma '~ (1 | site)' pools over 'site', which the model of a residual SD does not. Write the column "
        "itself (--sigma '~ site'), or give each level an SD of its own: --residual-by site.\n"
    )
    status, _, err = run(capsys, "fit", formula, table, "-o", "f.nc", "--sigma", "~ aliance")
    assert status != 0
    assert "aliance" in err


@pytest.mark.slow
@pytest.mark.usefixtures("gate_alone", "undrawn")
def test_a_fit_keeps_the_card_that_options_made_and_a_page_of_it_is_verified(
    capsys: pytest.CaptureFixture[str], table: str
) -> None:
    few = ("--draws", "300", "--chains", "4")
    given = ("--focal", "alliance", "--levels", "site=c,b,a", *few)
    status, out, err = run(capsys, "fit", "m.toml", table, "-o", "f.nc", *given, "--json", "--same-people", "sex")
    assert status == 0, err
    told = json.loads(out)
    assert told["output"] == "f.nc"
    kept = ab.load_fit("f.nc")
    assert (kept.spec.focal, kept.spec.card.question) == ("alliance", "Whom?")
    assert kept.design.factors[0].levels == ("c", "b", "a")
    assert told["flow"]["analysed"] == kept.flow.analysed
    status, out, err = run(
        capsys, "report", "m.toml", table, "-o", "p.html", *given, "--population", "sample", "--json"
    )
    assert json.loads(out)["output"] == "p.html"
    assert run(capsys, "verify", "p.html", table, "--levels", "site=c,b,a")[0] == 0


def test_a_formula_is_a_model_unless_a_file_has_its_name(capsys: pytest.CaptureFixture[str], table: str) -> None:
    formula = "who5_followup ~ alliance + (1 | site)"
    few = ("--draws", "200", "--chains", "2")
    status, _, err = run(capsys, "fit", formula, table, "-o", "f.nc", *few, "--prior", "alliance=Normal(0, 2)")
    assert status == 0, err
    same = ab.Model(formula, priors={"alliance": "Normal(0, 2)"}).fit(
        table, draws=200, chains=2, seed=7, progress=False
    )
    assert ab.load_fit("f.nc").posterior["beta"].equals(same.posterior["beta"])
    status, _, err = run(capsys, "reduce", table, "--card", "who5_followup ~ alliance", "-o", "m.nc", "--json")
    assert (status, json.loads(_)["output"]) == (0, "m.nc")
    status, _, err = run(capsys, "fit", "who5_followup ~ alliance", "m.nc", "-o", "g.nc", *few)
    assert status == 0, err
    assert run(capsys, "fit", "y ~ + x", table, "-o", "x.nc")[0] == 2
    Path("y ~ x").write_text('format = 4\nformula = "age ~ alliance"\n', encoding="utf-8")
    assert '"age ~ alliance"' in run(capsys, "card", "y ~ x")[1]


def test_cards_of_the_package_go_by_their_names(capsys: pytest.CaptureFixture[str], table: str) -> None:
    names = run(capsys, "card", "--json")[1]
    assert len(json.loads(names)["cards"]) >= 20
    status, out, _ = run(capsys, "card", "outcome", "-o", "mine.toml")
    assert (status, out) == (0, "mine.toml\n")
    assert card_text(ab.load_model("mine.toml")) == card_text(ab.load_model("outcome"))
    Path("outcome").write_text(CARD, encoding="utf-8")
    assert ab.load_model("outcome").focal == "age"
    status, _, err = run(capsys, "card", "outcomes")
    assert status == 2
    assert "the cards that come with the package are alliance, " in err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--family", "normal"], "normal"),
        (["--priors", "strong"], "unknown prior set 'strong'"),
        (["--prior", "alliance=Normal(0, 1_0)"], "sigma should be a finite number but got '1_0'"),
        (["--prior", "alliance=Normal(0, \uff11)"], "sigma should be a finite number"),
        (["--prior", "alliance=__import__('os')"], "is not of the form 'Normal(0, 10)'"),
        (["--prior", "alliance=Normal(0, 1)", "--prior", "alliance=Normal(0, 2)"], "--prior gives 'alliance' twice"),
        (["--centre", "age=4_0"], "--centre of 'age' should be a number but got '4_0'"),
        (["--centre", "age=inf"], "--centre of 'age' should be a number but got 'inf'"),
        (["--scale", "age"], "--scale 'age' should be NAME:OPTION=VALUE,..., such as --scale phq9:mean=10,sd=5."),
        (["--scale", "age:mean=1_0,sd=1"], "--scale of 'age': mean should be a number but got '1_0'"),
        (["--scale", "age:mean=NaN,sd=1"], "--scale of 'age': mean should be a number but got 'NaN'"),
        (["--scale", "age:mean=1e999,sd=1"], "--scale of 'age': mean should be a number"),
        (["--role", "site"], "--role 'site' should be NAME=VALUE, such as --role therapist=provider."),
        (["--role", "site=boss"], "--role of 'site' should be one of"),
        (["--among", "who5_baseline:at_most=many"], "who5_baseline"),
        (["--event", "good:at_least=3"], "the event 'good' should have a column"),
        (["--words", "colour=red"], "--words 'colour=red' should be KEY=TEXT"),
        (["--focal", "sex"], "--focal names 'sex', which is not in the formula"),
    ],
)
def test_options_that_make_no_model_are_refused_before_anything_is_read(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, options: list[str], said: str
) -> None:
    (tmp_path / "m.toml").write_text(CARD, encoding="utf-8")
    for card in (tmp_path / "m.toml", "who5_followup ~ alliance + age + (1 | site)"):
        status, out, err = run(capsys, "fit", card, tmp_path / "none.csv", "-o", tmp_path / "f.nc", *options)
        assert (status, out) == (2, "")
        assert said in err, err
        assert len(err.splitlines()) == 1


@pytest.mark.slow
@settings(max_examples=30)
@given(st.text(max_size=40), st.sampled_from('=:,.[]{}"~'))
def test_no_text_is_more_than_refused(text: str, mark: str) -> None:
    """Whatever is given for an option of a model, of effects or of a simulation, it is read or refused in words."""
    for given_text in (text, f"x{mark}{text}", f"x:mean={text}", f"x={text}", text.replace("a", mark)):
        listed = [given_text]
        for name in ("prior", "roles", "centre", "scales", "events", "among", "words", "exhaustive", "derived"):
            with contextlib.suppress(ab.AllianceBayesError):
                model_of("y ~ x + (1 | g)", ModelOptions(**{name: listed}))
        for name in ("family", "priors", "focal", "against", "alliance", "residual_by", "sigma", "trials", "rows"):
            with contextlib.suppress(ab.AllianceBayesError):
                model_of("y ~ x + (1 | g)", ModelOptions(**{name: given_text}))
        with contextlib.suppress(ab.AllianceBayesError):
            EffectOptions(estimands=listed, rope=given_text, relevant=given_text, at=listed).read()
        with contextlib.suppress(ab.UsageError):
            pairs(listed, "--set", "alliance_slope=0")


def test_numbers_are_written_as_everybody_writes_them(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for option, text in (
        *(("--n", text) for text in ("1_000", "\uff11\uff10", "1e3", " 10", "10.0", "")),
        *(("--in-person-share", text) for text in ("0_1", "nan", "inf", "\uff11", "1e999", "0x1")),
        *(("--set", f"alliance_slope={text}") for text in ("1_0", "nan", "\uff11")),
    ):
        status, out, err = run(capsys, "simulate", "-o", tmp_path / "a.csv", option, text)
        assert (status, out) == (2, ""), (option, text)
        assert option in err
    assert list(tmp_path.iterdir()) == []
    given = ("--n", "+60", "--in-person-share", "2.5E-1", "--set", "slope_by_sex.female=.5", "--set", "tau_country=1")
    status, out, _ = run(capsys, "simulate", "-o", tmp_path / "a.csv", *given, "--json")
    assert (status, json.loads(out)["participants"]) == (0, 60)
    same = ab.simulate_cohort(n=60, seed=7, in_person_share=0.25, slope_by_sex={"female": 0.5}, tau_country=1)
    assert ab.read_cohort(tmp_path / "a.csv").data["age"].tolist() == same.data["age"].tolist()
    assert "tau_contry" in run(capsys, "simulate", "-o", tmp_path / "b.csv", "--set", "tau_contry=1")[2]


WRONG = {
    "family": ('family = "gausian"', "unknown family 'gausian'. "),
    "formula": ("", "formula 'who5_followup ~ alliance + ': its end "),
    "contrast": ("contrast = [4, 3]", "contrast should be two finite numbers, the lower first, "),
    "scale": ("[scales.alliance]\nmean = 3\nsd = -1", "scales of 'alliance': "),
    "prior": ('[priors]\nnosuch = "Normal(0, 1)"', "prior for unknown parameter(s) 'nosuch'. "),
    "column": ("", "no column 'nosuch'. "),
}
OTHER = {"formula": "who5_followup ~ alliance + ", "column": "who5_followup ~ alliance + nosuch"}
BY = {
    "card": ["card", "mine.toml"],
    "fit": ["fit", "mine.toml", "cohort.csv", "-o", "m.nc"],
    "report": ["report", "mine.toml", "cohort.csv", "-o", "m.html"],
    "reduce": ["reduce", "cohort.csv", "--card", "mine.toml", "-o", "m.nc"],
    "attrition": ["attrition", "cohort.csv", "mine.toml"],
    "same people": ["fit", "m.toml", "cohort.csv", "-o", "m.nc", "--same-people", "mine.toml"],
}
# What is wrong with a card for this table only is told by what reads the table.
OF_TABLE = {"prior": ("fit", "report"), "column": ("fit", "report")}


@pytest.mark.parametrize(("fault", "command"), [(one, by) for one in WRONG for by in OF_TABLE.get(one, BY)])
def test_whatever_is_wrong_with_a_card_is_said_of_its_file(
    fault: str, command: str, capsys: pytest.CaptureFixture[str], table: str
) -> None:
    keys, said = WRONG[fault]
    formula = OTHER.get(fault, "who5_followup ~ alliance")
    Path("mine.toml").write_text(f'format = 4\nformula = "{formula}"\n{keys}\n', encoding="utf-8")
    status, _, err = run(capsys, *BY[command])
    assert status == 2 if fault not in OF_TABLE else status in (1, 2)
    message = " ".join(err.split()).partition("error: ")[2]
    # Once, before whatever else the error speaks of.
    assert message.startswith("model card 'mine.toml': ")
    assert message.count("mine.toml") == 1
    assert said in message
    if fault not in OF_TABLE:
        with pytest.raises(ab.AllianceBayesError) as raised:
            ab.load_model("mine.toml")
        assert str(raised.value).startswith("model card 'mine.toml': ")
