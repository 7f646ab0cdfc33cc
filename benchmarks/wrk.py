"""Load from wrk, one thread: the server has the other core. A short script makes it send a series of writes."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import time

from benchmarks.load import Report, Series, Target

QUANTILES = 1000
"""How finely the delays of a run are told."""
_SCRIPT = """
local templates, number = {%(templates)s}, -1
function request()
  number = number + 1
  local template = templates[number %% #templates + 1]
  if #template == 1 then return template[1] end
  return template[1] .. string.format("%%0%(digits)dd", number) .. template[2]
end
function done(summary, latency)
  for step = 0, %(quantiles)d - 1 do
    io.write(string.format("delay %%d\\n", latency:percentile((step + 0.5) * 100 / %(quantiles)d)))
  end
end
"""


def get(program: str, target: Target, path: str, connections: int, seconds: float) -> Report:
    """GET one path as fast as it goes."""
    words = ["-H", f"Authorization: Bearer {target.token}"] if target.token else []
    return _run(program, target, connections, seconds, *words, path=path)


def send(program: str, target: Target, series: Series, connections: int, seconds: float) -> Report:
    """Send a series as fast as it goes."""
    templates = ", ".join(f"{{{', '.join(map(_text, template))}}}" for template in series.templates)
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_SCRIPT % {"templates": templates, "digits": Series.DIGITS, "quantiles": QUANTILES})
        script.flush()
        return _run(program, target, connections, seconds, "-s", script.name)


def _text(data: bytes) -> str:
    """A Lua string: letters as they are, everything else by its number."""
    return '"' + "".join(chr(byte) if chr(byte).isalnum() and byte < 128 else f"\\{byte:03}" for byte in data) + '"'


def _run(program: str, target: Target, connections: int, seconds: float, *words: str, path: str = "/") -> Report:
    url = f"{'https' if target.context else 'http'}://{target.host}:{target.port}{path}"
    command = [program, "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", *words, url]
    began, before = time.perf_counter(), os.times()
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    took, after = time.perf_counter() - began, os.times()
    spent = after.children_user - before.children_user + after.children_system - before.children_system
    rate = re.search(r"Requests/sec: +([\d.]+)", output)
    wrong = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    if rate is None:
        raise RuntimeError(f"wrk said: {output}")
    delays = [int(microseconds) / 1000 for microseconds in re.findall(r"^delay (\d+)$", output, re.MULTILINE)]
    return Report(float(rate[1]), delays, failures=int(wrong[1]) if wrong else 0, cores=spent / took)
