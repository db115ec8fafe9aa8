"""The instruments the package knows: keys, ranges, cut-offs and sources, never wording."""

from __future__ import annotations

from alliance_bayes.errors import UsageError
from alliance_bayes.instruments.definition import Band, Instrument, Threshold

__all__ = ["ALLIANCE2", "INSTRUMENTS", "PHQ2", "PHQ9", "SRS", "WAI", "WAI_S", "WAI_SR", "WHO5", "instrument"]

_TOPP = (
    "Topp, Østergaard, Søndergaard & Bech (2015), Psychotherapy and Psychosomatics 84:167-176, doi 10.1159/000376585"
)
_KROENKE_2001 = (
    "Kroenke, Spitzer & Williams (2001), Journal of General Internal Medicine 16:606-613, "
    "doi 10.1046/j.1525-1497.2001.016009606.x"
)
_KROENKE_2003 = "Kroenke, Spitzer & Williams (2003), Medical Care 41:1284-1292, doi 10.1097/01.MLR.0000093487.78664.3C"
_DUNCAN = "Duncan, Miller, Sparks, Claud, Reynolds, Brown & Johnson (2003), Journal of Brief Therapy 3:3-12"

WHO5 = Instrument(
    name="WHO-5",
    title="WHO-5 Well-Being Index",
    n_items=5,
    item_range=(0, 5),
    item_step=1,
    total="sum x 4",
    higher_is="better",
    thresholds=(
        Threshold("low_wellbeing", 50, "at or below", "low well-being (raw sum below 13)", "Topp et al. 2015"),
        Threshold("depression_screen", 28, "at or below", "screen for depression", "Topp et al. 2015"),
    ),
    # Between grid points (28 and 32, say) only pro-rated scores fall; the bands leave no gap for them.
    bands=(Band("<= 28", 28, True), Band("29-50", 50, True), Band("51-79", 80, False), Band(">= 80", 100, True)),
    smallest_relevant_change=10,
    population_means=(47, 70),
    sources=(_TOPP, "country means of the population: European Quality of Life Survey 2007"),
)
"""Five items 0-5; percentage score = raw sum x 4, 0-100 in steps of 4; a change of 10 points is clinically relevant."""

WAI = Instrument(
    name="WAI",
    title="Working Alliance Inventory, 36 items",
    n_items=36,
    item_range=(1, 7),
    item_step=1,
    total="sum",
    higher_is="better",
    # Not 19: it is worded positively.
    reversed_items=(1, 3, 7, 9, 10, 11, 12, 15, 20, 27, 29, 31, 33, 34),
    subscale_items=(
        ("task", (2, 4, 7, 11, 13, 15, 16, 18, 24, 31, 33, 35)),
        ("bond", (1, 5, 8, 17, 19, 20, 21, 23, 26, 28, 29, 36)),
        ("goal", (3, 6, 9, 10, 12, 14, 22, 25, 27, 30, 32, 34)),
    ),
    sources=(
        "Horvath & Greenberg (1989), Journal of Counseling Psychology 36:223-233, doi 10.1037/0022-0167.36.2.223",
    ),
    unverified=(
        "which of items 1 to 29 are reversed follows the wording of one published list of the items "
        "(http://ravansanji.ir/?9512141259); the reversal of 31, 33 and 34 and the subscale key "
        "have not been checked against the authors' scoring key",
    ),
)
"""36 items 1-7, twelve a subscale, fourteen reversed. The key, reversed items included, is unverified."""

WAI_S = Instrument(
    name="WAI-S",
    title="Working Alliance Inventory, short form, 12 items",
    n_items=12,
    item_range=(1, 7),
    item_step=1,
    total="sum",
    higher_is="better",
    reversed_items=(4, 10),
    subscale_items=(("task", (1, 2, 8, 12)), ("bond", (3, 5, 7, 9)), ("goal", (4, 6, 10, 11))),
    sources=("Tracey & Kokotovic (1989), Psychological Assessment 1:207-210, doi 10.1037/1040-3590.1.3.207",),
    unverified=("the subscale key and the reversed items have not been checked against the authors' scoring key",),
)
"""Twelve items 1-7, four a subscale. The key, reversed items included, is unverified."""

