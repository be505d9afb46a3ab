"""Started by streamify-wrapper instead of the managed runtime's bootstrap.

It is next to the runtime: /opt/streamify/launch.py in the layer, streamify_server/deploy/launch.py in a
package. The runtime must be imported before anything of the function.
"""

import os
import sys
from importlib.machinery import ModuleSpec, PathFinder

HERE = os.path.dirname(os.path.abspath(__file__))
IN_LAYER = os.path.basename(HERE) == "streamify"
OPT = os.path.dirname(HERE) if IN_LAYER else "/opt"
# In the layer, the runtime's dependencies are next to this file, where functions do not find them.
FOLDERS = [HERE, f"{OPT}/python"] if IN_LAYER else [os.path.dirname(os.path.dirname(HERE))]
PACKAGES = {"streamify_server", "awslambdaric", "simplejson"}


class Ours:
    """Finds only the runtime's packages, in the runtime's folders."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        return PathFinder.find_spec(name, FOLDERS) if name in PACKAGES else None


def start() -> None:
    """Import the runtime, set the search path of the managed runtime, and run the function."""
    # Where Python has put this file's folder belongs that of the managed bootstrap.
    if not sys.flags.safe_path:
        del sys.path[0]
    if folder := os.environ.get("LAMBDA_RUNTIME_DIR"):
        sys.path.insert(0, folder)
    sys.meta_path.insert(0, Ours)
    from streamify_server.runtime import startup

    runtime = startup.prepare()
    sys.meta_path.remove(Ours)
    if IN_LAYER:
        for name in [name for name in sys.modules if name.partition(".")[0] == "simplejson"]:
            del sys.modules[name]  # a function with its own copy finds that one
        if not os.path.exists(startup.__spec__.cached or ""):
            version = f"{sys.version_info[0]}.{sys.version_info[1]}"
            print(
                f"streamify-wrapper: this layer has no bytecode for Python {version}, which makes starts "
                "slow; build one that has",
                flush=True,
            )
    globals()["awslambdaricmain"] = runtime.main  # tracers look for it here
    startup.add_function_folders(OPT)
    runtime.run(os.environ["_HANDLER"])


if __name__ == "__main__":
    start()
