"""Try this checkout on a machine that has only what the README asks for.

    python3 tools/fresh.py trixie                           make demo and make test, as root
    python3 tools/fresh.py sid --variant blank --variant umask --demo
    python3 tools/fresh.py bookworm --keep build/bookworm   bootstrap once, copy it from then on

debootstrap makes a Debian under build/, an ordinary user of it clones the last commit, and the
output of `make` there goes to build/fresh/. Everything runs in namespaces of its own: at the end,
and when this process dies, the kernel ends every process of the machine and removes its mounts.
"""

import argparse
import configparser
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
DISTRIBUTIONS = ("bookworm", "trixie", "sid")
# The packages that the README asks for; ca-certificates bring the authorities of PyPI.
PACKAGES = ("python3", "python3-venv", "make", "git")
MIRROR = "http://deb.debian.org/debian"
PROGRAMS = {
    "debootstrap": "debootstrap",
    "git": "git",
    "unshare": "util-linux",
    "nsenter": "util-linux",
}
VARIANTS = {
    "blank": "a blank in the checkout's path",
    "locale": "LC_ALL=C",
    "no-openssl": "no openssl on PATH",
    "root": "as root",
    "twice": "two clones at once",
    "umask": "umask 077",
}
PERSON = "1000"
PATH = "/usr/local/bin:/usr/bin:/bin"
BUNDLE = "srv/triseal.bundle"
# Of the machine: kind, place, options.
MOUNTS = (
    ("proc", "proc", "nosuid"),
    ("devpts", "dev/pts", "newinstance,ptmxmode=0666,mode=0620,gid=5"),
    ("tmpfs", "dev/shm", "nosuid,nodev,mode=1777"),
)

# A company's computers may reach PyPI through a proxy, a mirror, or with their own authority.
CARRIED = re.compile(
    r"pip_(?!config_file$).+|(https?|ftp|all|no)_proxy|ssl_cert_(file|dir)"
    r"|(requests|curl)_ca_bundle|git_ssl_cainfo",
    re.IGNORECASE,
)
PIP_FILES = ("/etc/xdg/pip/pip.conf", "/etc/pip.conf", "~/.pip/pip.conf", "~/.config/pip/pip.conf")
PIP_SETTINGS = ("index-url", "extra-index-url", "trusted-host", "proxy", "cert", "client-cert")

NETWORK = ("/etc/resolv.conf", "/etc/hosts", "/etc/ssl/certs/ca-certificates.crt")

# The first process of the machine: it reaps orphaned processes, and ends with this tool.
FIRST = """
import signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
print("ready", flush=True)
sys.stdin.read()
"""
VERSIONS = "import platform, ssl; print(platform.python_version(), ssl.OPENSSL_VERSION, sep=', ')"


def stop(reason: str) -> NoReturn:
    """End the program with one line that gives the `reason`."""
    raise SystemExit(f"fresh: {reason}")


def check_host() -> None:
    """Stop unless this computer can make such a machine.

    Raises:
        SystemExit: with one line that says what to do.
    """
    if sys.platform != "linux":
        stop("needs Linux, because debootstrap runs nowhere else")
    if os.geteuid() != 0:
        stop("needs root: sudo make fresh DISTRIBUTION=trixie")
    for program, package in PROGRAMS.items():
        if shutil.which(program) is None:
            stop(f"no {program}: apt install {package}")


def heed(handler: Callable[[int, object], NoReturn] | signal.Handlers) -> None:
    """Set `handler` for the signals with which a person or the system ends a program."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, handler)


def interrupted(number: int, _: object) -> NoReturn:
    """End with one line that names the signal `number`; everything is cleaned up on the way."""
    heed(signal.SIG_IGN)
    stop(f"ended by {signal.Signals(number).name}")


# --- What the machine gets from this one ----------------------------------------------------------


def pip_settings(files: Sequence[Path]) -> dict[str, str]:
    """Return as variables what pip's configuration files say about the way to an index.

    Args:
        files: the configuration files.
    """
    found = {}
    for file in files:
        parser = configparser.RawConfigParser()
        with contextlib.suppress(configparser.Error):
            parser.read(file, encoding="utf-8")
        for section in ("global", "install"):
            for name in PIP_SETTINGS:
                value = parser.get(section, name, fallback="")
                # Folders of this computer are not in the machine.
                words = [word for word in value.split() if not word.startswith("file:")]
                if words:
                    found["PIP_" + name.upper().replace("-", "_")] = " ".join(words)
    return found


def carried(environment: Mapping[str, str], settings: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that the machine gets; folders of this computer are not among them.

    Args:
        environment: of this process.
        settings: from `pip_settings`.
    """
    chosen = {name: text for name, text in environment.items() if CARRIED.fullmatch(name)}
    return {
        name: text
        for name, text in {**settings, **chosen}.items()
        if name.upper() == "SSL_CERT_DIR" or not Path(text).is_dir()
    }


