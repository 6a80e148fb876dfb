# GPL-3.0-or-later (see LICENSE)
"""How each playbook of the collection is run, in this order. A playbook without a line here fails the test."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PLAYBOOKS = Path(__file__).resolve().parents[2] / "playbooks"


@dataclass(frozen=True)
class Recipe:
    """One run.

    Args:
        playbook: its name without the ending.
        variables: what is given beside the inventory and the secrets.
        needs_real: why the stand-in will not do; empty where it will.
        foreseen: whether a short run has it in check mode first, as a whole one has each.
    """

    playbook: str
    variables: dict[str, Any] = field(default_factory=dict)
    needs_real: str = ""
    foreseen: bool = False

    @property
    def name(self) -> str:
        given = " ".join(f"{name.removeprefix('timescaledb_')}={value}" for name, value in self.variables.items())
        return f"{self.playbook} {given}".strip()

    @property
    def by_password(self) -> bool:
        """Whether passwords may be given: beside the other method they are refused."""
        return self.variables.get("timescaledb_host_auth_method", "password") == "password"


BY_CERTIFICATE = {"timescaledb_host_auth_method": "certificate"}
NO_CERTIFICATE = "its access node has no client certificate to show to data nodes"
NO_COPIES = "it does not copy chunks between data nodes"

RECIPES = (
    Recipe("deploy", BY_CERTIFICATE, NO_CERTIFICATE, foreseen=True),
    Recipe("rotate_certificates", BY_CERTIFICATE, NO_CERTIFICATE),
    # The method changes, and passwords come in.
    Recipe("deploy", foreseen=True),
    Recipe("rotate_passwords", needs_real=NO_CERTIFICATE, foreseen=True),
    Recipe("hardening_report"),
    Recipe("heal", needs_real=NO_COPIES),
    Recipe("replace_data_node", {"timescaledb_repair_nodes": ["data2"], "timescaledb_repair_force": True}, NO_COPIES),
    Recipe("return_data_node", {"timescaledb_repair_nodes": ["data2"]}, NO_COPIES),
    Recipe("add_data_node", needs_real=NO_COPIES),
    Recipe("rebalance", needs_real=NO_COPIES),
    # Nothing of the cluster is on data2 afterwards.
    Recipe("remove_data_node", {"timescaledb_rebalance_leaving": ["data2"]}, NO_COPIES),
    # The last one: data1 is down afterwards.
    Recipe("promote_standby", {"timescaledb_standby_promote": ["standby1"]}, NO_COPIES, foreseen=True),
)


def without_recipe() -> list[str]:
    return sorted({path.stem for path in PLAYBOOKS.glob("*.yml")} - {recipe.playbook for recipe in RECIPES})
