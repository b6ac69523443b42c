// What this screen shows: everything that belongs in the address, so that a colleague sees the same by a link.

import { PALETTES, wear, type PaletteName } from "../palettes";
import { LANGUAGES, speak, type Language } from "../words/words.svelte";
import { decodeFilter, encodeFilter, EVERYTHING, type Filter } from "./filters";

export const DESKS = ["filters", "withheld", "releases", "accords", "exchanges", "rules", "health", "sighting", "legend"] as const;
export type Desk = (typeof DESKS)[number];
/** Minutes a vector reaches ahead; 0 is none, -1 lets the zoom choose. */
export const VECTOR_MINUTES = [-1, 0, 3, 6, 12, 30, 60] as const;

/** Minutes that make a vector of a ten-knot ship some 20 to 90 pixels long at a zoom. */
export function vectorAt(zoom: number): number {
  return zoom < 7 ? 60 : zoom < 8.5 ? 30 : zoom < 10 ? 12 : zoom < 11.5 ? 6 : 3;
}

export const LAYERS = ["trails", "ellipses", "labels", "zones", "coverage"] as const;
export type LayerName = (typeof LAYERS)[number];

const ON: Record<LayerName, boolean> = { trails: true, ellipses: true, labels: true, zones: true, coverage: true };

class View {
  palette = $state<PaletteName>("dusk");
  language = $state<Language>("en");
  viewpoint = $state<string | null>(null);
  selected = $state<number | null>(null);
  alert = $state<string | null>(null);
  desk = $state<Desk | null>(null);
  filter = $state<Filter>({ ...EVERYTHING });
  vectorMin = $state<number>(-1);
  layers = $state<Record<LayerName, boolean>>({ ...ON });
  /** Sensor whose probability of detection is drawn, "*" for every radar; null draws none. */
  detection = $state<string | null>(null);
  follow = $state(false);
  ghosts = $state(true);
  measuring = $state(false);
  rings = $state(false);
  /** lon, lat, zoom; null until the map says, then as the address had it or the node's own. */
  place = $state<[number, number, number] | null>(null);

  /** Read the address, then what this browser last used. */
  load(search: string, storage: Pick<Storage, "getItem"> | null): void {
    const q = new URLSearchParams(search);
    const of = <T extends string>(key: string, allowed: readonly T[], fallback: T): T => {
      const value = q.get(key) ?? storage?.getItem(`kuroshio.${key}`) ?? null;
      return allowed.includes(value as T) ? (value as T) : fallback;
    };
    this.palette = of("palette", PALETTES, "dusk");
    this.language = of("lang", LANGUAGES, "en");
    this.desk = of<Desk | "">("desk", [...DESKS, ""], "") || null;
    this.viewpoint = /^[A-Z0-9_-]{1,16}$/.test(q.get("as") ?? "") ? q.get("as") : null;
    this.selected = q.has("target") && Number.isSafeInteger(Number(q.get("target"))) ? Number(q.get("target")) : null;
    this.alert = q.get("alert");
    this.filter = decodeFilter(q.get("f"));
    const minutes = Number(q.get("vector") ?? -1);
    this.vectorMin = (VECTOR_MINUTES as readonly number[]).includes(minutes) ? minutes : -1;
    const off = (q.get("off") ?? "").split(",");
    for (const name of LAYERS) this.layers[name] = !off.includes(name);
    this.detection = /^([a-z0-9._-]{1,64}|\*)$/.test(q.get("pd") ?? "") ? q.get("pd") : null;
    const at = (q.get("at") ?? "").split(",").map(Number);
    if (at.length === 3 && at.every(Number.isFinite)) this.place = [at[0], Math.max(-85, Math.min(85, at[1])), at[2]];
    wear(this.palette);
    speak(this.language);
  }

  /** The query of an address that shows this again. */
  address(): string {
    const q = new URLSearchParams();
    const put = (key: string, value: string | null | undefined) => value && q.set(key, value);
    if (this.place) put("at", `${this.place[0].toFixed(4)},${this.place[1].toFixed(4)},${this.place[2].toFixed(2)}`);
    put("as", this.viewpoint);
    put("target", this.selected === null ? null : String(this.selected));
    put("alert", this.alert);
    put("desk", this.desk);
    put("f", encodeFilter(this.filter));
    if (this.vectorMin !== -1) q.set("vector", String(this.vectorMin));
    put("off", LAYERS.filter((name) => !this.layers[name]).join(","));
    put("pd", this.detection);
    put("palette", this.palette);
    if (this.language !== "en") q.set("lang", this.language);
    const text = q.toString().replaceAll("%2C", ",").replaceAll("%3B", ";").replaceAll("%3D", "=");
    return text ? `?${text}` : "";
  }

  wear(name: PaletteName): void {
    this.palette = name;
    wear(name);
    keep("palette", name);
  }

  speak(name: Language): void {
    this.language = name;
    speak(name);
    keep("lang", name);
  }

  open(desk: Desk): void {
    this.desk = this.desk === desk ? null : desk;
  }
}

function keep(key: string, value: string): void {
  try {
    localStorage.setItem(`kuroshio.${key}`, value);
  } catch {
    // private windows refuse storage; the address still carries it
  }
}

export const view = new View();