def copy_in(machine: Path, variables: Mapping[str, str]) -> None:
    """Copy files into the machine: those that name servers and authorities, and those that
    variables name.

    Args:
        machine: its folder.
        variables: that the machine gets.
    """
    named = [Path(text) for text in variables.values() if text.startswith("/")]
    for file in [*map(Path, NETWORK), *named]:
        if file.is_file():
            copy = machine / file.relative_to("/")
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.unlink(missing_ok=True)  # it may be a link that leads out of the machine
            shutil.copyfile(file, copy)
            copy.chmod(0o644)


# --- The machine ----------------------------------------------------------------------------------


@contextlib.contextmanager
def namespaces() -> Iterator[list[str]]:
    """Give the block mounts and processes of its own; nothing of them outlives it.

    Returns:
        The words before a command that run it there.
    """
    options = ["--mount", "--mount-proc", "--pid", "--fork", "--kill-child"]
    first = subprocess.Popen(
        ["unshare", *options, sys.executable, "-c", FIRST],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C ends this tool, and its end ends the machine
    )
    with first:
        if first.stdout is None or first.stdout.readline() != b"ready\n":
            stop("no namespaces here (its reason is above): this root may not mount")
        where = f"/proc/{first.pid}/ns"
        program = shutil.which("nsenter") or "nsenter"
        yield [program, f"--mount={where}/mnt", f"--pid={where}/pid_for_children", "--"]


def mounts_below(folder: Path, table: str) -> list[str]:
    """Return the mount points at or below a folder.

    Args:
        folder: the folder.
        table: text like that of /proc/self/mountinfo.
    """
    places = [
        re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), line.split()[4])
        for line in table.splitlines()
    ]
    return [place for place in places if Path(place).is_relative_to(folder)]


def remove(folder: Path, table: Path = Path("/proc/self/mountinfo")) -> None:
    """Remove a machine, unless something of this computer can be seen in it.

    Args:
        folder: the machine's.
        table: file with the mounts.

    Raises:
        SystemExit: something is mounted there.
    """
    mounts = table.read_text(encoding="utf-8", errors="surrogateescape")
    if mounted := mounts_below(folder.resolve(), mounts):
        stop(f"{mounted[-1]} is mounted: umount it, then remove {folder}")
    shutil.rmtree(folder)


def owned(folder: Path) -> Path:
    """Make `folder` if needed, and give it to the owner of the checkout, who is not root under
    sudo."""
    if not folder.is_dir():
        owner = ROOT.stat()
        folder.mkdir(parents=True)
        os.chown(folder, owner.st_uid, owner.st_gid)
    return folder


@contextlib.contextmanager
def temporary() -> Iterator[Path]:
    """Yield a folder under build/ that is deleted afterwards, whatever happens."""
    folder = Path(tempfile.mkdtemp(prefix="fresh-", dir=owned(BUILD)))
    try:
        yield folder
    finally:
        heed(signal.SIG_IGN)  # a second Ctrl-C would leave half of the machine behind
        remove(folder)


def bootstrap(enter: list[str], options: argparse.Namespace, machine: Path) -> None:
    """Make a Debian with only `PACKAGES` and the requested packages in a folder.

    Args:
        enter: words before a command that run it in the namespaces.
        options: of the command line.
        machine: the folder.
    """
    print(f"fresh: debootstrap {options.distribution} ...", flush=True)
    log = machine.with_name("debootstrap.log")
    command = ["debootstrap", "--variant=minbase", "--force-check-gpg"]
    command += [f"--include={','.join([*PACKAGES, *options.install])}"]
    command += [options.distribution, str(machine), options.mirror]
    with log.open("wb") as output:
        done = subprocess.run([*enter, *command], stdout=output, stderr=output, check=False)
    if done.returncode:
        sys.stderr.writelines(log.read_text(errors="replace").splitlines(keepends=True)[-10:])
        stop(f"debootstrap failed on {options.distribution} (its reason is above)")


