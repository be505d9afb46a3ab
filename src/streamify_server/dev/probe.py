"""Run in a process of its own: whether a handler can be loaded, told as one line of JSON on a descriptor.

If loading takes long, the stack of the main thread comes first. The end of the second descriptor ends the
process.

python probe.py app.handler 5 6
"""

import difflib
import faulthandler
import importlib
import importlib.util
import json
import os
import sys
import threading
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

_SLOW_SECONDS = 1.5
_DEBUGGERS = ("debugpy", "pydevd_pycharm")


def probe(handler: str) -> dict[str, Any]:
    """What is wrong with a handler: `problem` in a sentence, `trace` if its own code failed."""
    module_name, _, name = handler.replace("/", ".").rpartition(".")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and (module_name == error.name or module_name.startswith(error.name + ".")):
            return {"problem": f"there is no module {module_name!r} in {os.getcwd()}"}
        return _failed(module_name, error)
    except BaseException as error:  # KeyboardInterrupt and SystemExit are the module's own here
        return _failed(module_name, error)
    if not hasattr(module, name):
        near = difflib.get_close_matches(
            name, [key for key, value in vars(module).items() if callable(value)], 1
        )
        hint = f"; did you mean {module_name}.{near[0]}?" if near else ""
        return {"problem": f"the module {module_name!r} has no {name!r}{hint}"}
    if not callable(getattr(module, name)):
        return {"problem": f"{handler} is not a function, but of type {type(getattr(module, name)).__name__}"}
    return {}


def _failed(module_name: str, error: BaseException) -> dict[str, Any]:
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename != __file__ and "importlib" not in frame.filename
    ]
    lines = traceback.format_list(frames) + traceback.format_exception_only(error)
    return {"problem": f"the module {module_name!r} does not load", "trace": "".join(lines).rstrip()}


class _NoDebugger(ModuleType):
    """Stands for a debugger: nothing listens on the port that the function's own process needs, nor waits."""

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments, **options: None


def _python_start() -> Any:
    """The module that makes a function's process load its code as it is now."""
    file = Path(__file__).parent.parent / "local" / "sandbox" / "python_start.py"
    spec = importlib.util.spec_from_file_location("python_start", file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _end_with(descriptor: int) -> None:
    os.read(descriptor, 1)
    os._exit(1)


def main() -> NoReturn:
    """Probe the handler of the first argument; write the report to the descriptor of the second."""
    # The script's own directory must not be searched for the function's modules.
    del sys.path[0]
    sys.path.insert(0, os.getcwd())
    handler, report, alive = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    threading.Thread(target=_end_with, args=[alive], daemon=True).start()
    start = _python_start()
    sys.path_hooks.insert(0, start.fresh_hook(os.path.realpath(os.getcwd())))
    sys.path_importer_cache.clear()
    sys.meta_path.insert(0, start.PdbFinder)
    sys.modules.update({name: _NoDebugger(name) for name in _DEBUGGERS if importlib.util.find_spec(name)})
    faulthandler.dump_traceback_later(_SLOW_SECONDS, file=report)
    found = probe(handler)
    faulthandler.cancel_dump_traceback_later()
    os.write(report, b"\n" + json.dumps(found).encode())
    # Threads that the module started must not keep the process alive.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
