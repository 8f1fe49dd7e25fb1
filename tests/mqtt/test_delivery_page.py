"""The page that tells what holds over MQTT is about the suites and the capabilities that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from spa_core.testing.report import Report, to_markdown
from spa_core.testing.suite import TransportSuite
from spa_mqtt import MqttConfig, MqttSocketProvider

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "delivery-mqtt.md").read_text("utf-8")
AGAIN = "the page is out of date: pytest tests/mqtt/test_conformance.py --spa-report=docs/reference/delivery-mqtt.md"

CONFIGURATIONS = {
    "Mosquitto": MqttConfig(protocol="5", client_id="name"),
    "MosquittoNameless": MqttConfig(protocol="5"),
    "Mosquitto311": MqttConfig(protocol="3.1.1", client_id="name"),
    "Rumqttd": MqttConfig(protocol="5"),
}


def section(name: str) -> str:
    """Return what the page says of one suite."""
    sections = {text.partition("\n")[0]: text for text in re.split(r"^# Delivery: ", PAGE, flags=re.MULTILINE)}
    return sections[name]


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_it_tells_what_is_declared(name: str) -> None:
    """The capabilities on the page are those that the provider declares."""
    capabilities = MqttSocketProvider(CONFIGURATIONS[name]).capabilities
    page = to_markdown([Report(suite=name, transport="", capabilities=capabilities, results=())])
    declared = re.findall(r"^Declared: .*$", page, re.MULTILINE)

    assert re.findall(r"^Declared: .*$", section(name), re.MULTILINE) == declared, AGAIN


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_it_tells_every_guarantee(name: str) -> None:
    """Every scenario of the kit stands on the page, and none fails; that they hold the suite itself proves."""
    text = section(name)
    missing = [each.name for each in TransportSuite.scenarios() if each.claim.replace("``", "`") not in text]

    assert missing == [], AGAIN
    assert len(re.findall(r"^\| (?!guarantee|---)", text, re.MULTILINE)) == len(list(TransportSuite.scenarios())), AGAIN
    assert "**" not in text, AGAIN  # how a failure is printed
