"""Tables of the picture: observations in, tracks out, alerts above them."""

from __future__ import annotations

from kuroshio.schema.core import BOOL, F64, I16, I32, I64, IDS, LABEL, TEXT, TEXTS, TIMES, U8, UTC_US, Column, Table

OBSERVATIONS = Table(
    "observations",
    "One row a measurement, from whatever sensor; its error is modelled at the source.",
    (
        Column(
            "obs_id",
            I64,
            "Identity from content (63-bit hash): the same report twice is one observation.",
            required=True,
        ),
        Column("observed_at", UTC_US, "Time at the sensor.", "us", required=True),
        Column("received_at", UTC_US, "Time here; null for archives.", "us"),
        Column("time_source", LABEL, "Which clock gave observed_at."),
        Column("source", LABEL, "Name of the source.", required=True),
        Column("station", LABEL, "Receiving station or radar head."),
        Column("sensor", LABEL, "Kind of sensor: ais, radar, image, vms, human, partner.", required=True),
        Column("lat_deg", F64, "Latitude WGS 84.", "deg", required=True),
        Column("lon_deg", F64, "Longitude WGS 84.", "deg", required=True),
        Column("cov_ee_m2", F64, "East variance of the position.", "m2", required=True),
        Column("cov_en_m2", F64, "East-north covariance.", "m2", required=True),
        Column("cov_nn_m2", F64, "North variance.", "m2", required=True),
        Column("sog_mps", F64, "Speed over ground, null if not measured.", "m/s"),
        Column("cog_deg", F64, "Course over ground, true.", "deg"),
        Column("vel_sigma_mps", F64, "One-sigma of each velocity component where sog and cog are present.", "m/s"),
        Column("heading_deg", F64, "True heading.", "deg"),
        Column("mmsi", I64, "Identity claimed, null if none."),
        Column("msg_type", U8, "AIS message type; null for other sensors."),
        Column("nav_status", U8, "Navigational status claimed."),
        Column("local_track", I64, "Number the sensor itself gave to its local track."),
        Column("scan", I64, "Scan number of a scanning sensor: one ship gives at most one plot a scan."),
        Column("sensor_lat_deg", F64, "Where the sensor stood.", "deg"),
        Column("sensor_lon_deg", F64, "Where the sensor stood.", "deg"),
        Column("range_m", F64, "Measured slant range of a polar sensor.", "m"),
        Column("bearing_deg", F64, "Measured true bearing of a polar sensor.", "deg"),
        Column("length_m", F64, "Measured or claimed length.", "m"),
        Column("exercise", BOOL, "True when the source is part of an exercise; never mixes with real data."),
    ),
)

FOOTPRINTS = Table(
    "footprints",
    "Outlines of images: where a satellite looked, so that what it did not show can count.",
    (
        Column("observed_at", UTC_US, "Time of the image.", "us", required=True),
        Column("received_at", UTC_US, "Time here; null for archives.", "us"),
        Column("source", LABEL, "Name of the source.", required=True),
        Column("station", LABEL, "Identity of the image, as its detections name it."),
        Column("outline", TEXT, "Polygon or MultiPolygon as GeoJSON (RFC 7946).", "deg", required=True),
        Column("exercise", BOOL, "True when the source is part of an exercise."),
    ),
)

