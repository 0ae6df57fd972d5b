"""Run the MicroPython in an image that is a module for this Python, as the wheel on PyPI has it.

python -I -S run_image.py IMAGE ARGUMENT...
"""

import sys
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_loader

if __name__ == "__main__":
    loader = ExtensionFileLoader("micropython_run", sys.argv.pop(1))
    spec = spec_from_loader("micropython_run", loader)
    if spec is None:
        raise SystemExit("no module")
    module = module_from_spec(spec)
    loader.exec_module(module)
    sys.exit(module.run_main(sys.argv))
