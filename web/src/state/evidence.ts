// The evidence of an alert as the node writes it, in the form the page shows.

import type { Alert } from "../api/wire";
import { age, distance, knots } from "../units/format";

export interface Fact {
  text: string;
  measured: unknown;
  limit: unknown;
  margin: unknown;
  unit: string;
  /** "at least" or "at most": which side of the limit fires. */
  sense: string;
  source: string;
}

/** Thresholds with what was measured against them; those that nothing was measured against come last. */
export function facts(alert: Alert): Fact[] {
  const raw = alert.evidence?.thresholds;
  const rows: Record<string, unknown>[] = Array.isArray(raw)
    ? raw.filter((row) => row && typeof row === "object")
    : raw && typeof raw === "object"
      ? Object.entries(raw).map(([name, value]) =>
          value && typeof value === "object" ? { name, ...(value as object) } : { name, value },
        )
      : [];
  const out = rows.map((row): Fact => {
    const pair = "limit" in row; // value against limit; else the limit is the value
    return {
      text: String(row.meaning ?? row.text ?? row.name ?? "").replaceAll("_", " "),
      measured: "measured" in row ? row.measured : pair ? row.value : null,
      limit: pair ? row.limit : row.value,
      margin: row.margin ?? null,
      unit: String(row.unit ?? ""),
      sense: String(row.sense ?? ""),
      source: String(row.source ?? ""),
    };
  });
  return [...out.filter((f) => present(f.measured)), ...out.filter((f) => !present(f.measured))];
}

export const present = (value: unknown): boolean => value !== null && value !== undefined && value !== "";

/** A value in the units of a watch. */
export function quantity(value: unknown, unit: string): string {
  if (!present(value)) return "";
  if (typeof value !== "number") return Array.isArray(value) ? value.join(", ") : plain(value);
  if (unit === "s") return value < 0 ? `−${age(-value)}` : age(value);
  if (unit === "m") return value < 0 ? `−${distance(-value)}` : distance(value);
  if (unit === "m/s") return value < 0 ? `−${knots(-value)}` : knots(value);
  return plain(value) + (unit ? ` ${unit}` : "");
}

export function plain(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(6)));
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** Sentences of the evidence under any of the given keys. */
export function sentences(alert: Alert, ...keys: string[]): string[] {
  return keys.flatMap((key) => {
    const value = alert.evidence?.[key];
    if (Array.isArray(value)) return value.map(plain).filter(Boolean);
    return value ? [plain(value)] : [];
  });
}

/** What the behaviour is, in one sentence. */
export function definition(alert: Alert): string {
  const value = alert.evidence?.definition;
  return value && typeof value === "object" ? String((value as { sentence?: string }).sentence ?? "") : "";
}
