"""Real harbour AIS without truth: is the tracker consistent with what comes next?

The Solent, 2016-01-12, 18,623 positions of 91 vessels (`KUROSHIO_DATA/stonesoup`). Each report's innovation d2 is the
squared distance from where the track expected it, in its own sigmas (position, two degrees of freedom); an honest
filter has 50 % below 1.39, 95 % below 5.99. An MMSI should be one track: how many more there are is counted.
"""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
from scipy.stats import chi2

from kuroshio import clock
from kuroshio.picture import track_archive
from kuroshio.schema import OBSERVATIONS
from kuroshio.sensing.observe import SIGMA_PLAIN_M, VEL_SIGMA_MPS
from kuroshio.sensing.radar_plots import content_ids
from kuroshio.units import MPS_PER_KN

FILE = "stonesoup/SolentAIS_20160112_130211.csv.gz"


def load(folder: Path) -> pa.Table:
    """The log as observations; the accuracy flag is not in it, so errors are those of a plain report."""
    with gzip.open(folder / FILE, "rt") as file:
        rows = list(csv.DictReader(file))
    n = len(rows)
    column = {name: np.array([float(r[name] or "nan") for r in rows]) for name in rows[0] if name != "Time"}
    at = np.array([clock.parse_rfc3339(r["Time"].replace(" ", "T") + "Z") for r in rows])
    mmsi = column["MMSI"].astype(np.int64)
    return OBSERVATIONS.build(
        {
            "obs_id": content_ids("solent", at, mmsi, np.rint(column["Latitude_degrees"] * 1e7).astype(np.int64)),
            "observed_at": at.astype("datetime64[us]"),
            "source": ["solent"] * n,
            "sensor": ["ais"] * n,
            "lat_deg": column["Latitude_degrees"],
            "lon_deg": column["Longitude_degrees"],
            "cov_ee_m2": np.full(n, SIGMA_PLAIN_M**2),
            "cov_en_m2": np.zeros(n),
            "cov_nn_m2": np.full(n, SIGMA_PLAIN_M**2),
            "sog_mps": column["SOG_knots"] * MPS_PER_KN,
            "cog_deg": column["COG_degrees"],
            "vel_sigma_mps": np.full(n, VEL_SIGMA_MPS),
            "mmsi": mmsi,
        },
        n,
    )


def table(folder: Path) -> dict:
    """Innovations of all, moving and resting vessels; tracks by vessel; outcomes."""
    observed = load(folder)
    result = track_archive(observed)
    links = result.links.filter(pa.array(np.array(result.links["outcome"].to_pylist()) == "updated"))
    order = np.argsort(observed["obs_id"].to_numpy())
    at = order[np.searchsorted(observed["obs_id"].to_numpy()[order], links["obs_id"].to_numpy())]
    d2, speed = links["d2"].to_numpy(), observed["sog_mps"].to_numpy()[at]
    rows = []
    for name, use in (("all", speed > -1), ("under way, > 1 kn", speed > 0.5), ("at rest", speed <= 0.5)):
        part = d2[use]
        inside = {str(p): float(np.mean(part <= chi2.ppf(p, 2))) for p in (0.5, 0.9, 0.95, 0.99)}
        rows.append({"vessels": name, "reports": len(part), "mean_d2_over_2": float(np.mean(part) / 2), **inside})
    tracks = result.tracks
    pairs = {p for p in zip(tracks["mmsi"].to_pylist(), tracks["track_id"].to_pylist(), strict=True) if p[0]}
    vessels = len({m for m, _ in pairs})
    hours = float(np.ptp(observed["observed_at"].cast(pa.int64()).to_numpy())) / 3.6e9
    return {
        "reports": observed.num_rows,
        "hours": hours,
        "vessels": vessels,
        "tracks": len({t for _, t in pairs}),
        "number_changes_per_vessel_h": (len(pairs) - vessels) / (vessels * hours),
        "counters": result.counters,
        "rows": rows,
    }
