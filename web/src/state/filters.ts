// What is shown: one filter for the map, the queue and the counts, written into the address.

import { FLAG, SENSOR, type Alert } from "../api/wire";
import type { Picture } from "./picture";

/** Groups of ITU-R M.1371-5 table 53 ship types. */
export const SHIP_GROUPS = ["cargo", "tanker", "passenger", "fishing", "service", "other", "unknown"] as const;
export type ShipGroup = (typeof SHIP_GROUPS)[number];

export const HOLDERS = ["ais", "radar", "image", "vms", "human", "partner"] as const;
export const MARKS = ["dark", "doubtful", "blurred", "stale"] as const;
export type Mark = (typeof MARKS)[number];

export interface Filter {
  /** Held by any of these sensors; empty means any. */
  sensors: string[];
  /** Having any of these marks; empty means any. */
  marks: string[];
  groups: string[];
  /** Part of a name, an MMSI or a track number. */
  text: string;
  minKn: number;
}

export const EVERYTHING: Filter = { sensors: [], marks: [], groups: [], text: "", minKn: 0 };

export function isEverything(filter: Filter): boolean {
  return encodeFilter(filter) === "";
}

export function shipGroup(type: number): ShipGroup {
  if (type === 0) return "unknown";
  if (type === 30) return "fishing";
  if (type >= 70 && type < 80) return "cargo";
  if (type >= 80 && type < 90) return "tanker";
  if (type >= 60 && type < 70) return "passenger";
  if ((type >= 50 && type < 60) || type === 31 || type === 32 || type === 33 || type === 34 || type === 35) {
    return "service";
  }
  return "other";
}

/** A test of one slot of the picture, prepared once for all slots. */
export function passes(filter: Filter, picture: Picture, nowUs: number, staleUs: number): (slot: number) => boolean {
  if (isEverything(filter)) return () => true;
  const sensorMask = filter.sensors.reduce((mask, s) => mask | (SENSOR[s as keyof typeof SENSOR] ?? 0), 0);
  const groups = new Set(filter.groups);
  const text = filter.text.trim().toUpperCase();
  const minMps = (filter.minKn * 1852) / 3600;
  const marked = (slot: number) =>
    filter.marks.some((mark) => {
      if (mark === "dark") return (picture.flags[slot] & FLAG.dark) !== 0;
      if (mark === "doubtful")
        return (picture.flags[slot] & (FLAG.uncorroborated | FLAG.conflict | FLAG.drag)) !== 0;
      if (mark === "blurred") return picture.grid[slot] > 0;
      return nowUs - picture.at[slot] > staleUs;
    });
  return (slot) => {
    if (sensorMask && !(picture.sensors[slot] & sensorMask)) return false;
    if (groups.size && !groups.has(shipGroup(picture.shipType[slot]))) return false;
    if (minMps > 0 && !(picture.sog[slot] >= minMps)) return false;
    if (filter.marks.length && !marked(slot)) return false;
    return !text || matches(picture, slot, text);
  };
}

/** Does the name, MMSI or track number hold the text (upper case)? */
export function matches(picture: Picture, slot: number, text: string): boolean {
  const name = picture.name[slot];
  if (name && name.toUpperCase().includes(text)) return true;
  if (picture.mmsi[slot] && String(picture.mmsi[slot]).includes(text)) return true;
  return `T${picture.id[slot]}` === text || String(picture.id[slot]) === text;
}

/** An alert is shown when one of its tracks is, or when none of them is in the picture any more. */
export function alertPasses(alert: Alert, picture: Picture, test: (slot: number) => boolean): boolean {
  const slots = (alert.track_ids ?? []).map((id) => picture.slot(id)).filter((slot) => slot >= 0);
  return slots.length === 0 || slots.some(test);
}

/** The part of a filter that the node's export understands, and whether that is all of it. */
export function exportQuery(filter: Filter): { query: [string, string][]; whole: boolean } {
  const query: [string, string][] = filter.sensors.map((sensor) => ["sensor", sensor]);
  if (filter.marks.includes("dark")) query.push(["flag", "dark"]);
  if (filter.marks.includes("doubtful")) {
    query.push(["flag", "uncorroborated"], ["flag", "conflict"], ["flag", "drag"]);
  }
  const text = filter.text.trim();
  if (/^\d{9}$/.test(text)) query.push(["mmsi", text]);
  else if (text && !/^T?\d+$/i.test(text)) query.push(["name", text]);
  const asked = filter.marks.filter((mark) => mark === "blurred" || mark === "stale").length;
  const whole = !asked && !filter.groups.length && !(filter.minKn > 0) && (!text || query.some(([k]) => k === "mmsi" || k === "name"));
  return { query, whole };
}

/** Compact text for the address: s=ais,radar;m=dark;g=tanker;t=MARU;k=2 */
export function encodeFilter(filter: Filter): string {
  const parts: string[] = [];
  if (filter.sensors.length) parts.push(`s=${filter.sensors.join(",")}`);
  if (filter.marks.length) parts.push(`m=${filter.marks.join(",")}`);
  if (filter.groups.length) parts.push(`g=${filter.groups.join(",")}`);
  if (filter.text.trim()) parts.push(`t=${encodeURIComponent(filter.text.trim())}`);
  if (filter.minKn > 0) parts.push(`k=${filter.minKn}`);
  return parts.join(";");
}

/** The filter an address asks for; what it does not know it leaves out. */
export function decodeFilter(text: string | null): Filter {
  const filter: Filter = { sensors: [], marks: [], groups: [], text: "", minKn: 0 };
  for (const part of (text ?? "").split(";")) {
    const [key, value = ""] = part.split(/=(.*)/s);
    const known = (allowed: readonly string[]) => value.split(",").filter((v) => allowed.includes(v));
    if (key === "s") filter.sensors = known(HOLDERS);
    else if (key === "m") filter.marks = known(MARKS);
    else if (key === "g") filter.groups = known(SHIP_GROUPS);
    else if (key === "k") filter.minKn = Math.max(0, Number(value) || 0);
    else if (key === "t") {
      try {
        filter.text = decodeURIComponent(value);
      } catch {
        filter.text = ""; // a cut-off escape in a pasted address
      }
    }
  }
  return filter;
}
