// How values are written on a watch: nautical miles, knots, DD MM.mmm, UTC with Z. Storage stays SI; only here it turns.

const METRES_PER_NM = 1852; // International nautical mile
const MPS_PER_KN = 1852 / 3600;
export const ABSENT = "–";

export const toKn = (mps: number): number => mps / MPS_PER_KN;
export const toNm = (m: number): number => m / METRES_PER_NM;
export const fromKn = (kn: number): number => kn * MPS_PER_KN;
export const fromNm = (nm: number): number => nm * METRES_PER_NM;

/** 15°04.250′N */
export function latitude(deg: number): string {
  return angle(deg, 2, deg < 0 ? "S" : "N");
}

/** 120°30.000′E; any turn of the globe is folded to -180..180. */
export function longitude(deg: number): string {
  const folded = ((((deg + 180) % 360) + 360) % 360) - 180;
  return angle(folded, 3, folded < 0 ? "W" : "E");
}

export function position(latDeg: number, lonDeg: number): string {
  return `${latitude(latDeg)} ${longitude(lonDeg)}`;
}

function angle(deg: number, digits: number, half: string): string {
  if (!Number.isFinite(deg)) return ABSENT;
  const thousandths = Math.round(Math.abs(deg) * 60_000);
  const whole = Math.floor(thousandths / 60_000);
  const minutes = ((thousandths - whole * 60_000) / 1000).toFixed(3);
  return `${String(whole).padStart(digits, "0")}°${minutes.padStart(6, "0")}′${half}`;
}

export function knots(mps: number): string {
  return Number.isFinite(mps) ? `${toKn(mps).toFixed(1)} kn` : ABSENT;
}

export function bearing(deg: number): string {
  if (!Number.isFinite(deg)) return ABSENT;
  return `${String(Math.round(deg) % 360).padStart(3, "0")}°`;
}

/** A distance as a navigator says it: metres when short, then nautical miles. */
export function distance(m: number): string {
  if (!Number.isFinite(m)) return ABSENT;
  if (m < 500) return `${Math.round(m)} m`;
  const nm = toNm(m);
  return `${nm < 10 ? nm.toFixed(2) : nm < 100 ? nm.toFixed(1) : Math.round(nm)} nm`;
}

export function metres(m: number): string {
  return Number.isFinite(m) ? `${Math.round(m)} m` : ABSENT;
}

/** Bytes a second in the unit that keeps three figures. */
export function byteRate(perSecond: number | null | undefined): string {
  if (perSecond === null || perSecond === undefined || !Number.isFinite(perSecond)) return ABSENT;
  if (perSecond < 1000) return `${Math.round(perSecond)} B/s`;
  const kilo = perSecond / 1000;
  return kilo < 1000 ? `${kilo.toPrecision(3)} kB/s` : `${(kilo / 1000).toPrecision(3)} MB/s`;
}

/** Age in the two largest units that matter: 42 s, 7 min, 3 h 05. */
export function age(seconds: number): string {
  if (!Number.isFinite(seconds)) return ABSENT;
  const s = Math.max(0, Math.round(seconds));
  if (s < 100) return `${s} s`;
  const min = Math.round(s / 60);
  if (min < 100) return `${min} min`;
  const h = Math.floor(min / 60);
  if (h < 48) return `${h} h ${String(min % 60).padStart(2, "0")}`;
  return `${Math.floor(h / 24)} d ${h % 24} h`;
}

/** 06:51:45Z */
export function clock(us: number): string {
  if (!Number.isFinite(us)) return "--:--:--Z";
  return `${new Date(us / 1000).toISOString().slice(11, 19)}Z`;
}

/** 2026-11-22 06:51:45Z */
export function stamp(us: number): string {
  if (!Number.isFinite(us)) return ABSENT;
  const text = new Date(us / 1000).toISOString();
  return `${text.slice(0, 10)} ${text.slice(11, 19)}Z`;
}

/** UTC microseconds of RFC 3339 text or of a number that already is; NaN when absent. */
export function micros(at: string | number | null | undefined): number {
  if (typeof at === "number") return at;
  if (!at) return NaN;
  return Date.parse(at) * 1000;
}

/** Time of day when it is the node's today, else with the date. */
export function when(at: string | number | null | undefined, nowUs: number): string {
  const us = micros(at);
  if (!Number.isFinite(us)) return ABSENT;
  return stamp(us).slice(0, 10) === stamp(nowUs).slice(0, 10) ? clock(us) : stamp(us);
}

export function count(n: number | null | undefined): string {
  return n === null || n === undefined || !Number.isFinite(n) ? ABSENT : n.toLocaleString("en-US").replaceAll(",", " ");
}
