"""Build the documents and the API reference as a site: `python -m docs.build` writes build/docs.

The documents live in the folders that they describe. MkDocs wants them in one folder, so this
module copies them there with the folders' own structure: links between them stay as they are.
A link that leads nowhere, a page that no menu lists and a docstring that can't be read are errors.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from docs import screenshots

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / "build"
SOURCES = BUILD / "docs-src"
SITE = BUILD / "docs"
CONFIGURATION = Path(__file__).with_name("mkdocs.yml")

# Pages of the API reference: a title, and the modules whose public names it lists.
REFERENCE = {
    "sealcore": ("sealcore.custody", "sealcore.content", "sealcore.upstream", "sealcore.seal",
                 "sealcore.bundle", "sealcore.x509",
                 "sealcore.rsa", "sealcore.p256", "sealcore.renewal", "sealcore.grants",
                 "sealcore.messages", "sealcore.errors"),
    "triseal": ("triseal.developer.sign", "triseal.store.intake", "triseal.site.manager",
                "triseal.site.fleet", "triseal.package", "triseal.metadata", "triseal.evidence",
                "triseal.errors", "triseal.testing"),
    "boards": ("boards.board", "boards.provision", "boards.errors"),
}  # fmt: skip

# A link to a file that is no page, such as an example or the licence: it is copied beside them.
_LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)(?:#[^)]*)?\)")
_SKIPPED = frozenset({
    ".venv", "build", "dist", "node_modules", ".pytest_cache", ".git", ".github",
})  # fmt: skip


def pages() -> list[Path]:
    """All Markdown files of the repository, relative to its root."""
    found = []
    for folder, inner, names in os.walk(ROOT):
        # Folders with thousands of files that are not the project's are never looked into.
        inner[:] = [name for name in inner if name not in _SKIPPED]
        place = Path(folder).relative_to(ROOT)
        found += [place / name for name in names if name.endswith(".md")]
    return sorted(found)


def linked_files(page: Path) -> list[Path]:
    """Files other than pages that a page links to, relative to the root of the repository.

    Args:
        page: the page, relative to the root.

    Raises:
        SystemExit: a link names something that does not exist.
    """
    found = []
    for target in _LINK.findall((ROOT / page).read_text(encoding="utf-8")):
        path = (ROOT / page).parent / target
        if not path.exists():
            raise SystemExit(f"docs: {page} links to {target}, which does not exist")
        if path.is_file() and path.suffix != ".md":
            found.append(path.resolve().relative_to(ROOT))
    return found


def gather() -> None:
    """Copy the pages and what they link to into build/docs-src, and write the reference."""
    shutil.rmtree(SOURCES, ignore_errors=True)
    for page in pages():
        for relative in [page, *linked_files(page)]:
            target = SOURCES / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / relative, target)
    screenshots.write(SOURCES / "host" / "store-pages.md")
    for name, modules in REFERENCE.items():
        lines = [f"# API of `{name}`", *(f"::: {module}" for module in modules)]
        target = SOURCES / "reference" / f"{name}.md"
        target.parent.mkdir(exist_ok=True)
        target.write_text("\n\n".join(lines) + "\n", encoding="utf-8")


def main() -> int:
    """Run as a command; the exit status is that of MkDocs."""
    gather()
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--clean"]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    command += ["--config-file", str(CONFIGURATION), "--site-dir", str(SITE)]
    finished = subprocess.run(command, cwd=ROOT, env=environment, check=False)
    if finished.returncode == 0:
        print(f"docs: {SITE.relative_to(ROOT)}/index.html")
    return finished.returncode


if __name__ == "__main__":
    sys.exit(main())
