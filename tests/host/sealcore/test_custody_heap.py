"""The check of custody on MicroPython within the heap of a small board, from `.mpy` files."""

from pathlib import Path

from bench import custody

# 64-bit words: about a sixth more than a board needs. The bench `node.custody.heap` searches for
# the least.
ENOUGH_KIB = 24
CHECK = "from _custody_check import check; check()"


def test_three_rsa_seals_are_checked_on_a_small_heap(tmp_path: Path) -> None:
    custody.write(custody.deploy(), tmp_path)
    custody.run(tmp_path, CHECK, ENOUGH_KIB)


def test_a_board_loads_the_last_steps_after_the_signatures(tmp_path: Path) -> None:
    custody.write(custody.deploy(), tmp_path)
    loaded = "print('sealcore.content' in sys.modules)"
    code = f"import sys, sealcore.custody; {loaded}; {CHECK}; {loaded}"
    assert custody.run(tmp_path, code, custody.HEAP_KIB).split() == ["False", "True"]
