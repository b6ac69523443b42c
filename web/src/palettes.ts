// Four palettes, one set of names. The page turns them into CSS custom properties and the map reads them directly,
// so a colour exists once. Contrast of every pair that carries meaning is held by tests/palettes.test.ts.

export const PALETTES = ["bright", "day", "dusk", "night"] as const;
export type PaletteName = (typeof PALETTES)[number];

export interface Palette {
  /** Panels, raised parts, hovered rows, lines between them. */
  ground: string;
  raised: string;
  hover: string;
  rule: string;
  /** Text, quieter text, what can be pressed, the selected thing and keyboard focus. */
  text: string;
  quiet: string;
  action: string;
  onAction: string;
  focus: string;
  /** Map. */
  sea: string;
  land: string;
  coast: string;
  grid: string;
  placeText: string;
  zone: string;
  coverage: string;
  /** Targets. Red is kept for alerts. */
  ship: string;
  dark: string;
  radar: string;
  image: string;
  partner: string;
  doubtful: string;
  label: string;
  halo: string;
  selected: string;
  trail: string;
  /** Severity, as text and marks on ground. */
  alarm: string;
  warning: string;
  caution: string;
  info: string;
  good: string;
  /** Banners: partner view, and a picture that is not live. */
  banner: string;
  onBanner: string;
  mode: string;
  onMode: string;
}

const bright: Palette = {
  ground: "#ffffff",
  raised: "#eef2f5",
  hover: "#dfe8ee",
  rule: "#8a98a3",
  text: "#000000",
  quiet: "#37434c",
  action: "#004a80",
  onAction: "#ffffff",
  focus: "#b3009b",
  sea: "#f4f9fd",
  land: "#e3d9b0",
  coast: "#3a3a2a",
  grid: "#b5c4cf",
  placeText: "#2b3a44",
  zone: "#5b2a86",
  coverage: "#00695c",
  ship: "#00401f",
  dark: "#7a0090",
  radar: "#003c9e",
  image: "#7a4a00",
  partner: "#00606b",
  doubtful: "#6b5200",
  label: "#000000",
  halo: "#ffffff",
  selected: "#b3009b",
  trail: "#4d5a63",
  alarm: "#b00020",
  warning: "#a13d00",
  caution: "#7a5600",
  info: "#004a80",
  good: "#00602b",
  banner: "#00606b",
  onBanner: "#ffffff",
  mode: "#ffcf33",
  onMode: "#000000",
};

const day: Palette = {
  ground: "#f3f5f6",
  raised: "#e4e9ec",
  hover: "#d6dfe4",
  rule: "#a3b0b8",
  text: "#10191f",
  quiet: "#43525c",
  action: "#0b568f",
  onAction: "#ffffff",
  focus: "#a2008c",
  sea: "#cfe2ef",
  land: "#e6dcbc",
  coast: "#6e6a50",
  grid: "#a9c3d4",
  placeText: "#3d5564",
  zone: "#5d3490",
  coverage: "#00665a",
  ship: "#0a4a2a",
  dark: "#7d0a93",
  radar: "#0b3f9a",
  image: "#7a4700",
  partner: "#005a66",
  doubtful: "#665000",
  label: "#10191f",
  halo: "#e8f1f7",
  selected: "#a2008c",
  trail: "#5b6d78",
  alarm: "#ad0a22",
  warning: "#983c00",
  caution: "#735100",
  info: "#0b568f",
  good: "#0a5c2e",
  banner: "#005a66",
  onBanner: "#ffffff",
  mode: "#f5c518",
  onMode: "#10191f",
};

const dusk: Palette = {
  ground: "#121a21",
  raised: "#1b2630",
  hover: "#26343f",
  rule: "#3d4d59",
  text: "#dde5ea",
  quiet: "#9fb0bb",
  action: "#6db7ea",
  onAction: "#08131b",
  focus: "#ffb3f5",
  sea: "#0f2231",
  land: "#2c2f28",
  coast: "#7d8062",
  grid: "#1f3a4e",
  placeText: "#8ba3b3",
  zone: "#b89be8",
  coverage: "#4fb8a6",
  ship: "#8fe0a8",
  dark: "#f2a2ff",
  radar: "#8fc4ff",
  image: "#f0bd6a",
  partner: "#6fdde6",
  doubtful: "#d9cf78",
  label: "#e6edf1",
  halo: "#0b1822",
  selected: "#ffb3f5",
  trail: "#7f95a3",
  alarm: "#ff7b80",
  warning: "#ff9d57",
  caution: "#f0cf5a",
  info: "#8fc4ff",
  good: "#7fd69a",
  banner: "#0d5c66",
  onBanner: "#ffffff",
  mode: "#f0c419",
  onMode: "#121a21",
};

const night: Palette = {
  ground: "#05080a",
  raised: "#0c1114",
  hover: "#151c20",
  rule: "#283238",
  text: "#9aa5ab",
  quiet: "#7c8990",
  action: "#5b93b8",
  onAction: "#020405",
  focus: "#c98abf",
  sea: "#04090d",
  land: "#12120e",
  coast: "#4c4d3b",
  grid: "#0f1b23",
  placeText: "#64747d",
  zone: "#8472a8",
  coverage: "#3b7f74",
  ship: "#5f9c74",
  dark: "#b277bd",
  radar: "#668fbd",
  image: "#a98350",
  partner: "#4e9aa1",
  doubtful: "#958d52",
  label: "#8f9aa0",
  halo: "#020406",
  selected: "#c98abf",
  trail: "#4c5a62",
  alarm: "#d65c60",
  warning: "#bf7540",
  caution: "#a89142",
  info: "#668fbd",
  good: "#5f9c74",
  banner: "#0b3f46",
  onBanner: "#b9c6ca",
  mode: "#937b1a",
  onMode: "#020405",
};

export const palettes: Record<PaletteName, Palette> = { bright, day, dusk, night };

/** [r, g, b, a] of #rrggbb, each 0..255, as the map layers take it. */
export function rgba(hex: string, alpha = 255): [number, number, number, number] {
  const n = parseInt(hex.slice(1), 16);
  return [(n >> 16) & 255, (n >> 8) & 255, n & 255, alpha];
}

/** A colour on the way from one to another: 0 is the first, 1 the second. */
export function mix(a: string, b: string, share: number): [number, number, number] {
  const [from, to] = [rgba(a), rgba(b)];
  return [0, 1, 2].map((k) => Math.round(from[k] + share * (to[k] - from[k]))) as [number, number, number];
}

export function hex(rgb: readonly number[]): string {
  return `#${rgb.slice(0, 3).map((v) => v.toString(16).padStart(2, "0")).join("")}`;
}

/** WCAG 2.2 contrast ratio of two colours, 1..21. */
export function contrast(a: string, b: string): number {
  const [hi, lo] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (hi + 0.05) / (lo + 0.05);
}

function luminance(hex: string): number {
  const [r, g, b] = rgba(hex).map((v) => {
    const c = v / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** Put a palette on the document. Custom properties are set through CSSOM: the policy forbids inline styles. */
export function wear(name: PaletteName, root: HTMLElement = document.documentElement): void {
  root.dataset.palette = name;
  root.style.colorScheme = name === "bright" || name === "day" ? "light" : "dark";
  for (const [key, value] of Object.entries(palettes[name])) root.style.setProperty(`--${key}`, value);
}
