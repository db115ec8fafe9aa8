"""The instruments the package knows: keys, ranges, cut-offs and sources, never wording."""

from __future__ import annotations

from alliance_bayes.errors import UsageError
from alliance_bayes.instruments.definition import Band, Figure, Instrument, MissingItems, Reference, Threshold

__all__ = [
    "ALLIANCE2",
    "CALPAS",
    "CORE_OM",
    "GAD7",
    "HAQ_II",
    "INSTRUMENTS",
    "OQ45",
    "ORS",
    "PHQ2",
    "PHQ9",
    "SAI",
    "SRS",
    "WAI",
    "WAI_S",
    "WAI_SR",
    "WEMWBS",
    "WHO5",
    "instrument",
    "known_as",
]

_TOPP = (
    "Topp, Østergaard, Søndergaard & Bech (2015), Psychotherapy and Psychosomatics 84:167-176, doi 10.1159/000376585"
)
_KROENKE_2001 = (
    "Kroenke, Spitzer & Williams (2001), Journal of General Internal Medicine 16:606-613, "
    "doi 10.1046/j.1525-1497.2001.016009606.x"
)
_KROENKE_2003 = "Kroenke, Spitzer & Williams (2003), Medical Care 41:1284-1292, doi 10.1097/01.MLR.0000093487.78664.3C"
_LOEWE = "Löwe et al. (2004), Medical Care 42:1194-1201, doi 10.1097/00005650-200412000-00006"
_HEDIS = (
    "HEDIS, as stated in “Defining success in measurement-based care for depression”, Psychiatric Services, "
    "doi 10.1176/appi.ps.201900295"
)
_IAPT = (
    "IAPT, as stated in ClinicalTrials.gov NCT05134103 and used by Gyani et al. (2013), Behaviour Research and Therapy "
    "51:597-606"
)
_DUNCAN = "Duncan, Miller, Sparks, Claud, Reynolds, Brown & Johnson (2003), Journal of Brief Therapy 3:3-12"

WHO5 = Instrument(
    name="WHO-5",
    title="WHO-5 Well-Being Index",
    n_items=5,
    item_range=(0, 5),
    item_step=1,
    measures="well-being",
    total="sum x 4",
    higher_is="better",
    thresholds=(
        Threshold("low_wellbeing", 50, "at or below", "low well-being (raw sum below 13)", "Topp et al. 2015"),
        Threshold("depression_screen", 28, "at or below", "screen for depression", "Topp et al. 2015"),
    ),
    # Between grid points (28 and 32, say) only pro-rated scores fall; the bands leave no gap for them.
    bands=(Band("<= 28", 28, True), Band("29-50", 50, True), Band("51-79", 80, False), Band(">= 80", 100, True)),
    smallest_relevant_change=10,
    relevant_source="Topp et al. 2015",
    case="depression_screen",
    reference=Reference(
        50,
        19,
        "WHO-5 percentage score, 0-100 in steps of 4; SD 19 in adults in video care (Sagui-Henson et al. 2022, "
        "derived)",
    ),
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
    measures="alliance",
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
    measures="alliance",
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
    measures="alliance",
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
    measures="alliance",
    total="mean",
    higher_is="better",
    subscale_items=(("goal", (1,)), ("bond", (2,))),
    reference=Reference(4.5, 0.7, "mean of ratings 1-5; SD about 0.7 (derived)"),
    reliability=(0.72, "Sagui-Henson et al. 2022"),
    sources=(
        "Sagui-Henson et al. (2022), Journal of Technology in Behavioral Science 7:439-450, "
        "doi 10.1007/s41347-022-00263-5",
    ),
)
"""Goal and bond, 1-5; a session's score is their mean (over sessions, the mean of the sessions' scores)."""

