"""`triseal sim`: simulate a site's renewals, plan a site, compare a live run with the model."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec, TypeVar, get_type_hints

import typer

from triseal.cli import options, output
from triseal.sim import extra
from triseal.sim.errors import ParameterError
from triseal.sim.parameters import Parameters

if TYPE_CHECKING:  # these need NumPy, and --help must not
    from triseal.sim.plan import Plan
    from triseal.sim.traffic import Traffic

app = typer.Typer()

_HELP = {
    "nodes": "Number of nodes of the site.",
    "services": "Number of services on each node, at most 64.",
    "lifetime": "Lifetime of a site seal, seconds.",
    "share": "Backoff share, thousandths of the lifetime; 0 renews at expiry.",
    "rule": "Renewal rule: triseal, early, step-ca, spire or spire-polled.",
    "companions": "Seals that a node renews together: one-draw, own-draws or none.",
    "churn": "Probability that a node drops out in a second.",
    "offline_min": "Shortest outage, seconds.",
    "offline_max": "Longest outage, seconds.",
    "payload_min": "Smallest size of the grants in a seal, bytes.",
    "payload_max": "Largest size of the grants in a seal, bytes.",
    "reconnect": "Services that a returning node renews: due, or all as in the paper.",
    "format": "Form of a renewal: certificate as in the paper, seal or delta.",
    "duration": "Length of one run, seconds.",
    "runs": "Number of independent runs.",
    "seed": "Seed of the random numbers; equal seeds give equal results.",
}

P = ParamSpec("P")
R = TypeVar("R")

Folder = Annotated[
    Path, typer.Option("--out", help="Folder to write files to.", metavar="DIR", readable=False)
]


def _command(function: Callable[P, R]) -> Callable[P, R]:
    """Check for the extra `sim` first, and report a parameter out of its range as wrong usage."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        extra.require()
        try:
            return function(*args, **kwargs)
        except ParameterError as error:
            raise typer.BadParameter(str(error)) from None

    return run


@contextmanager
def _progress(what: str) -> Iterator[Callable[[float], None]]:
    """Show a progress bar on stderr if that is a terminal, and remove it at the end."""
    from rich.console import Console  # slow to load, and --help needs none of it
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=1.0)
        yield lambda done: bar.update(task, completed=done)


def _rate(value: float) -> str:
    for unit in ("bytes/s", "KB/s", "MB/s"):
        if value < 1000:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} GB/s"


