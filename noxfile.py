"""
Every check of the project, one session each: ``nox`` runs them all, ``nox -l`` lists them.

A session makes its own environment out of ``[dependency-groups]`` and the four distributions; none needs more of the
machine than Python with venv and pip, but for the tests of Kafka: they need Java and Maven, which are installed where
that can be done, as root on Debian.
"""

from __future__ import annotations

import os
import re
import shutil
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import nox

nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_venv = "yes"
nox.options.sessions = [
    "quickstart",
    "lint",
    "types",
    "imports",
    "tests",
    "docs",
    "build",
    "isolated",
    "scaffolds",
    "acme",
]

DISTRIBUTIONS = ("spa_core", "spa_inmemory", "spa_mqtt", "spa_kafka")
# Percent of branches, each distribution by itself. Which ways out of a fault a run takes over real brokers varies.
LEAST_COVERED = {"spa_core": 95, "spa_inmemory": 95, "spa_mqtt": 90, "spa_kafka": 90}
LONG = ("test_conformance.py", "test_faults.py")  # of a transport to a broker: minutes, so they are run once
DIST = Path("dist")
SCAFFOLDS = {"transport": "acme-bus", "codec": "vnd.acme.flow", "app": "rooms"}  # what spa new makes, and its name
WORKSPACE = nox.project.load_toml("pyproject.toml")

# Run with -I, so that nothing of the checkout can stand in for what was installed.
IMPORT_EVERY_MODULE = """
import importlib, pkgutil, sys
package = importlib.import_module(sys.argv[1])
names = [module.name for module in pkgutil.walk_packages(package.__path__, package.__name__ + ".")]
names = [name for name in names if not name.startswith("spa_core.testing.")]  # needs its extra
for name in names:
    if not name.endswith(".__main__"):
        importlib.import_module(name)
print(f"imported {package.__file__} and its {len(names)} modules")
"""


def tools(*groups: str) -> tuple[str, ...]:
    """Return the pinned tools of *groups*."""
    return nox.project.dependency_groups(WORKSPACE, *groups)


def install_workspace(session: nox.Session, *groups: str) -> None:
    """Install the four distributions, editable, beside the tools of *groups*."""
    editable = [argument for distribution in DISTRIBUTIONS for argument in ("-e", distribution)]
    session.install(*tools(*groups), *editable)


def install_java(session: nox.Session) -> None:
    """Install what runs and fetches Kafka, if it is not there and can be; the tests say what they miss."""
    if shutil.which("java") and shutil.which("mvn"):
        return
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        session.warn("Java or Maven is missing, so the tests have no Kafka: install default-jre-headless and maven")
        return
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    session.run("apt-get", "update", "-qq", external=True)
    packages = ("default-jre-headless", "maven")
    session.run("apt-get", "install", "-qq", "--no-install-recommends", *packages, env=quiet, external=True)


def wheel_of(distribution: str) -> Path:
    """Return the one wheel that the build session left for *distribution*."""
    (wheel,) = DIST.glob(f"{distribution}-*.whl")
    return wheel.resolve()