_SRS_GUIDE = "https://openfitcustomersupport.powerappsportals.com/knowledgebase/article/KA-01028/en-us"
SRS = Instrument(
    name="SRS",
    title="Session Rating Scale",
    n_items=4,
    item_range=(0, 10),
    item_step=None,
    measures="alliance",
    total="sum",
    higher_is="better",
    thresholds=(Threshold("alliance_alert", 36, "below", "talk about the alliance", _SRS_GUIDE),),
    bands=(Band("alert", 36, False), Band("no alert", 40, True)),
    reference=Reference(36, 4, "SRS range 0-40; SD assumed 4"),
    sources=(_DUNCAN,),
    unverified=(
        "the cut-off of 36 has not been checked against the authors' manual; public guides differ on whether "
        f"36 itself calls for attention (https://hiboop.com/fr/assessments/srs/ counts it; {_SRS_GUIDE} says below 36, "
        "as here)",
    ),
)
"""Four visual-analogue items 0-10, total 0-40. Whether 36 itself is an alert is unverified."""

PHQ9 = Instrument(
    name="PHQ-9",
    title="Patient Health Questionnaire, depression module, 9 items",
    n_items=9,
    item_range=(0, 3),
    item_step=1,
    measures="symptoms",
    total="sum",
    higher_is="worse",
    thresholds=(
        Threshold("depression_screen", 10, "at or above", "screen positive", "Kroenke et al. 2001"),
        Threshold("remission", 5, "below", "remission", "HEDIS"),
    ),
    bands=(
        Band("minimal", 5, False),
        Band("mild", 10, False),
        Band("moderate", 15, False),
        Band("moderately severe", 20, False),
        Band("severe", 27, True),
    ),
    smallest_relevant_change=5,
    relevant_source="Löwe et al. 2004",
    reliable_change=Figure(6, "IAPT"),
    response=Figure(0.5, "HEDIS"),
    case="depression_screen",
    missing=MissingItems(2, "NHS Data Dictionary"),
    reference=Reference(10, 6, "PHQ-9 range 0-27; SD assumed 6"),
    sources=(
        _KROENKE_2001,
        f"smallest relevant change, two standard errors of measurement: {_LOEWE}",
        f"reliable change and cases, as the English national service counts them: {_IAPT}",
        f"response and remission: {_HEDIS}",
        "missing items: NHS Data Dictionary, http://www.datadictionary.nhs.uk/data_dictionary/nhs_business_definitions/p/"
        "patient_health_questionnaire-9_de.asp, and https://rdrr.io/github/nrkoehler/qscorer/man/scoring_phq9.html",
    ),
)
"""Nine items 0-3, total 0-27; bands from 5, 10, 15 and 20; a screen is positive from 10; up to two items missing."""

PHQ2 = Instrument(
    name="PHQ-2",
    title="Patient Health Questionnaire, first 2 items",
    n_items=2,
    item_range=(0, 3),
    item_step=1,
    measures="symptoms",
    total="sum",
    higher_is="worse",
    thresholds=(Threshold("depression_screen", 3, "at or above", "screen positive", "Kroenke et al. 2003"),),
    bands=(Band("screen negative", 3, False), Band("screen positive", 6, True)),
    reference=Reference(2, 1.7, "PHQ-2 range 0-6; SD assumed 1.7"),
    sources=(_KROENKE_2003,),
)
"""Two items 0-3, total 0-6; a screen is positive from 3."""

GAD7 = Instrument(
    name="GAD-7",
    title="Generalized Anxiety Disorder scale, 7 items",
    n_items=7,
    item_range=(0, 3),
    item_step=1,
    measures="symptoms",
    total="sum",
    higher_is="worse",
    thresholds=(
        Threshold("anxiety_screen", 10, "at or above", "screen positive", "Spitzer et al. 2006"),
        Threshold("anxiety_case", 8, "at or above", "a case", "IAPT"),
    ),
    bands=(
        Band("minimal", 5, False),
        Band("mild", 10, False),
        Band("moderate", 15, False),
        Band("severe", 21, True),
    ),
    smallest_relevant_change=4,
    relevant_source="Toussaint et al. 2020",
    reliable_change=Figure(4, "IAPT"),
    case="anxiety_case",
    sources=(
        "Spitzer, Kroenke, Williams & Löwe (2006), Archives of Internal Medicine 166:1092-1097, "
        "doi 10.1001/archinte.166.10.1092",
        "smallest relevant change: Toussaint et al. (2020), Journal of Affective Disorders 265:395-401, "
        "doi 10.1016/j.jad.2020.01.032",
        f"reliable change and cases, as the English national service counts them: {_IAPT}",
    ),
)
"""Seven items 0-3, total 0-21; bands from 5, 10 and 15; a screen is positive from 10, a case begins at 8."""

