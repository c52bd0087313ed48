"""kolide_llm_models: language models on users' machines, by the tool that keeps them.

Only names, sizes and manifests are read, never a model. Sources: the tools' own documentation and layouts.
"""

import os
from collections.abc import Iterator
from typing import Any

from kolide_kit.limits import Budget
from kolide_kit.text import shown
from osquery_sdk import Column, Query, Row, table

from ..reading.homes import Home, local_homes, walk
from ..reading.paths import read_or_warn

__all__ = ["LlmModel", "llm_models"]

_OLLAMA = ".ollama/models"
_OLLAMA_HOST = "registry.ollama.ai"
_OLLAMA_MODEL = "application/vnd.ollama.image.model"
_HUGGINGFACE = ".cache/huggingface/hub"
# Folders with models that are one file each.
_FILES = (
    ("lm-studio", ".lmstudio/models"),
    ("lm-studio", ".cache/lm-studio/models"),
    ("gpt4all", ".local/share/nomic.ai/GPT4All"),
    ("gpt4all", "Library/Application Support/nomic.ai/GPT4All"),
    ("gpt4all", "AppData/Local/nomic.ai/GPT4All"),
    ("gpt4all", ".var/app/io.gpt4all.gpt4all/data/nomic.ai/GPT4All"),
    ("llama.cpp", ".cache/llama.cpp"),
    ("llama.cpp", "Library/Caches/llama.cpp"),
    ("jan", "jan/models"),
    ("jan", ".local/share/Jan/data/llamacpp/models"),
    ("jan", ".var/app/ai.jan.Jan/data/Jan/data/llamacpp/models"),
    ("jan", "Library/Application Support/Jan/data/llamacpp/models"),
    ("jan", "AppData/Roaming/Jan/data/llamacpp/models"),
)
# Tool, name, path, size and digest.
_Model = tuple[str, str, str, int | None, str | None]
_ENDINGS = (".gguf", ".safetensors", ".onnx", ".mlmodel", ".ggml")


class LlmModel(Row):
    """A model on the machine."""

    uid: int = Column("User whose home it is in", index=True, key=True)
    tool: str = Column(
        "Tool that keeps it: ollama, huggingface, lm-studio, gpt4all, llama.cpp, jan", key=True
    )
    name: str = Column("Model's name, as the tool has it", key=True)
    path: str = Column("File or folder that it is in", key=True)
    size: int | None = Column("Its size in bytes")
    digest: str | None = Column(
        "Checksum of the model as the tool records it, or its revision; empty if the tool records none"
    )


@table(
    "kolide_llm_models",
    privilege="Without root: only homes that the user may enter, which are often their own alone.",
    examples=(
        "select tool, name, size / 1000000000.0 as gigabytes, path from kolide_llm_models order by size desc",
        (
            "select u.username, m.tool, count(*) as models, sum(m.size) as bytes from users u "
            "join kolide_llm_models m using (uid) group by u.username, m.tool"
        ),
    ),
)
def llm_models(query: Query) -> Iterator[LlmModel]:
    """Language models in users' homes, as ollama, Hugging Face, LM Studio and others keep them."""
    budget = Budget.of(query)
    for home in local_homes(query):
        for tool, name, path, size, digest in _models(home, query, budget):
            budget.add_rows()
            yield LlmModel(
                uid=home.uid, tool=tool, name=shown(name), path=shown(path), size=size, digest=digest
            )


def _models(home: Home, query: Query, budget: Budget) -> Iterator[_Model]:
    top = home.path.rstrip("/")
    yield from _ollama(f"{top}/{_OLLAMA}", query, budget)
    yield from _huggingface(f"{top}/{_HUGGINGFACE}", query, budget)
    for tool, folder in _FILES:
        yield from _files(tool, f"{top}/{folder}", budget)


def _ollama(folder: str, query: Query, budget: Budget) -> Iterator[_Model]:
    """Yield ollama's models: manifests with the checksums of their layers, in folders for host, namespace and
    model.
    """
    manifests = f"{folder}/manifests"
    for reached in walk(manifests, max_folders=budget.limits.max_folders, on_step=budget.check):
        parts = reached.path[len(manifests) + 1 :].split("/")
        for tag in reached.files if len(parts) == 3 else ():
            host, namespace, model = parts
            prefix = "" if host == _OLLAMA_HOST else f"{host}/"
            prefix += "" if namespace == "library" else f"{namespace}/"
            layers = _layers(f"{reached.path}/{tag}", query, budget)
            if layers is None:
                continue
            models = (layer for layer in layers if layer.get("mediaType") == _OLLAMA_MODEL)
            digest = next((str(layer.get("digest")) for layer in models), None)
            path = f"{folder}/blobs/{digest.replace(':', '-')}" if digest else f"{reached.path}/{tag}"
            size = sum(layer["size"] for layer in layers if isinstance(layer.get("size"), int))
            yield "ollama", f"{prefix}{model}:{tag}", path, size if 0 <= size < 1 << 62 else None, digest


def _layers(path: str, query: Query, budget: Budget) -> list[dict[str, Any]] | None:
    import json

    content = read_or_warn(path, query)
    if content is None:
        return None
    try:
        layers = json.loads(content)["layers"]
        return [layer for layer in layers if isinstance(layer, dict)] if isinstance(layers, list) else None
    except (ValueError, RecursionError, KeyError, TypeError):
        query.warn(f"{path} is not the manifest of a model")
    return None


def _huggingface(hub: str, query: Query, budget: Budget) -> Iterator[_Model]:
    """Yield Hugging Face's models: folders models--OWNER--NAME with files under blobs and the newest revision
    under refs.
    """
    for entry in _entries(hub, budget):
        if not entry.name.startswith("models--") or not entry.is_dir(follow_symlinks=False):
            continue
        name = entry.name.removeprefix("models--").replace("--", "/")
        sizes = [_size(blob) or 0 for blob in _entries(f"{entry.path}/blobs", budget)]
        yield "huggingface", name, entry.path, sum(sizes), _revision(f"{entry.path}/refs/main", query)


def _revision(path: str, query: Query) -> str | None:
    content = read_or_warn(path, query, max_bytes=4096)
    text = "" if content is None else content.decode("ascii", "replace").strip()
    return text if text.isalnum() else None


def _files(tool: str, folder: str, budget: Budget) -> Iterator[_Model]:
    for reached in walk(folder, max_folders=budget.limits.max_folders, on_step=budget.check):
        names = [name for name in reached.files if name.lower().endswith(_ENDINGS)]
        for entry in _entries(reached.path, budget) if names else ():
            if entry.name in names and entry.is_file(follow_symlinks=False):
                yield tool, entry.path[len(folder) + 1 :], entry.path, _size(entry), None


def _entries(folder: str, budget: Budget) -> list[os.DirEntry[str]]:
    budget.check()
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return []


def _size(entry: os.DirEntry[str]) -> int | None:
    try:
        return entry.stat(follow_symlinks=False).st_size
    except OSError:
        return None
