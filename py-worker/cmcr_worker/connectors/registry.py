"""The connectors that are fitted in closed form, by name."""

from __future__ import annotations

from cmcr_worker.connectors.baselines.cca import fit_cca
from cmcr_worker.connectors.baselines.pivot import fit_pivot, fit_pivot_soft, fit_pivot_two_sided
from cmcr_worker.connectors.baselines.procrustes import fit_procrustes
from cmcr_worker.connectors.baselines.protocol import Connector, FitData, Fitter, check_fit_data
from cmcr_worker.connectors.baselines.relative import fit_relative
from cmcr_worker.connectors.baselines.ridge import fit_memory_ridge, fit_ridge
from cmcr_worker.registry import lookup

CONNECTORS: dict[str, Fitter] = {
    "pivot": fit_pivot,
    "pivot-soft": fit_pivot_soft,
    "pivot-two-sided": fit_pivot_two_sided,
    "procrustes": fit_procrustes,
    "ridge": fit_ridge,
    "cca": fit_cca,
    "relative": fit_relative,
    "memory-ridge": fit_memory_ridge,
}


def fitter(method: str) -> Fitter:
    """The method of that name, as a function from data to connector.

    Raises UNKNOWN_NAME. The function raises SHAPE_MISMATCH or DTYPE_MISMATCH for matrices that do
    not belong together, and CONFIG_INVALID naming what the method needs and the data lack.
    """
    fit = lookup(CONNECTORS, "connector", method)

    def checked(data: FitData) -> Connector:
        check_fit_data(data)
        return fit(data)

    return checked