OQ45 = Instrument(
    name="OQ-45",
    title="Outcome Questionnaire, 45 items",
    n_items=45,
    item_range=(0, 4),
    item_step=1,
    measures="distress",
    total="sum",
    higher_is="worse",
    reversed_items=(1, 12, 13, 20, 21, 24, 31, 37, 43),
    subscale_items=(
        (
            "symptom_distress",
            (2, 3, 5, 6, 8, 9, 10, 11, 13, 15, 22, 23, 24, 25, 27, 29, 31, 33, 34, 35, 36, 40, 41, 42, 45),
        ),
        ("interpersonal_relations", (1, 7, 16, 17, 18, 19, 20, 26, 30, 37, 43)),
        ("social_role", (4, 12, 14, 21, 28, 32, 38, 39, 44)),
    ),
    thresholds=(Threshold("clinical_range", 64, "at or above", "in the clinical range", "Lambert et al. 2004"),),
    reliable_change=Figure(14, "OQ Measures"),
    case="clinical_range",
    # No rule for missing items: a published scoring sheet (the same as for the reversed items) puts the rounded mean of
    # its subscale in an item's place, and does not say how many may be missing.
    sources=(
        "Lambert et al. (2004), Administration and scoring manual for the OQ-45.2",
        "range, number of items and direction: https://en.wikipedia.org/wiki/Outcome_Questionnaire_45",
        "reversed items: https://vi.scribd.com/document/357559782/OQ45-Scoring-doc and the Dutch form in "
        "https://github.com/roqua/quby_engine (oq-45.rb)",
        "reliable change: OQ Measures, https://www.oqmeasures.com/faqs/",
        "cut-off between 63 and 64: https://en.everybodywiki.com/Outcome_Questionnaire-45.2",
    ),
    unverified=(
        "the subscale key has not been checked against the manual",
        "whether 63 itself is in the clinical range has not been checked against the manual",
    ),
)
"""45 items 0-4, total 0-180; a change of 14 points is reliable. Subscales and the cut-off are unverified."""

CORE_OM = Instrument(
    name="CORE-OM",
    title="Clinical Outcomes in Routine Evaluation, outcome measure, 34 items",
    n_items=34,
    item_range=(0, 4),
    item_step=1,
    measures="distress",
    total="mean x 10",
    higher_is="worse",
    reversed_items=(3, 4, 7, 12, 19, 21, 31, 32),
    subscale_items=(
        ("wellbeing", (4, 14, 17, 31)),
        ("problems", (2, 5, 8, 11, 13, 15, 18, 20, 23, 27, 28, 30)),
        ("functioning", (1, 3, 7, 10, 12, 19, 21, 25, 26, 29, 32, 33)),
        ("risk", (6, 9, 16, 22, 24, 34)),
    ),
    thresholds=(Threshold("clinical_range", 10, "at or above", "in the clinical range", "Connell et al. 2007"),),
    case="clinical_range",
    missing=MissingItems(3, "CORE System Trust", (("problems", 1), ("functioning", 1))),
    sources=(
        "missing items: CORE System Trust, https://www.coresystemtrust.org.uk/whats-in-a-name-1-scoring-core-measures/",
        "subscales and reversed items: https://github.com/alkaest2002/mpa (core-om/specs.json); subscales: "
        "https://github.com/awell-health/awell-score (core_om)",
        "clinical score and its cut-off: https://www.coreims.co.uk/About_Core_System_How_Used.html",
        "Connell et al. (2007), British Journal of Psychiatry 190:69-74, http://bjp.rcpsych.org/content/190/1/69",
    ),
    unverified=("the reversed items have not been checked against the authors' manual",),
)
"""34 items 0-4; clinical score = mean x 10, 0-40; up to three items missing. No change that matters is known here."""

