"""The check of custody on MicroPython within the heap of a small board, from `.mpy` files."""

from pathlib import Path

from bench import custody
from boards import micropython

# 64-bit words: about a sixth more than a board needs. The bench `node.custody.heap` searches for
# the least. It differs by up to 2 KiB with what else is in the heap, such as the path of the
# folder: so the check runs in the folder here, and its path is nowhere.
ENOUGH_KIB = 25
CHECK = "from _custody_check import check; check()"


def test_three_rsa_seals_are_checked_on_a_small_heap(tmp_path: Path) -> None:
    custody.write(custody.deploy(), tmp_path)
    done = micropython.run(
        ["-X", f"heapsize={ENOUGH_KIB}k", "-c", CHECK],
        environment={"MICROPYPATH": ".frozen"},
        folder=tmp_path,
    )
    assert done.returncode == 0, done


def test_a_board_loads_the_last_steps_after_the_signatures(tmp_path: Path) -> None:
    custody.write(custody.deploy(), tmp_path)
    loaded = "print('sealcore.content' in sys.modules)"
    code = f"import sys, sealcore.custody; {loaded}; {CHECK}; {loaded}"
    assert custody.run(tmp_path, code, custody.HEAP_KIB).split() == ["False", "True"]
