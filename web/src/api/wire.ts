// What the node says, as types. Every key of a JSON object may be absent: a node of another version still shows.
// Times are RFC 3339 text in JSON and UTC microseconds in Arrow; angles are degrees, lengths metres, speeds m/s.

export type Mode = "live" | "replay" | "simulated" | "exercise";
export type Severity = "alarm" | "warning" | "caution" | "info";
export type Effect = "permit" | "oblige" | "decide" | "deny";
export type LinkState = "ok" | "low" | "late" | "silent" | "failed" | "refused" | "off";

export interface Info {
  party: string;
  name: string;
  mode: Mode;
  version: string;
  now: string;
  center?: [number, number];
  zoom?: number;
  viewpoints?: string[];
  notice?: string;
  agreements_fault?: string | null;
  later_versions?: { accord: string; party: string; version: number; ours: number }[];
  sightings?: boolean;
}

/** The observation that a person's sighting became, with its 95 % ellipse. */
export interface Sighted {
  source: string;
  observed_at: string;
  lat_deg: number;
  lon_deg: number;
  ellipse_major_m: number;
  ellipse_minor_m: number;
  ellipse_angle_deg: number;
}

export interface Who {
  user: string;
  roles: string[];
}

export interface Verdict {
  verdict: string;
  by?: string;
  at?: string;
  note?: string;
  until?: string | null;
}

export interface Alert {
  alert_id: string;
  definition: string;
  version?: string;
  change?: string;
  state?: "open" | "closed";
  grade?: string;
  severity: Severity;
  track_ids?: number[];
  mmsis?: number[];
  start_at?: string;
  end_at?: string | null;
  known_at?: string;
  lat_deg?: number | null;
  lon_deg?: number | null;
  zone?: string | null;
  summary: string;
  evidence?: Record<string, unknown>;
  verdicts?: Verdict[];
  exercise?: boolean;
}

/** What a rule would have raised of the alerts the node knew. */
export interface RuleDryRun {
  rule: string;
  version: string;
  raised: number;
  joined: number;
  over_budget: number;
  silenced: number;
  by_day: Record<string, number>;
  by_behaviour: Record<string, number>;
  examples: string[];
  days: number;
  looked_at: number;
  at: string;
}

/** A rule of the watch: what it asks, how it stands, what it met. */
export interface WatchRule {
  id: string;
  title: string;
  version: string;
  state: "proposed" | "shadow" | "active" | "withdrawn";
  by: string;
  since: string | null;
  sentence: string;
  silent_until: string | null;
  dry_run: RuleDryRun | null;
  raised: number;
  joined: number;
  over_budget: number;
  silenced: number;
  shadow: number;
}

/** What the watch said of the alerts of one definition, or of one rule. */
export interface AlertRule {
  definition: string;
  title?: string | null;
  state?: string | null;
  alerts: number;
  true: number;
  false: number;
  duplicate: number;
  precision: number | null;
}

export interface Obligations {
  [key: string]: unknown;
}

export interface Target {
  track_id: number;
  values?: { name: string; value: unknown; unit?: string; source?: string; observed_at?: string }[];
  sensors?: { sensor: string; source?: string; last_at?: string }[];
  seen?: { source: string; last_at: string | null }[];
  identity?: {
    claim: string;
    value: unknown;
    source?: string;
    first_at?: string;
    last_at?: string;
    conflict?: boolean | string;
    probability?: number | null;
    evidence?: string | null;
  }[];
  releases?: { to: string; clause?: string; obligations?: Obligations; at?: string; state?: string }[];
  decisions?: { to: string; effect: Effect; clause?: string; text?: string; obligations?: Obligations }[];
  history?: [number, number, string | number][];
  alerts?: string[];
}

export interface Feed {
  name: string;
  kind?: string;
  sensor?: string;
  state?: LinkState;
  last_at?: string;
  rate_per_min?: number;
  norm_per_min?: number;
  messages?: number;
  rejects?: number;
  rejects_by_reason?: Record<string, number>;
  reject_share?: number;
  repeats?: number;
  bytes_per_s?: number;
  clock_offset_s?: number | null;
  clock_spread_s?: number;
  limits?: Record<string, number>;
  alarm?: boolean;
  since?: string;
  changes?: { at: string; state: LinkState }[];
  dropped?: number;
  detail?: string;
}

export interface Partner {
  party: string;
  name?: string;
  direction?: "out" | "in";
  state?: LinkState;
  last_at?: string;
  undelivered?: number;
  unconfirmed?: number;
  link_bytes_per_s?: number | null;
  thinned?: number;
  alarm?: boolean;
  clock_offset_s?: number | null;
  detail?: string;
}

