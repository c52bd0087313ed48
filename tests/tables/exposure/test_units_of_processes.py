"""The unit that kolide_exposed_ports names is the one that a running systemd names for the process."""

import json
import sys
from typing import Any

import pytest

from ...support.compare import Compare

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="systemd is Linux's")


LISTEN = "import socket, time; s = socket.socket(); s.bind(('0.0.0.0', PORT)); s.listen(); time.sleep(1000)"
SERVICE = f'[Service]\nExecStart={sys.executable} -S -c "{LISTEN}"\n[Install]\nWantedBy=timers.target\n'
UNITS = {
    "listens.service": SERVICE.replace("PORT", "7001"),
    "listens-too@.service": SERVICE.replace("PORT", "%i"),
    "listens-in-a-slice.service": SERVICE.replace("PORT", "7003").replace(
        "[Service]\n", "[Service]\nSlice=a-b.slice\n"
    ),
    "timers.target.wants/listens.service": "-> ../listens.service",
    "timers.target.wants/listens-too@7002.service": "-> ../listens-too@.service",
    "timers.target.wants/listens-in-a-slice.service": "-> ../listens-in-a-slice.service",
}
READ = """
import json, time
from kolide_tables.exposure.exposed_ports import exposed_ports as t
until = time.monotonic() + 20
while len(rows := [row for row in t.rows() if 7000 < row.port < 7004]) < 3 and time.monotonic() < until:
    time.sleep(0.1)
print(json.dumps({row.port: [row.pid, row.unit, row.scope] for row in rows}))
"""


@pytest.mark.slow
def test_units_are_those_of_a_systemd_that_runs(systemd_machine: Any, compare: Compare) -> None:
    names = {
        "7001": "listens.service",
        "7002": "listens-too@7002.service",
        "7003": "listens-in-a-slice.service",
    }
    with systemd_machine(UNITS) as run:
        ours = json.loads(run(sys.executable, "-c", READ))
        said = {
            port: [int(run("systemctl", "show", "--property=MainPID", "--value", name)), name, "any"]
            for port, name in names.items()
        }
    compare("exposed_ports", "systemctl show --property=MainPID", ours, said)
