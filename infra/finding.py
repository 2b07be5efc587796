"""Where a graph comes from: a file that python -m infra.graph has printed, or a stack, recorded now."""

from pathlib import Path

from infra.graph import Graph, InvalidGraph


def find_graph(name: str) -> Graph:
    """A stored graph where the name is a file's, else the stack's. Raises InvalidGraph or RecordingError."""
    path = Path(name)
    if path.suffix == ".json" or path.exists():
        return read_graph(path)
    # Recording needs Pulumi's packages, reading a graph does not.
    from infra.recording.program import record

    return record(name)


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