@nox.session(venv_backend="none")
def quickstart(session: nox.Session) -> None:
    """Run the README's first command, word for word, in a clean copy of the checkout."""
    command = re.findall(r"^```sh\n(.*?)\n```$", Path("README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)[0]
    copy = Path(session.create_tmp()) / "checkout"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(".", copy, ignore=shutil.ignore_patterns(".*", "__pycache__", "dist"))
    session.chdir(copy)
    session.run("sh", "-c", command, external=True)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and format with ruff."""
    session.install(*tools("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check types with mypy and with basedpyright, both strict."""
    install_workspace(session, "types", "tests")  # spa_core.testing is typed against them
    paths = [f"{distribution}/src" for distribution in DISTRIBUTIONS]
    paths += [str(path) for path in Path("tests").glob("typing")]
    session.run("mypy", *paths)
    # Without the option it would prefer a .venv in the checkout to the session's environment.
    session.run("basedpyright", "--pythonpath", str(Path(session.bin) / "python"), *paths)


@nox.session
def imports(session: nox.Session) -> None:
    """Check with import-linter that every room imports only from the floors below it."""
    install_workspace(session, "imports")
    session.run("lint-imports", "--no-logo")


@nox.session
def tests(session: nox.Session) -> None:
    """Run every test but the documentation's, and hold each distribution's branch coverage."""
    install_workspace(session, "tests")
    install_java(session)
    session.run("coverage", "erase")
    session.run("coverage", "run", "-m", "pytest", "--ignore=tests/docs", *session.posargs)
    session.run("coverage", "combine", "--quiet")
    if session.posargs:
        session.warn("coverage is not judged: a part of the tests covers a part of the code")
        return
    for distribution, least in LEAST_COVERED.items():
        session.run("coverage", "report", f"--include={distribution}/src/*", f"--fail-under={least}")


@nox.session
def docs(session: nox.Session) -> None:
    """Execute every Python block of the README and of docs, and every example in a docstring."""
    install_workspace(session, "docs")
    session.run("pytest", "tests/docs", *session.posargs)


@nox.session(reuse_venv=False)
def build(session: nox.Session) -> None:
    """Build the four distributions, look into the wheels, and test them installed as wheels."""
    session.install(*tools("build", "tests"))
    shutil.rmtree(DIST, ignore_errors=True)
    for distribution in DISTRIBUTIONS:
        session.run("pyproject-build", "--no-isolation", "--outdir", str(DIST), distribution)
        check_wheel(session, distribution)
    session.install(*(str(wheel_of(distribution)) for distribution in DISTRIBUTIONS))
    session.run("pytest", "tests/core", "tests/inmemory", "tests/application", "tests/conformance", *session.posargs)


def check_wheel(session: nox.Session, distribution: str) -> None:
    """Fail unless the wheel holds the package, typed and licensed, and nothing else."""
    wheel = wheel_of(distribution)
    names = zipfile.ZipFile(wheel).namelist()
    missing = {f"{distribution}/__init__.py", f"{distribution}/py.typed"} - set(names)
    if not any(name.endswith(".dist-info/licenses/LICENSE") for name in names):
        missing.add("LICENSE")
    foreign = [name for name in names if not re.match(rf"{distribution}(/|-[\d.]+\.dist-info/)", name)]
    if missing or foreign:
        session.error(f"{wheel.name}: missing {sorted(missing)}, not wanted {foreign}")
    session.log(f"{wheel.name}: {len(names)} files, typed, licensed, nothing foreign")


@nox.session(reuse_venv=False, requires=["build"])
@nox.parametrize("distribution", DISTRIBUTIONS, ids=DISTRIBUTIONS)
def isolated(session: nox.Session, distribution: str) -> None:
    """Install one wheel alone with what it declares, import all of it, and run its own tests."""
    # A constraint, not a requirement: core comes only if the distribution declares it, and then from here.
    constraint = Path(session.create_tmp()) / "constraint.txt"
    constraint.write_text(f"spa-core @ {wheel_of('spa_core').as_uri()}\n", "utf-8")
    session.install(str(wheel_of(distribution)), "--constraint", str(constraint))
    session.run("pip", "check")
    session.run("python", "-I", "-c", IMPORT_EVERY_MODULE, distribution)
    for folder in Path("tests").glob(distribution.removeprefix("spa_")):
        session.install(*tools("tests"))
        if distribution == "spa_kafka":
            install_java(session)
        left_out = () if distribution == "spa_inmemory" else LONG
        session.run("pytest", str(folder), *(f"--ignore={folder / name}" for name in left_out), *session.posargs)


@nox.session(reuse_venv=False, requires=["build"])
@nox.parametrize("kind", list(SCAFFOLDS), ids=list(SCAFFOLDS))
def scaffolds(session: nox.Session, kind: str) -> None:
    """Let the wheel's `spa new` make a package, install that with what it declares, and prove it before any change."""
    config = Path("pyproject.toml").resolve()
    # Constraints, not requirements: what the package needs comes only if it declares it, and then as we have it.
    pins = [f"{name.replace('_', '-')} @ {wheel_of(name).as_uri()}" for name in ("spa_core", "spa_inmemory")]
    constraints = Path(session.create_tmp()).resolve() / "constraints.txt"
    constraints.write_text("\n".join([*pins, *tools("tests")]), "utf-8")
    session.install(str(wheel_of("spa_core")), *tools("build"))
    with TemporaryDirectory() as folder, session.chdir(folder):  # outside of the checkout and its configuration
        session.run("spa", "new", kind, SCAFFOLDS[kind], "--directory", ".")
        session.install("--no-build-isolation", "--constraint", str(constraints), ".[tests]")
        session.run("pip", "check")
        session.run("pytest")
        if kind == "app":
            session.run("python", "-m", SCAFFOLDS[kind])
            session.run("spa", "run", f"{SCAFFOLDS[kind]}.main")
        session.install(*tools("lint"), *(tool for tool in tools("types") if tool.startswith("mypy")))
        session.run("ruff", "check", "--config", str(config), "--config", "src = ['src']", ".")
        session.run("ruff", "format", "--check", "--config", str(config), "--config", "src = ['src']", ".")
        session.run("mypy", "--config-file=", "--strict", "src", "tests")


@nox.session(reuse_venv=False, requires=["build"])
def acme(session: nox.Session) -> None:
    """Build the example of a third party's transport, install it as a wheel beside core's, and let the kit prove it."""
    example, made = Path("examples/acme_transport"), Path(session.create_tmp()).resolve()
    session.install(*tools("build", "tests"))
    shutil.rmtree(made / "wheels", ignore_errors=True)
    session.run("pyproject-build", "--no-isolation", "--wheel", "--outdir", str(made / "wheels"), str(example))
    (wheel,) = (made / "wheels").glob("*.whl")
    session.install(f"spa-core[testing] @ {wheel_of('spa_core').as_uri()}", str(wheel))
    session.run("pip", "check")
    with TemporaryDirectory() as folder:  # outside of the checkout and its configuration
        shutil.copytree(example / "tests", folder, dirs_exist_ok=True)
        with session.chdir(folder):
            session.run("spa", "plugins", "--load")
            session.run("pytest", "-W", "error", "-p", "no:cacheprovider", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Print the figures of the benchmarks beside those of their peers; never part of a test run."""
    install_workspace(session, "bench")
    session.run("python", "-m", "benchmarks", *session.posargs)