ORS = Instrument(
    name="ORS",
    title="Outcome Rating Scale",
    n_items=4,
    item_range=(0, 10),
    item_step=None,
    measures="well-being",
    total="sum",
    higher_is="better",
    thresholds=(
        Threshold("clinical_range", 25, "at or below", "in the clinical range", "https://hiboop.com/assessments/ors/"),
    ),
    reliable_change=Figure(5, "https://hiboop.com/assessments/ors/"),
    case="clinical_range",
    sources=("Miller, Duncan, Brown, Sparks & Claud (2003), Journal of Brief Therapy 2:91-100",),
    unverified=(
        "the reliable change of 5 points has not been checked against the authors' manual",
        "the cut-off of 25, and whether 25 itself is below it, has not been checked against the authors' manual",
    ),
)
"""Four visual-analogue items 0-10, total 0-40. The cut-off of 25 and the reliable change of 5 are unverified."""

WEMWBS = Instrument(
    name="WEMWBS",
    title="Warwick-Edinburgh Mental Well-being Scale, 14 items",
    n_items=14,
    item_range=(1, 5),
    item_step=1,
    measures="well-being",
    total="sum",
    higher_is="better",
    sources=("https://warwick.ac.uk/fac/sci/med/research/platform/wemwbs/using/howto",),
)
"""Fourteen items 1-5, total 14-70, none reversed. A smallest relevant change is not known here."""

SAI = Instrument(
    name="SAI",
    title="Session Alliance Inventory, 6 items",
    n_items=6,
    item_range=(0, 5),
    item_step=1,
    measures="alliance",
    total="mean",
    higher_is="better",
    sources=(
        "Falkenström, Hatcher, Skjulsvik, Larsson & Holmqvist (2015), Psychological Assessment 27:169-183, "
        "doi 10.1037/pas0000038",
        "six answers and no reversed item: https://github.com/nivlab/jspsych-demos (surveys)",
    ),
    unverified=("answers counted from 0 and the mean as the total have not been checked against the publication",),
)
"""Six items, their mean. That answers count from 0, so that they end at 5, is unverified."""

HAQ_II = Instrument(
    name="HAq-II",
    title="Helping Alliance Questionnaire, revised, 19 items",
    n_items=19,
    item_range=(1, 6),
    item_step=1,
    measures="alliance",
    total="sum",
    higher_is="better",
    reversed_items=(4, 8, 11, 16, 19),
    sources=(
        "Luborsky et al. (1996), Journal of Psychotherapy Practice and Research 5:260-271, "
        "https://pubmed.ncbi.nlm.nih.gov/22700294/",
        "reversed items: those worded negatively in https://scales.arabpsychology.com/s/"
        "the-helping-alliance-questionnaire-2/, as many as Le Bloc'h et al. (2006), Schweizer Archiv für Neurologie "
        "und Psychiatrie 157:23-28, count",
    ),
    unverified=("answers from 1 to 6 have not been checked against the publication",),
)
"""Nineteen items 1-6, total 19-114, five reversed. The range of answers is unverified."""

CALPAS = Instrument(
    name="CALPAS",
    title="California Psychotherapy Alliance Scales, patient version, 24 items",
    n_items=24,
    item_range=(1, 7),
    item_step=1,
    measures="alliance",
    total="mean",
    higher_is="better",
    scored=False,
    reliability=(0.83, "Gaston 1991"),
    sources=("Gaston (1991), Psychological Assessment 3:68-74, doi 10.1037/1040-3590.3.1.68",),
    unverified=(
        "answers from 1 to 7 and the mean as the total have not been checked against the publication; which items are "
        "reversed and which make the four scales is not known here",
    ),
)
"""24 items 1-7, their mean; totals only, since the key is not known here."""

INSTRUMENTS: tuple[Instrument, ...] = (
    WHO5,
    WAI,
    WAI_S,
    WAI_SR,
    ALLIANCE2,
    SRS,
    PHQ9,
    PHQ2,
    GAD7,
    OQ45,
    CORE_OM,
    ORS,
    WEMWBS,
    SAI,
    HAQ_II,
    CALPAS,
)
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
    entry = known_as(name)
    if entry is not None:
        return entry
    known = ", ".join(entry.name for entry in INSTRUMENTS)
    raise UsageError(f"there is no instrument '{name}'. Choose one of: {known}.")


def known_as(name: str) -> Instrument | None:
    """The instrument of a name, however it is written; None where there is none."""
    wanted = _plain(name)
    return next((entry for entry in INSTRUMENTS if _plain(entry.name) == wanted), None)


def _plain(name: str) -> str:
    return name.casefold().replace("-", "").replace("_", "").replace(" ", "")
