"""Kill commands at random moments, run each again, and see that nothing is partial, left behind or other than it was.

    python scripts/kill_runs.py --kills 50 [--full] [--seed 1] [--card MODEL.toml]

Every command is first run to its end. Then it is started again and again and ended by SIGTERM, SIGKILL or SIGINT: at a
moment of its run, or while it writes. After the kill each output is as it was before or what the whole run gives;
after the next run the outputs are those of the first, byte for byte, and nothing else is in the folder or among the
temporary files. Prints a table; exit status 1 where something is not so.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SIGNALS = (signal.SIGTERM, signal.SIGKILL, signal.SIGINT)
CARD = "../card.toml"
# A page made with another key has another digest of its data.
KEY = ("--key", "../data.key")
COMMANDS = {
    "fit": ("fit", CARD, "../cohort.csv", "-o", "fit.nc"),
    "fit (zarr)": ("fit", CARD, "../cohort.csv", "-o", "fit.zarr"),
    "report": ("report", CARD, "../cohort.csv", "-o", "page.html", *KEY),
    "study": ("study", "../cohort.csv", "-o", "study.html", *KEY),
    "reduce": ("reduce", "../cohort.csv", "--card", CARD, "-o", "moments.nc"),
    "simulate": ("simulate", "-o", "cohort.csv", "--n", "4000", "--tables", "tables"),
}
FULL = {"study --full": ("study", "../cohort.csv", "--full", "-o", "study.html", *KEY)}
# Of every ten kills.
SHARES = {"fit": 2, "fit (zarr)": 1, "report": 2, "study": 1, "reduce": 2, "simulate": 2}
HIDDEN = ".alliance_bayes-*"


@dataclass
class Case:
    """A command, what it gives and how long it takes."""

    name: str
    arguments: tuple[str, ...]
    outputs: dict[str, bytes] = field(default_factory=dict)
    seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


def start(case: Case, folder: Path) -> subprocess.Popen[bytes]:
    """The command in an empty folder, with a folder for temporary files beside it."""
    temporary = folder.with_name(f"{folder.name}-temporary")
    temporary.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-m", "alliance_bayes", *case.arguments],
        cwd=folder,
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def contents(folder: Path) -> dict[str, bytes]:
    """Every file that is no leftover and no kept posterior, by its path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(part.startswith(".alliance") or part.endswith(".kept") for part in path.parts)
    }


def leftovers(folder: Path) -> list[Path]:
    """What a killed run has left in its folder, in that of its kept posteriors, and among the temporary files."""
    places = (folder, folder / "study.kept", folder.with_name(f"{folder.name}-temporary"))
    return [path for place in places for path in (place.glob(HIDDEN) if place.is_dir() else ())]


def drafts(folder: Path) -> bool:
    """Whether something is being written: more than the block that tries whether it can be."""
    try:
        return any(
            path.is_file() and path.stat().st_size > 4096 for left in leftovers(folder) for path in left.rglob("*")
        )
    except OSError:
        return False


def kill(case: Case, folder: Path, number: signal.Signals, chance: random.Random, writing: bool) -> None:
    """Start a command and end it."""
    process = start(case, folder)
    if writing:
        until = time.monotonic() + 20 * case.seconds
        while process.poll() is None and not drafts(folder) and time.monotonic() < until:
            time.sleep(0.0005)
        time.sleep(chance.uniform(0, 0.02))
    else:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(chance.uniform(0, 1.1 * case.seconds))
    ended = process.poll() is not None
    asked = time.monotonic()
    process.send_signal(number)
    status = process.wait()
    case.counts["kills"] += 1
    case.counts["had ended"] += ended
    case.counts["slowest to end, ms"] = max(
        case.counts["slowest to end, ms"], int(1000 * (time.monotonic() - asked)) if not ended else 0
    )
    if not ended and status not in (0, 128 + number, -number):
        case.faults.append(f"status {status} after {number.name}")


