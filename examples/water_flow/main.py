"""
Replays two months of hourly readings of a water utility, and finds the hours in which the flow was not as usual.

Run it with ``python examples/water_flow/main.py``. A URL as argument, or in the environment variable ``SPA_URL``, moves
it from memory to a broker; nothing else changes.
"""

from __future__ import annotations

import os
import sys
from time import perf_counter

from control_room import Logbook, Report, Spell
from detector import Alarm, Checked, Detector
from readings import Reading, read_series
from summary import summary, when

from spa_core import DistributedApplication, SpaSocket

PLANT = "north"

app = DistributedApplication(os.environ.get("SPA_URL", "memory://water-flow"))
logbook = Logbook()


@app.application("plants/{plant}/flow", group="detector", state=Detector())
async def detect(reading: Reading, plant: str, socket: SpaSocket, state: Detector) -> Checked:
    """Judge a reading by what is usual; one that is not is an alarm, which the control room has to confirm."""
    alarm = state.judge(plant, reading)
    if alarm is not None:
        await socket.request(f"plants/{plant}/alarms", alarm, key=plant)
    # Only now: a reading whose alarm was not confirmed is handled again, and must be judged as it was before.
    return state.learn(plant, reading)


@app.application("plants/{plant}/alarms", group="control-room", state=logbook)
async def note(alarm: Alarm, plant: str, state: Logbook) -> Spell:
    """Note an alarm; the returned spell confirms it."""
    spell = state.note(plant, alarm)
    if alarm.time == spell.first:
        print(f"ALARM on {when(alarm.time)}: {alarm.flow:.1f} l/s in plant {plant}, usual are {alarm.usual:.1f}")
    return spell


@app.application("plants/{plant}/report", group="control-room", state=logbook)
async def report(plant: str, state: Logbook) -> Report:
    """Answer what has happened at a plant."""
    return state.report(plant)


@app.producer()
async def replay(socket: SpaSocket) -> None:
    """Publish every reading, then ask for the report."""
    started = perf_counter()
    *readings, last = read_series()
    for reading in readings:
        await socket.publish(f"plants/{PLANT}/flow", reading, key=PLANT)
    # Readings of one key stay in order: when the last one is answered, all are handled and their alarms confirmed.
    checked = socket.decode(await socket.request(f"plants/{PLANT}/flow", last, key=PLANT), Checked)
    answer = socket.decode(await socket.request(f"plants/{PLANT}/report"), Report)
    print(summary(answer, checked, seconds=perf_counter() - started))
    app.stop()


def main() -> None:
    """Run the application, on the broker whose URL is the first argument if there is one."""
    if len(sys.argv) > 1:
        app.use_provider(sys.argv[1])
    app.start()


if __name__ == "__main__":
    main()
