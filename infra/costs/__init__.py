"""What a recorded graph costs a month, line by line, offline. Pure: a graph and prices in, lines out."""

from infra.graph import Graph, InvalidGraph

StackGraph = Graph
read_graph = Graph.from_json

__all__ = ["InvalidGraph", "StackGraph", "read_graph"]
