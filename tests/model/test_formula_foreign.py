"""What a formula from elsewhere may not do: run code, or keep the machine busy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import alliance_bayes as ab
from alliance_bayes.errors import ModelError
from alliance_bayes.model import ModelSpec, card_arguments, parse_formula

ESCAPES = (
    'I.__builtins__.get.__class__.__call__(I.__builtins__.get(\'exec\'), \'open("{mark}", "w").write("1")\')',
    'I.__builtins__.get(\'exec\')(\'open("{mark}", "w").write("1")\')',
    "I(I.__globals__.values('{mark}'))",
    "np.log.__class__('{mark}')",
    "np.log.at(x)",
    "np.linalg.inv(x)",
    "log.outer(x, x)",
    "bs.__init__.__globals__.get('np').savetxt('{mark}', x)",
    "I(bs.__init__.__globals__.get('np').savetxt('{mark}', x))",
    "log(np.abs(I.__builtins__.open('{mark}', 'w')))",
    'eval(\'open("{mark}", "w")\')',
    "x(x)(x)",
    "I[x](x)",
    "C(x, levels=I.__builtins__.open('{mark}', 'w'))",
)


@pytest.mark.parametrize("call", ESCAPES)
@pytest.mark.parametrize(
    "shape", ["y ~ {}", "y ~ x + ({} | g)", "y ~ x + (1 | {})", "{} ~ x", "y ~ x * {}", "y ~ s({})", "y ~ I(x + {})"]
)
def test_nothing_of_a_formula_is_looked_up_but_what_is_on_the_list(call: str, shape: str, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    formula = shape.format(call.format(mark=mark))
    with pytest.raises(ModelError):
        ab.Model(formula)
    with pytest.raises(ModelError):
        ab.Model(**card_arguments(f"format = 4\nformula = '''{formula}'''"))
    assert not mark.exists()


@pytest.mark.parametrize(
    "terms",
    [
        "bs(x, df=1000000)",
        "bs(x, 1000000)",
        "poly(x, 100000)",
        "I('a' * 9999999999)",
        "I(9999999999 * ('a'))",
        "I(x ** 999999)",
        "I(x ** (9 * 9 * 9))",
        "(a + b + c + d + e + f + g + h + i + j + k + l) ** 12",
        "I(x + 1" + "0" * 5_000 + ")",
        "(" * 3_000 + "x" + ")" * 3_000,
        "I(" * 3_000 + "x" + ")" * 3_000,
        "-" * 5_000 + "1",
        "x ** " * 1_500 + "1",
        "`x",
        f"({' + '.join(f'v{k}' for k in range(1_500))})**5",
        " + ".join(f"(1 | v{k})" for k in range(900)),
        f"({' + '.join(f'v{k}' for k in range(700))} | {' + '.join(f'g{k}' for k in range(700))})",
        f"(1 | {'/'.join(f'g{k}' for k in range(1_500))})",
        f"{'(' * 19}{' + '.join(f'v{k}' for k in range(1_500))}{')' * 19}",
        f"I({' + '.join(['x'] * 2_000)})",
        f"I(x * {'9' * 9_000})",
        f"bs(x, knots=({', '.join(map(str, range(1_000)))}))",
        f"s(x, knots=({', '.join(map(str, range(1_000)))}))",
        "s(x, k=1000000)",
        "log(" * 15 + "x" + ")" * 14,
        "x + " * 300_000 + "x",
    ],
    ids=lambda terms: terms[:24],
)
def test_work_without_bounds_is_refused_before_it_starts(terms: str) -> None:
    with pytest.raises(ModelError) as caught:
        parse_formula(f"y ~ {terms}")
    assert len(str(caught.value)) < 1_000


def test_more_columns_than_anybody_means_are_refused_before_they_are_made() -> None:
    levels = np.tile(np.arange(3000), 2).astype(str)
    frame = pd.DataFrame({"y": np.arange(6000.0), **dict.fromkeys("abcd", levels)})
    for terms in ("a:b:c:d", "a * b", "a", "1 + (a | b)", "1 + (0 + a:b | c)"):
        with pytest.raises(ModelError, match="at most 2,000 are worked with"):
            ModelSpec(f"y ~ {terms}", autoscale=True).design(frame)
    assert len(ModelSpec("y ~ 1 + (1 | a)", autoscale=True).design(frame).factors[0].levels) == 3000
