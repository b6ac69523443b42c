// A value of the card as a watch officer writes it, whatever its unit on the wire.

import { ABSENT, age, bearing, knots, latitude, longitude } from "../units/format";

export function valueText(v: { name: string; value: unknown; unit?: string }): string {
  if (v.value === null || v.value === undefined || v.value === "") return ABSENT;
  if (typeof v.value === "boolean") return v.value ? "✓" : "–";
  if (typeof v.value !== "number") return typeof v.value === "string" ? v.value : JSON.stringify(v.value);
  if (v.name === "lat_deg") return latitude(v.value);
  if (v.name === "lon_deg") return longitude(v.value);
  if (v.unit === "m/s") return knots(v.value);
  if (v.unit === "deg") return bearing(v.value);
  if (v.unit === "s") return age(v.value);
  const plain = Number.isInteger(v.value) ? String(v.value) : String(Number(v.value.toPrecision(5)));
  return v.unit ? `${plain} ${v.unit}` : plain;
}

/** Terms of a release in words a person reads: delay 5 min, cell 0.1°, kept 30 d. */
export function terms(obligations: Record<string, unknown>): string[] {
  const out: string[] = [];
  for (const [key, value] of Object.entries(obligations)) {
    if (value === null || value === undefined || value === 0 || value === "") continue;
    if (Array.isArray(value) && value.length === 0) continue;
    if (key === "delay_s") out.push(`delay ${age(Number(value))}`);
    else if (key === "grid_deg") out.push(`cell ${Number(value)}°`);
    else if (key === "time_bucket_s") out.push(`times to ${age(Number(value))}`);
    else if (key === "retention_s") out.push(`kept ${age(Number(value))}`);
    else if (key === "onward") {
      if (value === false) out.push("not onward");
    } else if (Array.isArray(value)) out.push(`${key.replaceAll("_", " ")} ${value.join(", ")}`);
    else out.push(`${key.replaceAll("_", " ")} ${String(value)}`);
  }
  return out;
}
