"""Where a graph comes from: a file that python -m infra.graph has printed, or a stack, recorded now."""

from pathlib import Path

from infra.graph import Graph, InvalidGraph


def find_graph(name: str) -> Graph:
    """A stored graph where the name is a file's, else the stack's. Raises InvalidGraph or RecordingError."""
    if is_file(name):
        return read_graph(Path(name))
    # Recording needs Pulumi's packages, reading a graph does not.
    from infra.recording.program import record

    return record(name)


def is_file(name: str) -> bool:
    """Whether a stored graph is meant, there or not; else it is a stack's name, or a commit's."""
    path = Path(name)
    return path.suffix == ".json" or path.is_file() or path.is_absolute()


def read_graph(path: Path) -> Graph:
    """A stored graph. Raises InvalidGraph."""
    try:
        return Graph.from_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidGraph(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InvalidGraph(f"{path} is no text: record a graph with python -m infra.graph") from None
    except InvalidGraph as error:
        raise InvalidGraph(f"{path}: {error}") from None