TRACKS = Table(
    "tracks",
    "State of a track after an update: one row per update, or per track in a snapshot.",
    (
        Column("track_id", I64, "Number of the track at this node, never reused.", required=True),
        Column("observed_at", UTC_US, "Time the state is valid for.", "us", required=True),
        Column("lat_deg", F64, "Latitude WGS 84.", "deg", required=True),
        Column("lon_deg", F64, "Longitude WGS 84.", "deg", required=True),
        Column("ve_mps", F64, "Velocity east.", "m/s"),
        Column("vn_mps", F64, "Velocity north.", "m/s"),
        Column("cov_ee_m2", F64, "East variance of the position.", "m2"),
        Column("cov_en_m2", F64, "East-north covariance.", "m2"),
        Column("cov_nn_m2", F64, "North variance.", "m2"),
        Column("cov_vee_m2s2", F64, "East variance of the velocity.", "m2/s2"),
        Column("cov_ven_m2s2", F64, "East-north covariance of the velocity.", "m2/s2"),
        Column("cov_vnn_m2s2", F64, "North variance of the velocity.", "m2/s2"),
        Column("cov_eve_m2s", F64, "Covariance of place east with velocity east.", "m2/s"),
        Column("cov_evn_m2s", F64, "Place east with velocity north.", "m2/s"),
        Column("cov_nve_m2s", F64, "Place north with velocity east.", "m2/s"),
        Column("cov_nvn_m2s", F64, "Place north with velocity north.", "m2/s"),
        Column("sog_mps", F64, "Speed of the state.", "m/s"),
        Column("cog_deg", F64, "Course of the state; null below 0.25 m/s.", "deg"),
        Column("heading_deg", F64, "Last heading claimed.", "deg"),
        Column("p_exists", F64, "Probability that something is there.", ""),
        Column("p_manoeuvre", F64, "Probability of the manoeuvring model.", ""),
        Column("status", LABEL, "tentative, confirmed, coasted or ended.", required=True),
        Column("mmsi", I64, "Identity claimed and bound; null if none."),
        Column("p_identity", F64, "Probability that the binding is right."),
        Column(
            "identity_evidence",
            LABEL,
            "What the binding rests on: operator, reports and radar (both hold it), reports, or contradicted.",
        ),
        Column("flags", I32, "Bits: 1 dark, 2 uncorroborated, 4 conflict, 8 drag."),
        Column("hits", I32, "Number of observations that fed the track."),
        Column("sensors", TEXTS, "Kinds of sensor that hold it now."),
        Column("sources", TEXTS, "Sources that hold it now."),
        Column(
            "sources_last_at",
            TIMES,
            "When each of sources last fed it, in their order; null for the oldest where more than six have.",
            "us",
        ),
        Column("first_at", UTC_US, "First observation of it.", "us"),
        Column("age_s", F64, "Time since the newest observation that fed it.", "s"),
        Column("last_ais_at", UTC_US, "Last AIS report.", "us"),
        Column("last_radar_at", UTC_US, "Last radar plot.", "us"),
        Column("last_image_at", UTC_US, "Last image detection.", "us"),
        Column("last_vms_at", UTC_US, "Last vessel monitoring report.", "us"),
        Column("last_human_at", UTC_US, "Last time a person saw it.", "us"),
        Column("last_partner_at", UTC_US, "Last partner's track.", "us"),
        Column("sigma_1min_m", F64, "One sigma of the position a minute ahead, with nothing new heard.", "m"),
        Column("sigma_5min_m", F64, "The same 5 minutes ahead.", "m"),
        Column("sigma_15min_m", F64, "The same 15 minutes ahead.", "m"),
        Column("name", TEXT, "Name claimed."),
        Column("call_sign", TEXT, "Call sign claimed."),
        Column("imo", I64, "IMO number claimed."),
        Column("ship_type", I16, "Type of ship claimed."),
        Column("ship_class", LABEL, "Class of that type: cargo, tanker, passenger, fishing, tug, sailing ..."),
        Column("flag", LABEL, "ISO 3166 alpha-3 code of the flag that the MMSI claims."),
        Column("length_m", F64, "Length claimed or measured.", "m"),
        Column("nav_status", I16, "Navigational status claimed."),
        Column("partner", TEXT, "Party a partner track came from; null for own tracks."),
        Column("partner_track", TEXT, "The partner's own reference for it."),
        Column(
            "lineage", TEXTS, "Marks of what a partner's track rests on in turn, as they came; null for own tracks."
        ),
        Column(
            "provenance",
            TEXT,
            "Whose filter of own sensors made a partner's estimate: the same for one ship of one party whatever way it "
            "came; null for own tracks, for what is fused or coarse, and where it was not told.",
        ),
        Column(
            "fused_with",
            TEXTS,
            "PARTY:reference of every partner's track that is in a row which partners tightened; null for others.",
        ),
        Column("superseded_by", I64, "Track that took this one over in a merge."),
        Column("exercise", BOOL, "True for exercise data."),
    ),
)

TIED_TRACKS = Table(
    "tied_tracks",
    "Rows of tracks that rest on partners' releases, kept apart: they go when one that they rest on must be gone.",
    (*TRACKS.columns, Column("releases", TEXTS, "The partners' releases that the row rests on.")),
)

FLAG_DARK, FLAG_UNCORROBORATED, FLAG_CONFLICT, FLAG_DRAG = 1, 2, 4, 8

EVENTS = Table(
    "events",
    "What happened to tracks: one row an event of a track's life.",
    (
        Column("observed_at", UTC_US, "When, in data time.", "us", required=True),
        Column("track_id", I64, "Track it happened to.", required=True),
        Column("event", LABEL, "born, confirmed, bound, released, merged, ended, flag_set ...", required=True),
        Column("a", I64, "First number: observation, MMSI, track, flags or operation, by event."),
        Column("b", I64, "Second number."),
    ),
)

LINKS = Table(
    "links",
    "What became of each observation: the track it fed, how well it fitted, or why it was refused.",
    (
        Column("obs_id", I64, "Observation.", required=True),
        Column("observed_at", UTC_US, "Its time; null where it had none.", "us"),
        Column("track_id", I64, "Track it went to; null for none."),
        Column("d2", F64, "Squared Mahalanobis distance from the track's prediction."),
        Column("outcome", LABEL, "updated, started, bound, replayed, duplicate, conflict, or a reason.", required=True),
    ),
)

