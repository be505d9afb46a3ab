"""A script that tests whether a handler can be loaded: `python probe.py app.handler 5 6`.

It writes the result as one line of JSON to the first descriptor, preceded by the stack of the main thread if
loading takes long. When the second descriptor is closed, the process exits.
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
    """Return what is wrong with a handler: `problem` as a sentence, and `trace` if its own code failed."""
    module_name, _, name = handler.replace("/", ".").rpartition(".")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and (module_name == error.name or module_name.startswith(error.name + ".")):
            return {"problem": f"there is no module {module_name!r} in {os.getcwd()}"}
        return _failed(module_name, error)
    except BaseException as error:  # the module may raise SystemExit or KeyboardInterrupt
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
    """Replaces a debugger, so that nothing takes the port that the function's process needs, or waits."""

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments, **options: None


def _python_start() -> Any:
    """Load python_start.py, for the finders with which function processes import."""
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
    """Probe the handler in the first argument and write the result to the descriptor in the second."""
    # The directory of this script must not be searched for the function's modules.
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
    # Without waiting for threads that the module has started.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
