"""What own sensors say of the tracks that a partner's estimate has tightened in the picture: this is told to partners.

What enters: the rows of each step, fused and not. What leaves: the picture without what partners added. So a partner
is never given back its own data within ours, nobody is given a third party's data without its terms, and a partner's
ties never withhold what this node sees itself.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kuroshio.schema import TRACKS, concat


class Unfused:
    """Own rows of the tracks whose last row is fused.

    Attributes
    ----------
    rows
        TRACKS, a row a track; no other track is kept.
    """

    def __init__(self, rows: pa.Table | None = None) -> None:
        self.rows = TRACKS.empty() if rows is None else rows

    def take(self, tracks: pa.Table, unfused: pa.Table) -> None:
        """Note the rows of a step.

        Parameters
        ----------
        tracks, unfused
            The same TRACKS rows in the same order, with and without what partners added.
        """
        fused = is_fused(tracks)
        if not fused.any() and not self.rows.num_rows:
            return
        ids = tracks["track_id"].to_numpy()
        changed, from_end = np.unique(ids[::-1], return_index=True)
        last = len(ids) - 1 - from_end
        last = last[fused[last] & ~_ended(tracks)[last]]
        kept = self.rows.filter(pa.array(~np.isin(self.rows["track_id"].to_numpy(), changed)))
        self.rows = concat(TRACKS, [kept, unfused.take(pa.array(last))])

    def of(self, picture: pa.Table) -> pa.Table:
        """The picture with own rows in place of the fused ones; a fused row without its own row is left out."""
        fused = is_fused(picture)
        if not fused.any():
            return picture
        ids = picture["track_id"].to_numpy()
        own = self.rows.filter(pa.array(np.isin(self.rows["track_id"].to_numpy(), ids[fused])))
        return concat(TRACKS, [picture.select(TRACKS.names).filter(pa.array(~fused)), own])


def is_fused(tracks: pa.Table) -> np.ndarray:
    """One flag a TRACKS row: own sensors and a partner both fed it. Only own tracks have a first observation here."""
    if tracks["partner"].null_count == tracks.num_rows:
        return np.zeros(tracks.num_rows, np.bool_)
    both = pc.and_(pc.is_valid(tracks["partner"]), pc.is_valid(tracks["first_at"]))
    return np.asarray(both.to_numpy())


def _ended(tracks: pa.Table) -> np.ndarray:
    return np.asarray(pc.equal(tracks["status"].cast(pa.string()), "ended").to_numpy())
