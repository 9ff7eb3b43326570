"""Find operations in a SavedModel that can write files.

A SavedModel is a program: whoever loads one runs what is in it. Exports of this package write nothing. The graph is
read here without running it; loading alone already runs the functions that initialise a SavedModel's resources.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import tensorflow as tf

_WRITING = frozenset(
    (
        "WriteFile",
        "Save",
        "SaveV2",
        "SaveSlices",
        "MergeV2Checkpoints",
        "DistributedSave",
        "SaveDataset",
        "SaveDatasetV2",
        "SnapshotDataset",
        "SnapshotDatasetV2",
        "SnapshotChunkDataset",
        "DatasetToTFRecord",
        "ExperimentalDatasetToTFRecord",
        "CacheDataset",
        "CacheDatasetV2",
        "CreateSummaryFileWriter",
        "CreateSummaryDbWriter",
        "DebugIdentity",
        "DebugIdentityV2",
        "DebugIdentityV3",
        "DebugNanCount",
        "DebugNumericSummary",
        "DebugNumericSummaryV2",
        "PyFunc",
        "PyFuncStateless",
        "EagerPyFunc",
    )
)


def file_writing_operations(folder: Path) -> list[str]:
    """The operations that can write files, by name, wherever loading or a signature could run them.

    Every SavedModel holds a function that saves its weights; it is ignored as long as only the saver calls it.

    Args:
        folder: a SavedModel.

    Raises:
        OSError: if it cannot be parsed.

    Example:
        >>> file_writing_operations(Path("saved_models/sister_a/1"))
        []
    """
    found: set[str] = set()
    for graph in tf.__internal__.saved_model.parse_saved_model(str(folder)).meta_graphs:
        functions = {function.signature.name: function for function in graph.graph_def.library.function}
        reached = {function for function in graph.object_graph_def.concrete_functions if function in functions}
        nodes = _nodes_that_run(graph)
        found |= _writing(nodes)
        reached |= _called(nodes) & functions.keys()
        waiting = list(reached)
        while waiting:
            body = functions[waiting.pop()].node_def
            found |= _writing(body)
            new = (_called(body) & functions.keys()) - reached
            reached |= new
            waiting += new
    return sorted(found)


def _nodes_that_run(graph: Any) -> list[Any]:
    """The nodes of the main graph, without the one by which the saver saves the weights."""
    consumed = {_node(name) for node in graph.graph_def.node for name in node.input}
    returned = {_node(info.name) for signature in graph.signature_def.values() for info in signature.outputs.values()}
    collected = {_node(name) for each in graph.collection_def.values() for name in each.node_list.value}
    saving = {_node(graph.saver_def.save_tensor_name)} - consumed - returned - collected
    return [node for node in graph.graph_def.node if node.name not in saving]


def _node(tensor: str) -> str:
    return tensor.removeprefix("^").partition(":")[0]


def _called(nodes: Iterable[Any]) -> set[str]:
    """The functions that nodes call: in an attribute, or by being named as an operation."""
    names = set()
    for node in nodes:
        names.add(node.op)
        for value in node.attr.values():
            names |= {value.func.name, *(function.name for function in value.list.func)}
    return names


def _writing(nodes: Iterable[Any]) -> set[str]:
    found = set()
    for node in nodes:
        to_file = node.op == "PrintV2" and node.attr["output_stream"].s.startswith(b"file:")
        if node.op in _WRITING or to_file:
            found.add(node.op)
    return found
