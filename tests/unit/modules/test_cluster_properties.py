# GPL-3.0-or-later (see LICENSE)
"""What holds for the plan of any cluster and any declaration."""

from __future__ import annotations

import pytest
from _choices import Choices
from _small_cluster import endpoint, small_cluster
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Endpoint


@pytest.mark.parametrize(
    "reason, refused",
    [
        ("it would lose data", lambda model: model.delete_data_node("dn1", force=True, repartition=True)),
        ("it cannot be attached", lambda model: model.hypertables.attach_data_node("dn9", "public", "a", repartition=True)),
        ("it is a data node", lambda model: model.clear_membership(endpoint("dn1"), {})),
        ("no connection", lambda model: model.clear_membership(Endpoint("dn1.example", 6000, "of_dn1"), {})),
        ("it is another one", lambda model: model.drop_database(Endpoint("dn1.example", 5432, "postgres"), {"database": "of_dn1"})),
        ("function does not exist", lambda model: model.jobs.add({}, ["heal_data_nodes", "1 day", "1 day", "1 day"])),
    ],
)
def test_the_model_refuses(reason, refused):
    """It would not find a wrong plan otherwise."""
    with pytest.raises(AssertionError, match=reason):
        refused(small_cluster(chunks={"a_0": {"dn1"}}))


def test_choices_are_as_usual_where_there_are_none_left():
    choose = Choices(b"\x01")
    assert (choose.one_of("ab"), choose.one_of("ab"), choose.up_to(3, 1), choose.maybe(), choose.some_of("ab", least=1)) == ("b", "a", 1, False, ["a"])