def _parameter_options(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command one option for each of `Parameters`, with the defaults from there."""
    types = get_type_hints(Parameters)
    options = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=getattr(Parameters, name),
            annotation=Annotated[types[name], typer.Option(help=text)],
        )
        for name, text in _HELP.items()
    ]
    declared = inspect.signature(function, eval_str=True).parameters.values()
    own = [p for p in declared if p.kind != p.VAR_KEYWORD]
    function.__signature__ = inspect.Signature(options + own)  # type: ignore[attr-defined]
    return function


@app.command(
    epilog=options.examples(
        "sim run --share 0 --reconnect all --format certificate",
        "sim run --nodes 1000 --runs 1 --peak-per-second --json",
    )
)
@_parameter_options
@_command
def run(
    *,
    peak_per_second: Annotated[
        bool, typer.Option("--peak-per-second", help="Also print the highest run of each second.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Write the result as JSON to this file.", readable=False)
    ] = None,
    as_json: options.Json = False,
    **told: Any,
) -> None:
    """Simulate a site's renewals and describe the traffic."""
    from triseal.sim import boxes, results, traffic

    with _progress("simulating") as progress:
        simulated = traffic.simulate(Parameters(**told), progress)
    summary = boxes.summary(simulated)
    peaks = simulated.wire_bytes.max(axis=0).tolist() if peak_per_second else []
    if peak_per_second:
        summary["peak_per_second"] = peaks
    if out:
        results.write_json(out, summary)
    if as_json:
        output.facts(summary, as_json=True)
    else:
        _print_run(simulated)
        _print_peaks(peaks)


def _print_run(simulated: Traffic) -> None:
    from triseal.sim import boxes

    box = boxes.box(simulated.wire_bytes)
    quantiles = boxes.percentiles(simulated.wire_bytes)
    output.facts(
        {
            "renewals": f"{simulated.renewals:,} ({simulated.expired:,} after expiry)",
            "total": f"{int(simulated.wire_bytes.sum()):,} bytes in "
            f"{simulated.parameters.runs} runs",
            "average": _rate(box.average),
            "all seconds": ", ".join(f"{k} {_rate(v)}" for k, v in quantiles.items()),
            "seconds with traffic": f"{box.seconds:,}: quartiles {_rate(box.q1)}, "
            f"{_rate(box.median)}, {_rate(box.q3)}, mean {_rate(box.mean)}",
            "peak": _rate(box.maximum),
            "signatures": f"{simulated.signatures.mean():.3g}/s, peak "
            f"{int(simulated.signatures.max())}/s",
        },
        as_json=False,
    )


def _print_peaks(peaks: list[int]) -> None:
    if peaks:
        typer.echo("second  bytes")
    for second, size in enumerate(peaks):
        if size:
            typer.echo(f"{second:>6}  {size}")


@app.command(epilog=options.examples("sim fig3 --out build"))
@_command
def fig3(out: Folder = Path("build"), as_json: options.Json = False) -> None:
    """Reproduce the paper's third figure and check its statements. Writes fig3.json, .png, .svg."""
    from dataclasses import asdict

    from triseal.sim import fig3 as figure

    statements = figure.make(out)
    if as_json:
        output.facts({"statements": [asdict(s) for s in statements]}, as_json=True)
    else:
        figure.tell(statements)


@app.command(epilog=options.examples("sim study --out build"))
@_command
def study(out: Folder = Path("build"), as_json: options.Json = False) -> None:
    """Study the design space: lifetime, share, rule, size. Writes study.json, .png, .svg."""
    from triseal.sim import results, study_plots
    from triseal.sim import study as design

    with _progress("studying") as progress:
        result = design.run(Parameters(), progress)
    results.write_json(out / "study.json", result.as_dict())
    written = study_plots.draw(result, out / "study.png")
    if as_json:
        output.facts(result.as_dict(), as_json=True)
    else:
        for line in design.tell(result):
            typer.echo(line)
        typer.echo(f"pictures: {', '.join(map(str, written))}")


@app.command(
    epilog=options.examples(
        "sim plan --nodes 15 --services 30",
        "sim plan --nodes 2500 --services 40 --change-within 3600 --churn 1e-6 --link 1250000",
    )
)
@_command
def plan(
    nodes: Annotated[int, typer.Option(help=_HELP["nodes"])],
    services: Annotated[int, typer.Option(help=_HELP["services"])],
    change_within: Annotated[
        int, typer.Option(help="Longest time for a change to reach an unreachable node, seconds.")
    ] = 5000,
    availability: Annotated[
        float, typer.Option(help="Share of time in which a service must have a valid seal.")
    ] = 0.998,
    churn: Annotated[float, typer.Option(help=_HELP["churn"])] = Parameters.churn,
    offline_max: Annotated[int, typer.Option(help=_HELP["offline_max"])] = Parameters.offline_max,
    cores: Annotated[int, typer.Option(help="Number of cores that may sign.")] = 2,
    link: Annotated[
        int | None, typer.Option(help="Bytes per second that the site's link carries.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Recommend settings for a site and show their costs."""
    from triseal.sim import plan as planning

    wish = planning.Wish(
        nodes, services, change_within, availability, churn, offline_max, cores, link
    )
    with _progress("planning") as progress:
        made = planning.make(wish, progress)
    if as_json:
        output.facts(made.as_dict(), as_json=True)
    else:
        _print_plan(made)


def _print_plan(made: Plan) -> None:
    back = made.recovery
    output.facts(
        {
            "lifetime": f"{made.lifetime} s: no change takes longer, to any node; the site's "
            "setting --lifetime",
            "connect spread": f"{made.spread} s after boot: the node's setting --spread",
            "database": f"{made.database} ({made.signatures['peak']:.0f} writes/s at the peak; "
            f"one SQLite here commits {made.machine.commits:.0f})",
            "traffic": f"{_rate(made.wire_bytes['average'])} on average "
            f"({made.gigabytes_a_day:.3g} GB a day), p99.9 {_rate(made.wire_bytes['p99.9'])}, "
            f"peak {_rate(made.wire_bytes['p100'])}",
            "signing": f"{made.signatures['average']:.3g}/s, {made.cores:.2g} of a core",
            "availability": f"services stand still {made.stopped:.2g} of the time; in an outage "
            f"{made.expiring:.1%} of the seals expire",
            "power outage": f"all back after {back.last} s; {_rate(back.peak_bytes)}, "
            f"{back.peak_handshakes} handshakes/s and {back.peak_signatures} signatures/s "
            f"at the peak",
        },
        as_json=False,
    )
    for note in made.notes:
        typer.echo(f"note: {note}")


def _counted(renewals: int | None) -> str:
    return "not counted" if renewals is None else str(renewals)


@app.command(epilog=options.examples("sim compare build/soak-traffic.json"))
@_command
def compare(
    live: Annotated[
        Path,
        typer.Argument(
            help="JSON file with the traffic of a live run.", metavar="FILE", readable=False
        ),
    ],
    out: Folder = Path("build"),
    as_json: options.Json = False,
) -> None:
    """Compare a live run with its simulation. Writes compare.json, .png, .svg.

    The file: {"seconds": [...], "bytes": [...], "parameters": {"nodes": 5, "lifetime": 60, ...}}.
    """
    from triseal.sim import reality, results

    run_ = reality.load(live)
    comparison, simulated = reality.compare(run_)
    results.write_json(out / "compare.json", comparison.as_dict())
    written = reality.draw(run_, simulated, comparison, out / "compare.png")
    if as_json:
        output.facts(comparison.as_dict(), as_json=True)
        return
    far, active = comparison.all_seconds, comparison.active_seconds
    output.facts(
        {
            "total": f"{comparison.live_total} bytes live, "
            f"{comparison.simulated_total:.0f} simulated",
            "renewals": f"{_counted(comparison.live_renewals)} live, "
            f"{comparison.simulated_renewals:.0f} simulated",
            "all seconds": f"Wasserstein {far.wasserstein:.3g} bytes/s, {far.relative:.1%} of the "
            f"mean (chance alone {comparison.by_chance:.1%}); Kolmogorov-Smirnov "
            f"{far.kolmogorov_smirnov:.3f}",
            "seconds with traffic": f"Wasserstein {active.wasserstein:.3g} bytes/s, "
            f"{active.relative:.1%} of the mean; Kolmogorov-Smirnov "
            f"{active.kolmogorov_smirnov:.3f}",
            "pictures": ", ".join(map(str, written)),
        },
        as_json=False,
    )