WAI_SR = Instrument(
    name="WAI-SR",
    title="Working Alliance Inventory, short form revised, 12 items",
    n_items=12,
    item_range=(1, 5),
    item_step=1,
    total="sum",
    higher_is="better",
    subscale_items=(("task", (1, 2, 10, 12)), ("goal", (4, 6, 8, 11)), ("bond", (3, 5, 7, 9))),
    sources=(
        "Hatcher & Gillaspy (2006), Psychotherapy Research 16:12-25, doi 10.1080/10503300500352500",
        "subscale key and no reversed item: https://docs.getrivet.ca/clinical-templates/specialized/wai-sr",
        "subscale key and no reversed item: "
        "https://ebchelp.blueprint.ai/en/articles/5208475-working-alliance-inventory-short-wai",
    ),
)
"""Twelve items 1-5, four a subscale, none reversed: two independent scoring guides give the same key."""

ALLIANCE2 = Instrument(
    name="ALLIANCE2",
    title="Adapted two-item working alliance (goal, then bond)",
    n_items=2,
    item_range=(1, 5),
    item_step=1,
    total="mean",
    higher_is="better",
    subscale_items=(("goal", (1,)), ("bond", (2,))),
    sources=(
        "Sagui-Henson et al. (2022), Journal of Technology in Behavioral Science 7:439-450, "
        "doi 10.1007/s41347-022-00263-5",
    ),
)
"""Goal and bond, 1-5; a session's score is their mean (over sessions, the mean of the sessions' scores)."""

SRS = Instrument(
    name="SRS",
    title="Session Rating Scale",
    n_items=4,
    item_range=(0, 10),
    item_step=None,
    total="sum",
    higher_is="better",
    thresholds=(Threshold("alliance_alert", 36, "below", "talk about the alliance", "unverified"),),
    bands=(Band("alert", 36, False), Band("no alert", 40, True)),
    sources=(_DUNCAN,),
    unverified=(
        "the cut-off of 36 has not been checked against the authors' manual; public guides differ on whether "
        "36 itself calls for attention (https://hiboop.com/fr/assessments/srs/ counts it; "
        "https://bearnaiserestaurant.com/academic-papers/how-do-you-score-a-session-rating-scale "
        "says lower than 36, as here)",
    ),
)
"""Four visual-analogue items 0-10, total 0-40. The alert below 36 is unverified."""

PHQ9 = Instrument(
    name="PHQ-9",
    title="Patient Health Questionnaire, depression module, 9 items",
    n_items=9,
    item_range=(0, 3),
    item_step=1,
    total="sum",
    higher_is="worse",
    thresholds=(Threshold("depression_screen", 10, "at or above", "screen positive", "Kroenke et al. 2001"),),
    bands=(
        Band("minimal", 5, False),
        Band("mild", 10, False),
        Band("moderate", 15, False),
        Band("moderately severe", 20, False),
        Band("severe", 27, True),
    ),
    sources=(_KROENKE_2001,),
)
"""Nine items 0-3, total 0-27; bands from 5, 10, 15 and 20; a screen is positive from 10."""

PHQ2 = Instrument(
    name="PHQ-2",
    title="Patient Health Questionnaire, first 2 items",
    n_items=2,
    item_range=(0, 3),
    item_step=1,
    total="sum",
    higher_is="worse",
    thresholds=(Threshold("depression_screen", 3, "at or above", "screen positive", "Kroenke et al. 2003"),),
    bands=(Band("screen negative", 3, False), Band("screen positive", 6, True)),
    sources=(_KROENKE_2003,),
)
"""Two items 0-3, total 0-6; a screen is positive from 3."""

INSTRUMENTS: tuple[Instrument, ...] = (WHO5, WAI, WAI_S, WAI_SR, ALLIANCE2, SRS, PHQ9, PHQ2)
"""Every instrument the package knows."""


def instrument(name: str) -> Instrument:
    """Look an instrument up by its name.

    Parameters
    ----------
    name
        "WHO-5", "WAI-SR", ...; case, hyphens, underscores and spaces do not matter ("who5", "wai_sr").

    Returns
    -------
    Instrument
        The entry of that name.

    Raises
    ------
    UsageError
        When there is none; the message lists those there are.
    """
    wanted = _plain(name)
    for entry in INSTRUMENTS:
        if _plain(entry.name) == wanted:
            return entry
    known = ", ".join(entry.name for entry in INSTRUMENTS)
    raise UsageError(f"there is no instrument '{name}'. Choose one of: {known}.")


def _plain(name: str) -> str:
    return name.casefold().replace("-", "").replace("_", "").replace(" ", "")
