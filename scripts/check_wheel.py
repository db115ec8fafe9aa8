"""Check that the wheel is whole: built, installed with nothing but what the lock names, and used where no checkout is.

The environment is new and empty, and holds the packages of requirements.lock (by hash) and the wheel. Everything is run
in another folder, with an empty home and no variable of this process. Packages come through uv, whose cache serves a
machine without a network, or through pip; ``WHEELS=folder`` takes them from a folder of wheels instead.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.lock"
#: Cards of which all are to be had at this many participants, and draws that show that they run, not what they find.
PEOPLE, FEW = 400, ("--draws", "20", "--tune", "40", "--chains", "2")

EVERY_CARD = """
import contextlib, io, sys
from alliance_bayes.cli import main
from alliance_bayes.model.shipped import shipped_cards
failed = []
for name in shipped_cards():
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        status = 2
        try:
            main(["fit", name, "tables", "-o", "fit.nc", *sys.argv[1:]])
        except SystemExit as ended:
            status = ended.code
            raise
        finally:
            failed += [name] * (status != 0)
print(f"{len(shipped_cards())} cards fitted")
sys.exit(f"not fitted: {', '.join(failed)}" if failed else 0)
"""
INSTALLED = """
import json, sys
from importlib.metadata import distributions
import alliance_bayes
print(json.dumps([alliance_bayes.__file__, sys.path, sorted(one.name for one in distributions())]))
"""
COMMANDS = "import typer; from alliance_bayes.cli import app; print(*typer.main.get_command(app).commands)"


@contextmanager
def step(title: str) -> Iterator[None]:
    """Say what is done and how long it took."""
    started = time.monotonic()
    print(f"    {title} ...", flush=True)
    yield
    print(f"    {title}: {time.monotonic() - started:.0f} s", flush=True)


def run(*command: str | Path, **options: object) -> str:
    """A command's standard output; one that fails ends the check with all that it said."""
    done = subprocess.run([str(one) for one in command], text=True, capture_output=True, check=False, **options)  # type: ignore[call-overload]
    if done.returncode != 0:
        raise SystemExit(f"{shlex.join(map(str, command))}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return str(done.stdout)


def plain(name: str) -> str:
    """A distribution's name as the lock has it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def build(folder: Path) -> Path:
    """The wheel, with the cards in it and nothing beside the package."""
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT)
    (wheel,) = folder.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    cards = {f"alliance_bayes/cards/{path.name}" for path in (ROOT / "models").glob("*.toml")}
    if missing := cards - set(names):
        raise SystemExit(f"the wheel lacks {', '.join(sorted(missing))}")
    if strange := {name.partition("/")[0] for name in names} - {
        "alliance_bayes",
        f"{wheel.name.split('-py3')[0]}.dist-info",
    }:
        raise SystemExit(f"the wheel holds more than the package: {', '.join(sorted(strange))}")
    return wheel


def install(wheel: Path, venv: Path) -> None:
    """A new environment with what the lock names, then the wheel."""
    wheels = os.environ.get("WHEELS")
    source = ("--no-index", "--find-links", wheels) if wheels else ()
    locked = ("--require-hashes", "--only-binary", ":all:", *source, "-r", str(LOCK))
    base = getattr(sys, "_base_executable", sys.executable)
    python = venv / "bin" / "python"
    beside = ROOT / ".venv-uv" / "bin" / "uv"
    if uv := shutil.which("uv") or (str(beside) if beside.exists() else None):
        env = {"UV_SYSTEM_CERTS": "true", **os.environ}
        run(uv, "venv", "--quiet", "--python", base, venv, env=env)
        run(uv, "pip", "install", "--quiet", "--python", python, *locked, env=env)
        run(uv, "pip", "install", "--quiet", "--python", python, "--no-deps", "--no-index", wheel, env=env)
        return
    run(base, "-m", "venv", venv)
    pip = (python, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input", "install")
    run(*pip, "--no-compile", *locked)
    run(*pip, "--no-deps", "--no-index", wheel)


def check_installed(inside: Callable[..., str], venv: Path) -> None:
    """Whether the package is the wheel's, and nothing is there but what the lock names."""
    file, path, names = json.loads(inside("python", "-c", INSTALLED))
    if not Path(file).is_relative_to(venv) or any(Path(one).is_relative_to(ROOT) for one in path if one):
        raise SystemExit(f"not the wheel's: {file}, with {path}")
    known = {
        plain(name) for name in re.findall(r"^([A-Za-z0-9._-]+)==", LOCK.read_text(encoding="utf-8"), re.MULTILINE)
    }
    if others := {plain(name) for name in names} - known - {"alliance-bayes", "pip"}:
        raise SystemExit(f"beside the lock: {', '.join(sorted(others))}")


def readme_lines() -> tuple[str, list[list[str]]]:
    """README's Python, and its commands."""
    blocks = re.findall(
        r"^```(\w+)\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    (python,) = (text for kind, text in blocks if kind == "python")
    shell = [shlex.split(line, comments=True) for kind, text in blocks if kind == "sh" for line in text.splitlines()]
    return python, [words for words in shell if words and words[0] == "alliance-bayes"]


def main() -> int:
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name).resolve()
        venv, home, work = place / "venv", place / "home", place / "work"
        home.mkdir()
        work.mkdir()
        plain_env = {"HOME": str(home), "PATH": f"{venv / 'bin'}:/usr/bin:/bin", "LANG": "C.UTF-8"}

        def inside(*command: str, **more: str) -> str:
            return run(str(venv / "bin" / command[0]), *command[1:], cwd=work, env={**plain_env, **more})

        with step("building the wheel"):
            wheel = build(place / "dist")
        with step("installing it"):
            install(wheel, venv)
            check_installed(inside, venv)
        with step("help and completion"):
            commands = inside("python", "-c", COMMANDS).split()
            for command in commands:
                assert "Usage: alliance-bayes" in inside("alliance-bayes", command, "--help")
            asked = {
                "_ALLIANCE_BAYES_COMPLETE": "complete_bash",
                "COMP_WORDS": "alliance-bayes fit outc",
                "COMP_CWORD": "2",
            }
            assert "outcome_student_t" in inside("alliance-bayes", **asked)
            assert "_ALLIANCE_BAYES_COMPLETE" in inside("alliance-bayes", _ALLIANCE_BAYES_COMPLETE="source_bash")
        with step("every card"):
            tables = ("--n", str(PEOPLE), "--tables", "tables", "--in-person-share", "0.4")
            inside("alliance-bayes", "simulate", "-o", "cohort.csv", *tables)
            inside("python", "-c", EVERY_CARD, *FEW)
        with step("the demonstration study"):
            inside("alliance-bayes", "study", "--demo", "-o", "demo.html")
        with step("the lines of README"):
            python, lines = readme_lines()
            assert len(lines) >= 8, lines
            inside("alliance-bayes", "simulate", "-o", "cohort.csv", "--n", "600")
            inside("python", "-c", python)
            for words in lines:
                inside(*words)
    print(f"the wheel is whole ({time.monotonic() - started:.0f} s)")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