export interface Release {
  release_id: string;
  to: string;
  item_id?: string;
  items?: string[];
  accord?: string;
  clause?: string;
  obligations?: Obligations;
  rows?: number;
  at?: string;
  state?: string;
  text?: string;
  retain_until?: string | null;
  tightened_at?: string | null;
  tightening_confirmed_at?: string | null;
}

export interface Pending {
  item_id: string;
  to: string;
  accord?: string;
  clause?: string;
  role?: string;
  text?: string;
  since?: string;
  kind?: string;
  subject?: string;
}

/** What a source said of an agreement: legal date and the date it was learned, under either of two names. */
export interface StatusReport {
  status?: string;
  state?: string;
  legal_at?: string;
  from?: string;
  learned_at?: string;
  recorded?: string;
  confidence?: string;
  source?: string;
  note?: string;
}

export interface Exchange {
  exchange: string;
  kind: "support" | "equipment" | "access";
  state: string;
  accord: string | null;
  from: string;
  to: string;
  what: string | null;
  cited: string | null;
  last_at: string;
  next: string[];
  facts: Record<string, unknown>;
  own_reading: { decision: string; cited: string } | null;
}

export interface Books {
  balances: { creditor: string; debtor: string; currency: string; amount: number }[];
  converted_to_cash: { exchange: string; amount: number; currency: string; due: string }[];
  inventory: { holder: string; item: string; quantity: number }[];
  uncertain: { exchange: string; fact: string; value: unknown }[];
  steps: Record<string, { step: string; after: string[]; needs: string[] }[]>;
}

export interface Duty {
  id: string;
  cite: string;
  on: string;
  about: string;
  notify: string;
  due: string;
  state: string;
  text?: string | null;
  evidence?: string | null;
}

export interface Commitment {
  id: string;
  text: string;
  source: string;
  made: string;
  evidence: string[];
  state: string;
}

export interface Activity {
  id: string;
  kind: string;
  title: string | null;
  participants: string[];
  area: string | null;
  from: string;
  until: string;
  state: string;
}

export interface Accord {
  accord: string;
  title?: string;
  parties?: string[];
  kind?: string;
  status?: string;
  status_at?: string;
  illustrative?: boolean;
  history?: StatusReport[];
  conflicts?: unknown[];
  clauses?: { clause: string; effect?: string; text?: string; topic?: string; when?: string[]; by?: string }[];
  duties?: { text: string; party?: string; notify?: string; due_at?: string; within?: string; state?: string }[];
}

export interface Why {
  item?: string;
  to?: string;
  effect: Effect;
  clause?: string;
  role?: string | null;
  obligations?: Obligations;
  reasons?: { citation?: string; kind?: string; effect?: Effect | null; text: string; role?: string | null }[];
  rules_digest?: string;
}

export interface NetworkFigures {
  links: number;
  pairs_within_two: number;
  worst_party: string | null;
  worst_party_share_lost: number;
  worst_link: string | null;
  worst_link_share_lost: number;
}

export interface DryRun {
  counts?: Partial<Record<Effect, number>>;
  by_party?: ({ party: string } & Partial<Record<Effect, number>>)[];
  by_clause?: { party?: string; accord?: string; clause: string; effect?: Effect; count: number }[];
  by_terms?: { party: string; count: number; today: string; draft: string }[];
  examples?: {
    item_id: string;
    to: string;
    effect: Effect;
    clause?: string;
    text?: string;
    lat_deg?: number;
    lon_deg?: number;
  }[];
}

export interface Withheld {
  item_id: string;
  track_id?: number;
  name?: string | null;
  mmsi?: number | null;
  lat_deg?: number | null;
  lon_deg?: number | null;
  effect?: Effect;
  kind?: "missing" | "blurred";
  accord?: string;
  clause?: string;
  text?: string;
  obligations?: Obligations;
}

export interface RecordStatus {
  size?: number;
  root?: string;
  checkpoint_at?: string;
  cosignatures?: { party: string; at?: string }[];
  self_check?: { ok?: boolean; at?: string; text?: string };
}

export interface Zones {
  type: "FeatureCollection";
  features: GeoJSON.Feature[];
}

/** A text frame of the stream: the whole list of one kind, sent when it changed. */
export interface Push {
  type: "alerts" | "feeds" | "partners" | "releases" | "info" | "pending" | "zones";
  seq?: number;
  items: unknown[];
}

export const SENSOR = { ais: 1, radar: 2, image: 4, vms: 8, human: 16, partner: 32 } as const;
export const FLAG = { dark: 1, uncorroborated: 2, conflict: 4, drag: 8 } as const;
export const STATUS = ["tentative", "confirmed", "coasted", "ended"] as const;
