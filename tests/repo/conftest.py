"""The checkout, as the tests of the repository see it."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DISTRIBUTIONS = ("spa_core", "spa_inmemory", "spa_mqtt", "spa_kafka")


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the folder of the checkout."""
    return ROOT


def modules() -> list[str]:
    """Return the dotted names of all modules in the checkout's packages, read from the files."""
    return [
        ".".join(path.relative_to(source).with_suffix("").parts).removesuffix(".__init__")
        for source in sorted(ROOT / distribution / "src" for distribution in DISTRIBUTIONS)
        for path in sorted(source.rglob("*.py"))
        if path.stem != "__main__"
    ]


def is_public(module: str) -> bool:
    """Tell whether no part of a module's name begins with an underscore."""
    return not any(part.startswith("_") for part in module.split("."))


@pytest.fixture(scope="session")
def private_modules() -> list[str]:
    """Return the dotted names of all private modules."""
    return [module for module in modules() if not is_public(module)]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for one once for every distribution, or every public module."""
    if "distribution" in metafunc.fixturenames:
        metafunc.parametrize("distribution", DISTRIBUTIONS)
    if "public_module" in metafunc.fixturenames:
        metafunc.parametrize("public_module", [module for module in modules() if is_public(module)])
