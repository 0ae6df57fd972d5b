"""P-256 on MicroPython within the heap of a small board, from `.mpy` files."""

import pytest

from bench._device import Stage

# 64-bit words: about twice what a board needs. The goal is 48.
ENOUGH_KIB = 36


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """Everything compiled."""
    return Stage(tmp_path_factory.mktemp("mpy"), "_p256_device")


def test_a_first_verification_fits_a_small_heap(stage: Stage) -> None:
    stage.run("from bench import _p256_device; _p256_device.first()", ENOUGH_KIB)


def test_making_a_key_and_signing_fits_a_small_heap(stage: Stage) -> None:
    code = "import os; from sealcore import p256_sign; p256_sign.generate(os.urandom).sign(b'')"
    stage.run(code, ENOUGH_KIB)


def test_verification_loads_no_code_for_signing(stage: Stage) -> None:
    code = (
        "import sys; from bench import _p256_device; _p256_device.first(); "
        "print(*sorted(name for name in sys.modules if 'sealcore.' in name))"
    )
    loaded = set(stage.run(code, ENOUGH_KIB).split())
    assert "sealcore.p256" in loaded
    assert not {"sealcore.p256_sign", "sealcore.encode"} & loaded