def trial(case: Case, root: Path, number: signal.Signals, chance: random.Random) -> None:
    """One kill, and the next run."""
    folder = root / f"run-{chance.randrange(10**9)}"
    folder.mkdir()
    before = {}
    if chance.random() < 0.5:
        # What an earlier run has left is whole too, and of another cohort.
        before = {name: b"earlier" for name in case.outputs if "/" not in name}
        for name, content in before.items():
            (folder / name).write_bytes(content)
    kill(case, folder, number, chance, writing=chance.random() < 0.5)
    for name, content in contents(folder).items():
        if content != before.get(name) and content != case.outputs.get(name):
            case.faults.append(f"'{name}' is partial after {number.name}")
    left = leftovers(folder)
    case.counts["left hidden folders"] += bool(left)
    if left and number != signal.SIGKILL:
        case.faults.append(f"{len(left)} hidden folders after {number.name}")
    started = time.monotonic()
    status = start(case, folder).wait()
    # In the first run machine code may have had to be compiled.
    case.seconds = min(case.seconds, time.monotonic() - started)
    if status not in (0, 1):
        case.faults.append(f"the run after {number.name} failed")
    case.counts["left after the next run"] += bool(leftovers(folder))
    if leftovers(folder):
        case.faults.append(f"left after {number.name} and the next run")
    found = contents(folder)
    differing = [name for name in found.keys() | case.outputs.keys() if found.get(name) != case.outputs.get(name)]
    case.counts["reruns that differ"] += bool(differing)
    if differing:
        case.faults.append(f"other after {number.name} and the next run: {', '.join(sorted(differing))}")
    shutil.rmtree(folder)


def reference(case: Case, root: Path) -> None:
    """What the command gives when nobody ends it, and how long it takes; each run after a kill is compared with it."""
    folder = root / "reference"
    folder.mkdir()
    started = time.monotonic()
    status = start(case, folder).wait()
    case.seconds = time.monotonic() - started
    case.outputs = contents(folder)
    if status not in (0, 1) or not case.outputs or leftovers(folder):
        raise SystemExit(f"{case.name} ends with status {status} when nobody ends it")
    shutil.rmtree(folder)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--full", type=int, default=0, help="further kills of 'study --full', which takes minutes")
    parser.add_argument("--only", choices=COMMANDS, action="append", help="of these commands only")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--card", type=Path, default=ROOT / "models" / "outcome.toml", help="of the fit and its page")
    asked = parser.parse_args()
    chance = random.Random(asked.seed)
    order = [name for name, share in SHARES.items() for _ in range(share) if not asked.only or name in asked.only]
    plan = [order[k % len(order)] for k in range(asked.kills)] + [*FULL] * asked.full
    cases = {name: Case(name, arguments) for name, arguments in (COMMANDS | FULL).items() if name in plan}
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        made = ("simulate", "-o", str(root / "cohort.csv"), "--tables", str(root / "tables"), "--n", "300")
        subprocess.run([sys.executable, "-m", "alliance_bayes", *made], check=True, stdout=subprocess.DEVNULL)
        (root / "data.key").write_text("0" * 64 + "\n")
        shutil.copy(asked.card, root / "card.toml")
        for case in cases.values():
            reference(case, root)
            print(f"{case.name}: {case.seconds:.1f} s", flush=True)
        for k, which in enumerate(plan):
            trial(cases[which], root, SIGNALS[k % len(SIGNALS)], chance)
            print(f"{k + 1} of {len(plan)}: {which}", flush=True)
    columns = ("kills", "had ended", "left hidden folders", "left after the next run", "reruns that differ")
    columns += ("slowest to end, ms",)
    print(f"\n| command | {' | '.join(columns)} | faults |\n|---|{'---:|' * (len(columns) + 1)}")
    for case in cases.values():
        print(f"| {case.name} | {' | '.join(str(case.counts[column]) for column in columns)} | {len(case.faults)} |")
    for case in cases.values():
        print(*(f"{case.name}: {fault}" for fault in case.faults), sep="\n", end="\n" if case.faults else "")
    return 1 if any(case.faults for case in cases.values()) else 0


if __name__ == "__main__":
    raise SystemExit(main())
