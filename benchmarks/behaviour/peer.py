"""MovingPandas in its own process: speed of every fix of a Parquet file, CPU seconds on stdout as JSON.

It measures what a user of the library does first: trajectories from a table, then `add_speed`. Reading the file is not
counted.
"""

from __future__ import annotations

import json
import sys
import time
import warnings


def main(path: str) -> None:
    """Measure and print."""
    import movingpandas
    import pandas

    warnings.simplefilter("ignore")
    frame = pandas.read_parquet(path, columns=["track_id", "observed_at", "lat_deg", "lon_deg"])
    frame["observed_at"] = frame["observed_at"].dt.tz_localize(None)
    begun = time.process_time()
    collection = movingpandas.TrajectoryCollection(frame, "track_id", t="observed_at", x="lon_deg", y="lat_deg")
    collection.add_speed()
    seconds = time.process_time() - begun
    print(json.dumps({"seconds": seconds, "rows": len(frame), "version": movingpandas.__version__}))


if __name__ == "__main__":
    main(sys.argv[1])