REGISTRY = Table(
    "registry",
    "What a register of ships says: one row a ship, source and time of validity.",
    (
        Column("mmsi", I64, "MMSI; this or the IMO number is needed."),
        Column("imo", I64, "IMO number."),
        Column("name", TEXT, "Name."),
        Column("call_sign", TEXT, "Call sign."),
        Column("flag", TEXT, "Flag, ISO 3166 alpha-3."),
        Column("length_m", F64, "Length overall.", "m"),
        Column("ship_type", I16, "Type of ship as AIS counts it (M.1371-5, table 53)."),
        Column("source", TEXT, "Who says so.", required=True),
        Column("valid_from", UTC_US, "From when on; null: always.", "us"),
        Column("valid_to", UTC_US, "Until when; null: still.", "us"),
    ),
)

COVERAGE_CELLS = Table(
    "coverage_cells",
    "Where sensors look and how well they see there: radar cells by bearing and range, AIS cells where it was heard.",
    (
        Column("source", LABEL, "Radar; null for what AIS of any source heard."),
        Column("sensor", LABEL, "radar or ais.", required=True),
        Column("bearing_from_deg", F64, "First bearing from the antenna, true.", "deg"),
        Column("bearing_to_deg", F64, "Last bearing.", "deg"),
        Column("range_from_m", F64, "Nearest range.", "m"),
        Column("range_to_m", F64, "Furthest range.", "m"),
        Column("pd", F64, "Probability that a scan sees a ship there: declared, then learned."),
        Column("tried", F64, "Scans in which a ship that AIS vouches for was there."),
        Column("seen", F64, "Of these, scans that saw it."),
        Column("land", BOOL, "True on land."),
        Column("coarse_land", BOOL, "True where land is of the coarse coastline, for want of the operator's own."),
        Column("blind", BOOL, "True where a ship is hardly ever seen: no sensor."),
        Column("last_us", I64, "Last time AIS was heard there, UTC microseconds.", "us"),
        Column("alive", BOOL, "True while the sensor speaks.", required=True),
    ),
)

ALERTS = Table(
    "alerts",
    "Alerts with their evidence: one row per alert and change of it.",
    (
        Column("alert_id", TEXT, "Hash of definition, version, tracks and first confirmed fact.", required=True),
        Column("definition", LABEL, "Which behaviour: gap, dark_vessel, encounter, zone_entry ...", required=True),
        Column("version", TEXT, "Version of the definition.", required=True),
        Column("change", LABEL, "open, extend, close, revise or void.", required=True),
        Column("grade", LABEL, "provisional, confirmed or final.", required=True),
        Column("severity", LABEL, "info, caution, warning or alarm.", required=True),
        Column("track_ids", IDS, "Tracks it is about.", required=True),
        Column("mmsis", IDS, "Identities claimed by those tracks."),
        Column("start_at", UTC_US, "When the behaviour began.", "us", required=True),
        Column("end_at", UTC_US, "When it ended; null while it goes on.", "us"),
        Column("known_at", UTC_US, "When this node knew.", "us", required=True),
        Column("lat_deg", F64, "Place.", "deg"),
        Column("lon_deg", F64, "Place.", "deg"),
        Column("zone", TEXT, "Zone it is about."),
        Column("summary", TEXT, "One sentence with the reason.", required=True),
        Column(
            "evidence",
            TEXT,
            "JSON: thresholds with values and margins, geometry, inputs by id.",
            required=True,
        ),
        Column("exercise", BOOL, "True for exercise data."),
    ),
)

ITEMS = Table(
    "items",
    "What an accord judges: one row a thing, its attributes, nothing else.",
    (
        Column("item_id", TEXT, "Reference of the thing at this node, such as track:17.", required=True),
        Column("kind", LABEL, "information, support, equipment or access.", required=True),
        Column(
            "subject",
            LABEL,
            "What it is about: vessel, dark_vessel, alert, safety, pattern, fuel ...",
            required=True,
        ),
        Column("originator", LABEL, "Party whose sensor or office it comes from.", required=True),
        Column("level", LABEL, "Protection level of the originator: U, R, C, S, TS.", required=True),
        Column("purpose", LABEL, "Purpose it would be released for."),
        Column("observed_at", UTC_US, "Time of the data; age is measured from it.", "us"),
        Column("lat_deg", F64, "Place.", "deg"),
        Column("lon_deg", F64, "Place.", "deg"),
        Column("sensors", TEXTS, "Kinds of sensor it rests on."),
        Column("held_under", TEXTS, "Accords it was received under: their ties go with it for ever."),
        Column("releasable_to", TEXTS, "Parties the originator limits it to; null is no such limit."),
        Column("caveats", TEXTS, "National markings such as NOFORN."),
        Column("exercise", BOOL, "True for exercise data."),
    ),
)
