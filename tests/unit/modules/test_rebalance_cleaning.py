# GPL-3.0-or-later (see LICENSE)
"""What the clean-up of a copy leaves alone while a data node is dead, whoever calls it; what it does is shown on real servers."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible_collections.timescaledb.multinode.plugins.module_utils import _rebalance_cleaning
from ansible_collections.timescaledb.multinode.plugins.module_utils._copy_operations import Operation, PlacedChunk
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_cleaning import Cleaner


class Recorder:
    """A connection that remembers what it is asked to do. Every chunk is there."""

    def __init__(self) -> None:
        self.templates: list[str] = []

    def run(self, statement, dummy_subject) -> list:
        if statement.template.startswith("SELECT EXISTS"):
            return [{"there": True}]
        self.templates.append(statement.template)
        return []

    def close(self) -> None:
        pass


@pytest.fixture
def recorder(monkeypatch) -> Recorder:
    made = Recorder()
    monkeypatch.setattr(_rebalance_cleaning, "connect_to_node", lambda *dummy: made)
    return made


def clean_up(recorder: Recorder, nodes: tuple[str, ...], dead: str, stage: str = "attach_chunk", deletes: bool = False) -> list[str]:
    names = {name: SimpleNamespace(available=name != dead) for name in ("source", "destination", "other")}
    cleaner = Cleaner(None, SimpleNamespace(data_nodes=names))
    chunk = PlacedChunk(1, 1, "s", "c", 0, nodes, 8192)
    cleaner.clean_up(recorder, Operation("tsmn_1", stage, 1, "source", "destination", deletes=deletes), chunk, nodes)
    return recorder.templates


@pytest.mark.parametrize(("stage", "nodes"), [("attach_chunk", ("destination", "source")), ("complete", ("destination", "source")), ("sync", ("source",))])
def test_the_only_copy_that_can_be_reached_is_not_touched(recorder, stage, nodes):
    assert clean_up(recorder, nodes, dead="source", stage=stage) == []


@pytest.mark.parametrize("dead", ["source", "nobody"])
@pytest.mark.parametrize("stage", ["attach_chunk", "delete_chunk", "complete"])
def test_the_only_copy_is_not_touched_where_its_source_has_been_forgotten(recorder, stage, dead):
    assert clean_up(recorder, ("destination",), dead=dead, stage=stage) == []


def test_a_copy_that_has_arrived_is_not_forgotten_where_its_node_died_since(recorder):
    templates = clean_up(recorder, ("destination", "other"), dead="destination", stage="delete_chunk", deletes=True)
    assert not any("chunk_data_node" in template for template in templates)
    assert any("DELETE FROM _timescaledb_catalog.chunk_copy_operation" in template for template in templates)
