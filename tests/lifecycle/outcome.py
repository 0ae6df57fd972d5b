"""What a soak leaves: a summary, the traffic in each second as JSON and as a picture."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from triseal import files

if TYPE_CHECKING:
    from tests.lifecycle.parameters import Parameters
    from tests.lifecycle.soak import Result

DATA = Path("build") / "soak.json"
PICTURE = Path("build") / "soak.png"


def show(result: Result) -> None:
    """Print the summary."""
    print("\nfaults")
    for name, count in sorted(result.faults.items()):
        print(f"  {name:<36} {count:>10}")
    print("figures")
    for name, value in result.figures.items():
        print(f"  {name:<36} {value:>10,.0f}")
    print(f"  {'bytes on the wire':<36} {sum(result.traffic):>10,}")
    print("violations" if result.violations else "no violation")
    for kind, count in sorted(result.kinds.items()):
        print(f"  {kind:<36} {count:>10}")
    for sentence in result.violations:
        print(f"  {sentence}")
    print(f"traffic: {DATA}, {PICTURE}")


def write(traffic: list[int], parameters: Parameters) -> None:
    """Write both files."""
    seconds = list(range(len(traffic)))
    text = json.dumps({"seconds": seconds, "bytes": traffic, "parameters": asdict(parameters)})
    files.write(DATA, text.encode() + b"\n")
    files.write(PICTURE, _picture(seconds, traffic, parameters))


def _picture(seconds: list[int], traffic: list[int], parameters: Parameters) -> bytes:
    from io import BytesIO

    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 3.0), layout="constrained")
    axes = figure.subplots()
    axes.fill_between(
        seconds, [wire_bytes / 1024 for wire_bytes in traffic], step="post", color="#1b3a57"
    )
    axes.set_xlabel("seconds")
    axes.set_ylabel("KiB per second")
    axes.set_xlim(0, max(len(seconds) - 1, 1))
    axes.set_ylim(bottom=0)
    axes.set_title(
        f"{parameters.nodes} nodes with {parameters.services} services each,"
        f" seals of {parameters.lifetime} s, under faults"
    )
    data = BytesIO()
    figure.savefig(data, format="png", dpi=150)
    return data.getvalue()
