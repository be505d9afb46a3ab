"""Checks whether the current code of a function can be loaded, and reports the result on the terminal."""

from streamify_server.local.functions import Function

from .check import Check, Problem
from .terminal import DevError, Terminal

# How long to wait for a module to load before it is served anyway.
_PATIENCE = 2.0


class Loader:
    """Keeps track of whether the current code of a function can be loaded.

    Args:
        function: The function.
        terminal: Where to report it.
        reload: Whether the code is loaded again when a file is saved.
        shown: The traces that were shown since the last save, for functions that share a module.
    """

    def __init__(self, function: Function, terminal: Terminal, reload: bool, shown: set[str]) -> None:
        self._shown = shown
        self.function = function
        self._terminal = terminal
        self._reload = reload
        self._check = Check(function)
        self._told_slow = False
        self._told = False

    def wait(self, until_loaded: bool) -> None:
        """Wait for the result, or only for a moment.

        Raises:
            DevError: It cannot be loaded, and it is not reloaded or the problem is not in its own code.
        """
        self._check.wait(_PATIENCE)
        while until_loaded and not self._check.over:
            self._tell_slow()
            self._check.wait(1.0)
        problem = self._check.problem
        if problem and not (problem.trace and self._reload):
            raise DevError(self._sentence(problem))

    def start(self) -> None:
        """Load the code again."""
        self.stop()
        self._shown.clear()
        self._check = Check(self.function)
        self._told_slow = self._told = False

    def stop(self) -> None:
        self._check.stop()

    def look(self) -> None:
        """Print the result once there is one, or that loading is slow."""
        self._check.look()
        if not self._check.over:
            return self._tell_slow()
        if self._told:
            return None
        self._told = True
        if problem := self._check.problem:
            self._tell(problem)
        elif self._told_slow:
            self._terminal.echo(f"{self.function.handler} is loaded.")
        return None

    def _tell(self, problem: Problem) -> None:
        if problem.trace and problem.trace in self._shown:
            sentence = f"The handler {self.function.handler} cannot be loaded either."
            return self._terminal.echo(self._terminal.style(sentence, "red"))
        self._shown.add(problem.trace)
        self._terminal.echo(self._terminal.style(self._sentence(problem), "red"))
        return self._terminal.echo("It is loaded again at the next change.")

    def _tell_slow(self) -> None:
        where = self._check.slow
        if where is not None and not self._told_slow:
            self._told_slow = True
            at = f", at {where}" if where else ""
            save = " Save a file to start anew." if self._reload else ""
            slow = f"{self.function.handler} is still loading{at}; invocations wait for it.{save}"
            self._terminal.echo(self._terminal.style(slow, "yellow"))

    def _sentence(self, problem: Problem) -> str:
        trace = f"\n\n{problem.trace}" if problem.trace else ""
        return f"The handler {self.function.handler} cannot be loaded: {problem.sentence}.{trace}"
