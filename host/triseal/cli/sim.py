"""`triseal sim`: simulate a site's renewals, plan one, hold a live run against the model."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec, TypeVar, get_type_hints

import typer
from rich.console import Console
from rich.progress import Progress

from triseal.cli import options, output
from triseal.sim import extra
from triseal.sim.errors import ParameterError
from triseal.sim.parameters import Parameters

if TYPE_CHECKING:  # these need NumPy, and help must not
    from triseal.sim.plan import Plan
    from triseal.sim.traffic import Traffic

app = typer.Typer()

_HELP = {
    "nodes": "Nodes of the site.",
    "services": "Services on each node, up to 64.",
    "lifetime": "Of a site seal, seconds.",
    "share": "Backoff, thousandths of the lifetime; 0: renew at expiry.",
    "rule": "When to renew: triseal, early, step-ca, spire or spire-polled.",
    "churn": "Probability that a node drops out, each second.",
    "offline_min": "Shortest outage, seconds.",
    "offline_max": "Longest outage, seconds.",
    "payload_min": "Fewest octets of grants in a seal.",
    "payload_max": "Most octets of grants in a seal.",
    "reconnect": "What a returning node renews: due, or all as in the paper.",
    "format": "On the wire: certificate as in the paper, seal or delta.",
    "duration": "Of one run, seconds.",
    "runs": "Independent runs.",
    "seed": "Equal seeds give equal results.",
}

P = ParamSpec("P")
R = TypeVar("R")

Folder = Annotated[
    Path, typer.Option("--out", help="Folder for files.", metavar="DIR", readable=False)
]


def _command(function: Callable[P, R]) -> Callable[P, R]:
    """Ask for the extra first; a parameter out of its range is wrong usage."""

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
    """A bar on stderr, only where somebody watches; gone when done."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=1.0)
        yield lambda done: bar.update(task, completed=done)


def _octets(value: float) -> str:
    for unit in ("octets/s", "KB/s", "MB/s"):
        if value < 1000:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} GB/s"


def _parameter_options(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for each of `Parameters`: their defaults stand there alone."""
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
        bool, typer.Option("--peak-per-second", help="Also give the highest run of each second.")
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
    peaks = simulated.octets.max(axis=0).tolist() if peak_per_second else []
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

    box = boxes.box(simulated.octets)
    quantiles = boxes.percentiles(simulated.octets)
    output.facts(
        {
            "renewals": f"{simulated.renewals:,} ({simulated.expired:,} after expiry)",
            "total": f"{int(simulated.octets.sum()):,} octets in {simulated.parameters.runs} runs",
            "average": _octets(box.average),
            "all seconds": ", ".join(f"{k} {_octets(v)}" for k, v in quantiles.items()),
            "seconds with traffic": f"{box.seconds:,}: quartiles {_octets(box.q1)}, "
            f"{_octets(box.median)}, {_octets(box.q3)}, mean {_octets(box.mean)}",
            "peak": _octets(box.maximum),
            "signatures": f"{simulated.signatures.mean():.3g}/s, peak "
            f"{int(simulated.signatures.max())}/s",
        },
        as_json=False,
    )


def _print_peaks(peaks: list[int]) -> None:
    if peaks:
        typer.echo("second  octets")
    for second, octets in enumerate(peaks):
        if octets:
            typer.echo(f"{second:>6}  {octets}")


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
        found = design.run(Parameters(), progress)
    results.write_json(out / "study.json", found.as_dict())
    written = study_plots.draw(found, out / "study.png")
    if as_json:
        output.facts(found.as_dict(), as_json=True)
    else:
        for line in design.tell(found):
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
        int, typer.Option(help="Longest that a change may take to reach an unreachable node, s.")
    ] = 5000,
    availability: Annotated[
        float, typer.Option(help="Share of time that a service's seal lets it run.")
    ] = 0.999,
    churn: Annotated[float, typer.Option(help=_HELP["churn"])] = Parameters.churn,
    offline_max: Annotated[int, typer.Option(help=_HELP["offline_max"])] = Parameters.offline_max,
    cores: Annotated[int, typer.Option(help="Cores that may sign.")] = 2,
    link: Annotated[
        int | None, typer.Option(help="Octets per second that the site's link carries.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Recommend settings for a site and say what they cost."""
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
            "lifetime": f"{made.lifetime} s: no change takes longer, to any node",
            "backoff share": f"{made.share / 10:g} % of the lifetime",
            "connect spread": f"{made.spread} s after boot",
            "database": f"{made.database} ({made.signatures['peak']:.0f} writes/s at the peak; "
            f"one SQLite here commits {made.machine.commits:.0f})",
            "traffic": f"{_octets(made.octets['average'])} on average "
            f"({made.gigabytes_a_day:.3g} GB a day), p99.9 {_octets(made.octets['p99.9'])}, "
            f"peak {_octets(made.octets['p100'])}",
            "signing": f"{made.signatures['average']:.3g}/s, {made.cores:.2g} of a core",
            "availability": f"services stand still {made.stopped:.2g} of the time; in an outage "
            f"{made.expiring:.1%} of the seals expire",
            "power outage": f"all back after {back.last} s; {_octets(back.peak_octets)}, "
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
            help="Traffic per second of a live run, JSON.", metavar="FILE", readable=False
        ),
    ],
    out: Folder = Path("build"),
    as_json: options.Json = False,
) -> None:
    """Hold a live run against the simulation. Writes compare.json, .png, .svg.

    The file: {"seconds": [...], "bytes": [...], "parameters": {"nodes": 5, "lifetime": 60, ...}}.
    """
    from triseal.sim import reality, results

    run_ = reality.load(live)
    found, simulated = reality.compare(run_)
    results.write_json(out / "compare.json", found.as_dict())
    written = reality.draw(run_, simulated, found, out / "compare.png")
    if as_json:
        output.facts(found.as_dict(), as_json=True)
        return
    far, active = found.all_seconds, found.active_seconds
    output.facts(
        {
            "total": f"{found.live_total} octets live, {found.simulated_total:.0f} simulated",
            "renewals": f"{_counted(found.live_renewals)} live, "
            f"{found.simulated_renewals:.0f} simulated",
            "all seconds": f"Wasserstein {far.wasserstein:.3g} octets/s, {far.relative:.1%} of the "
            f"mean (chance alone {found.by_chance:.1%}); Kolmogorov-Smirnov "
            f"{far.kolmogorov_smirnov:.3f}",
            "seconds with traffic": f"Wasserstein {active.wasserstein:.3g} octets/s, "
            f"{active.relative:.1%} of the mean; Kolmogorov-Smirnov "
            f"{active.kolmogorov_smirnov:.3f}",
            "pictures": ", ".join(map(str, written)),
        },
        as_json=False,
    )