def new_machine(enter: list[str], options: argparse.Namespace, folder: Path) -> Path:
    """Return a machine of the distribution in `folder`: copied from the one that is kept, or made.

    Args:
        enter: words before a command that run it in the namespaces.
        options: of the command line.
        folder: for the machine.
    """
    machine = folder / "machine"
    kept: Path | None = options.keep
    if kept is None or not kept.exists():
        bootstrap(enter, options, machine)
        if kept is None:
            return machine
        kept.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mv", "--no-target-directory", str(machine), str(kept)], check=True)
    command = ["cp", "--archive", "--reflink=auto", str(kept), str(machine)]
    subprocess.run([*enter, *command], check=True)
    return machine


class Machine:
    """A Debian in a folder, with the last commit of this checkout in a file.

    Attributes:
        variants: its words of `VARIANTS`.
        home: the folder of the user who runs everything, seen from within.
    """

    def __init__(self, enter: list[str], folder: Path, variants: Sequence[str]) -> None:
        self.variants = variants
        self.home = "/root" if "root" in variants else "/home/person"
        self._user = "0" if "root" in variants else PERSON
        self._folder = folder
        self._enter = enter
        # By its path: the variables of the machine's user don't lead to it.
        self._chroot = [*enter, shutil.which("chroot") or "chroot"]
        settings = pip_settings([Path(name).expanduser() for name in PIP_FILES])
        self._variables = carried(os.environ, settings)

    def prepare(self) -> None:
        """Mount what a running Debian has, make the user, copy the commit."""
        for kind, place, mode in MOUNTS:
            point = self._folder / place
            point.mkdir(exist_ok=True)
            command = ["mount", "--types", kind, "--options", mode, kind, str(point)]
            subprocess.run([*self._enter, *command], check=True)
        copy_in(self._folder, self._variables)
        # Not the checkout itself: git refuses to read a repository that another user owns.
        command = ["git", "bundle", "create", "--quiet", str(self._folder / BUNDLE), "HEAD"]
        subprocess.run(command, cwd=ROOT, check=True)
        self.ask("useradd", "--create-home", "--uid", PERSON, "person")
        if "no-openssl" in self.variants:
            (self._folder / "usr/bin/openssl").unlink()

    def ask(self, *command: str) -> str:
        """Run `command` as root of the machine, and return its output."""
        done = subprocess.run(
            [*self._chroot, str(self._folder), *command],
            env={"PATH": f"/usr/sbin:/sbin:{PATH}", "LANG": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def start(self, place: str, command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
        """Start a command as the user.

        Args:
            place: folder in the machine.
            command: program and arguments.
            log: file for its output.
        """
        user = [f"--userspec={self._user}:{self._user}", f"--groups={self._user}"]
        umask = "077" if "umask" in self.variants else "022"
        shell = ["/bin/sh", "-c", 'umask "$1" && cd "$2" && shift 2 && exec "$@"', "sh"]
        locale = {"LC_ALL": "C"} if "locale" in self.variants else {"LANG": "C.UTF-8"}
        with log.open("wb") as output:
            return subprocess.Popen(
                [*self._chroot, *user, str(self._folder), *shell, umask, place, *command],
                env={"HOME": self.home, "PATH": PATH, **locale, **self._variables},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )


# --- What runs there ------------------------------------------------------------------------------


def counts(log: str) -> str:
    """Return pytest's counts from the last line of `log`; "" if there is none."""
    found = re.findall(r"^=+ (\d+ \w+(?:, \d+ \w+)*) in [\d.]+s\b.*=+$", log, re.MULTILINE)
    return found[-1] if found else ""


def exceptions(log: str) -> list[str]:
    """Return the lines of pytest's summary in `log` about tests that did not pass; a skip has its
    reason."""
    return re.findall(r"^(?:SKIPPED|XFAIL|XPASS|FAILED|ERROR) .+$", log, re.MULTILINE)


def tell(name: str, status: int, seconds: float, log: Path) -> None:
    """Print how a command ended: tests that did not pass, or its last lines if it failed.

    Args:
        name: of the command.
        status: its exit status.
        seconds: that it took.
        log: file with its output.
    """
    text = log.read_text(encoding="utf-8", errors="replace")
    verdict = "passed" if status == 0 else f"failed with status {status}"
    print(f"fresh: {name}: {verdict} in {seconds:.0f} s  {counts(text)}".rstrip())
    for line in exceptions(text) or (text.splitlines()[-20:] if status else []):
        print(f"    {line}")
    if status:
        print(f"    all that it printed: {log}")
    sys.stdout.flush()


def run(machine: Machine, name: str, places: Mapping[Path, str], command: Sequence[str]) -> bool:
    """Run a command in each place at once and say how it ended.

    Args:
        machine: where.
        name: for people.
        places: a folder of the machine for each log.
        command: the program and its arguments.

    Returns:
        Whether it passed everywhere.
    """
    print(f"fresh: {name} ...", flush=True)
    begun = time.monotonic()
    running = [(log, machine.start(place, command, log)) for log, place in places.items()]
    statuses = []
    for log, process in running:
        statuses.append(process.wait())
        tell(name, statuses[-1], time.monotonic() - begun, log)
    return not any(statuses)


def run_all(machine: Machine, options: argparse.Namespace) -> bool:
    """Clone and run the two commands, and return whether both passed in each clone.

    Args:
        machine: where.
        options: of the command line.
    """
    name = "my triseal" if "blank" in machine.variants else "triseal"
    clones = [name, f"{name}-2"] if "twice" in machine.variants else [name]
    logs = owned(BUILD / "fresh")
    passed = True
    for clone in clones:
        command = ["git", "clone", "--quiet", f"/{BUNDLE}", clone]
        if machine.start(machine.home, command, logs / "clone.log").wait():
            stop(f"git clone failed: {(logs / 'clone.log').read_text().strip()}")
    commands = [["make", "demo"], ["make", "test", f"ARGS={options.tests}"]]
    for command in commands[: 1 if options.demo else 2]:
        label = "-".join([options.distribution, *machine.variants, command[1]])
        places = {
            logs / f"{label}{number or ''}.log": f"{machine.home}/{clone}"
            for number, clone in enumerate(clones)
        }
        passed = run(machine, " ".join(command[:2]), places, command) and passed
    return passed


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse the `arguments`, which the docstring of the module explains."""
    parser = argparse.ArgumentParser(
        prog="fresh.py", description="make demo and make test on a new Debian, as root"
    )
    parser.add_argument("distribution", choices=DISTRIBUTIONS)
    variants = ", ".join(f"{name} ({text})" for name, text in VARIANTS.items())
    parser.add_argument(
        "--variant",
        action="append",
        default=[],
        choices=VARIANTS,
        help=f"may be repeated: {variants}",
    )
    parser.add_argument("--install", action="append", default=[], help="one more Debian package")
    parser.add_argument("--demo", action="store_true", help="make demo only")
    parser.add_argument("--tests", default="", help='arguments of pytest, "-k name"')
    parser.add_argument("--keep", type=Path, help="a bootstrapped folder: made once, then copied")
    parser.add_argument("--mirror", default=MIRROR, help=f"where packages come from ({MIRROR})")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """Run as a command; the docstring of the module explains the `arguments`."""
    options = parse(arguments)
    # Where debootstrap and chroot are; `su` leaves these folders out.
    os.environ["PATH"] = f"{os.environ.get('PATH', PATH)}:/usr/sbin:/sbin"
    check_host()
    heed(interrupted)
    os.umask(0o022)
    with temporary() as folder, namespaces() as enter:
        machine = Machine(enter, new_machine(enter, options, folder), sorted(set(options.variant)))
        machine.prepare()
        versions = machine.ask("python3", "-c", VERSIONS)
        print(
            f"fresh: {', '.join([options.distribution, versions, *machine.variants])}", flush=True
        )
        passed = run_all(machine, options)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
