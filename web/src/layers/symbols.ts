// Which symbol a target gets, and how it is drawn. Shape and line carry the meaning, colour only repeats it.
//
// Triangles follow IMO SN.1/Circ.243/Rev.2 (AIS target, heading line; a lost target is crossed out; a tracked radar
// target is a circle). The circular has no symbol for a ship that hides, for an image detection, for another party's
// word or for a doubtful position: those shapes are Kuroshio's own and the legend names them.

import { FLAG, SENSOR } from "../api/wire";
import type { Palette } from "../palettes";

export const KINDS = [
  "ais", // triangle: the ship says where it is
  "fused", // filled triangle: and another sensor agrees
  "still", // small diamond: says where it is, gives no direction
  "dark", // filled circle in a ring: seen by radar or image, silent on AIS
  "radar", // circle with a centre dot
  "image", // square with a centre dot
  "vms", // small triangle with a bar
  "human", // cross: somebody reported it
  "partner", // pentagon: only a partner holds it
  "blurred", // dashed square: a partner's item in a cell, not a position
  "darkcell", // the same, and what is in the cell is silent on AIS
  "doubtful", // dashed triangle with a question mark
  "dot", // far out
] as const;
export type Kind = (typeof KINDS)[number];

export const AGES = ["fresh", "stale", "lost"] as const;
export type AgeClass = (typeof AGES)[number];

const COASTED = 2;
/** Beyond this a position is drawn dashed. ITU-R M.1371-5 gives 3 min as the longest interval of a ship at anchor. */
export const STALE_US = 6 * 60e6;
/** Beyond this it is drawn crossed out, whatever its status. */
export const LOST_US = 30 * 60e6;

/** The kind of symbol for what holds a target. */
export function kindOf(sensors: number, flags: number, gridM: number, hasDirection: boolean): Kind {
  if (gridM > 0) return flags & FLAG.dark ? "darkcell" : "blurred";
  if (flags & FLAG.dark) return "dark";
  if (flags & (FLAG.uncorroborated | FLAG.conflict | FLAG.drag)) return "doubtful";
  const own = sensors & ~SENSOR.partner;
  if (own & SENSOR.ais) {
    if (own & (SENSOR.radar | SENSOR.image)) return "fused";
    return hasDirection ? "ais" : "still";
  }
  if (own & SENSOR.radar) return "radar";
  if (own & SENSOR.image) return "image";
  if (own & SENSOR.vms) return "vms";
  if (own & SENSOR.human) return "human";
  return "partner";
}

export function ageOf(status: number, ageUs: number): AgeClass {
  if (status === COASTED || ageUs > LOST_US) return "lost";
  return ageUs > STALE_US ? "stale" : "fresh";
}

/** Does the symbol turn with the ship? A circle that turns tells nothing. */
export const TURNS: Record<Kind, boolean> = {
  ais: true,
  fused: true,
  still: false,
  dark: false,
  radar: false,
  image: false,
  vms: true,
  human: false,
  partner: false,
  blurred: false,
  darkcell: false,
  doubtful: true,
  dot: false,
};

export const COLOUR: Record<Kind, keyof Palette> = {
  ais: "ship",
  fused: "ship",
  still: "ship",
  dark: "dark",
  radar: "radar",
  image: "image",
  vms: "ship",
  human: "image",
  partner: "partner",
  blurred: "partner",
  darkcell: "dark",
  doubtful: "doubtful",
  dot: "ship",
};

/** Marks laid around a symbol: the selected target, and the severity of the worst open alert on it. */
export const RINGS = ["selected", "alarm", "warning", "caution", "info"] as const;
export type Ring = (typeof RINGS)[number];

export const CELL = 64;
const NOMINAL = 32; // drawn in a box of 32 units and scaled to the cell

export const iconName = (kind: Kind, age: AgeClass): string => `${kind}-${age}`;

export interface IconMapping {
  [name: string]: { x: number; y: number; width: number; height: number; mask: boolean };
}

export function iconMapping(): IconMapping {
  const mapping: IconMapping = {};
  KINDS.forEach((kind, row) =>
    AGES.forEach((age, column) => {
      mapping[iconName(kind, age)] = { x: column * CELL, y: row * CELL, width: CELL, height: CELL, mask: true };
    }),
  );
  RINGS.forEach((ring, i) => {
    const [row, column] = ringPlace(i);
    mapping[ring] = { x: column * CELL, y: row * CELL, width: CELL, height: CELL, mask: true };
  });
  return mapping;
}

const RING_ROWS = Math.ceil(RINGS.length / AGES.length);
const ringPlace = (i: number): [number, number] => [KINDS.length + Math.floor(i / AGES.length), i % AGES.length];

type Ink = CanvasRenderingContext2D;

/** All symbols on one canvas, as a mask: white ink that the layer colours. */
export function iconAtlas(): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  canvas.width = CELL * AGES.length;
  canvas.height = CELL * (KINDS.length + RING_ROWS);
  const ink = canvas.getContext("2d") as Ink;
  KINDS.forEach((kind, row) =>
    AGES.forEach((age, column) => {
      ink.save();
      ink.translate(column * CELL, row * CELL);
      ink.scale(CELL / NOMINAL, CELL / NOMINAL);
      drawSymbol(ink, kind, age);
      ink.restore();
    }),
  );
  RINGS.forEach((ring, i) => {
    const [row, column] = ringPlace(i);
    ink.save();
    ink.translate(column * CELL, row * CELL);
    ink.scale(CELL / NOMINAL, CELL / NOMINAL);
    drawRing(ink, ring);
    ink.restore();
  });
  return canvas;
}

/** One symbol in a box of 32 by 32 units, bow up, in the ink's present colour (white on the atlas). */
export function drawSymbol(ink: Ink, kind: Kind, age: AgeClass, colour = "#ffffff"): void {
  ink.strokeStyle = colour;
  ink.fillStyle = colour;
  ink.lineWidth = 2;
  ink.lineJoin = "round";
  ink.lineCap = "butt";
  ink.setLineDash(age === "fresh" ? [] : [3, 2]);
  SHAPES[kind](ink);
  if (age === "lost") {
    ink.setLineDash([]);
    ink.lineWidth = 2;
    path(ink, [5, 5], [27, 27]);
    path(ink, [27, 5], [5, 27]);
  }
}

/** Broken square for the selected target (SN.1/Circ.243); a shape of its own for each severity. */
export function drawRing(ink: Ink, ring: Ring, colour = "#ffffff"): void {
  ink.strokeStyle = colour;
  ink.lineWidth = 2;
  ink.lineJoin = "miter";
  if (ring === "selected") {
    const [a, b, l] = [2, 30, 7];
    for (const [x, y, dx, dy] of [
      [a, a, l, l],
      [b, a, -l, l],
      [b, b, -l, -l],
      [a, b, l, -l],
    ]) {
      ink.beginPath();
      ink.moveTo(x + dx, y);
      ink.lineTo(x, y);
      ink.lineTo(x, y + dy);
      ink.stroke();
    }
  } else if (ring === "alarm") {
    ink.lineWidth = 2.6;
    outline(ink, [16, 1.5], [30.5, 16], [16, 30.5], [1.5, 16]);
    ink.stroke();
  } else if (ring === "caution") {
    outline(ink, [3, 3], [29, 3], [29, 29], [3, 29]);
    ink.stroke();
  } else {
    ink.lineWidth = ring === "warning" ? 2.4 : 1.4;
    circle(ink, 14);
    ink.stroke();
  }
}

const SHAPES: Record<Kind, (ink: Ink) => void> = {
  ais: (ink) => triangle(ink, 0.15),
  fused: (ink) => triangle(ink, 0.75),
  still: (ink) => {
    outline(ink, [16, 9], [23, 16], [16, 23], [9, 16]);
    veil(ink, 0.15);
    ink.stroke();
  },
  dark: (ink) => {
    circle(ink, 10);
    ink.lineWidth = 2.4;
    ink.stroke();
    ink.setLineDash([]);
    circle(ink, 5.2);
    ink.fill();
  },
  radar: (ink) => {
    circle(ink, 8);
    veil(ink, 0.12);
    ink.stroke();
    dot(ink);
  },
  image: (ink) => {
    outline(ink, [8.5, 8.5], [23.5, 8.5], [23.5, 23.5], [8.5, 23.5]);
    veil(ink, 0.12);
    ink.stroke();
    dot(ink);
  },
  vms: (ink) => {
    outline(ink, [16, 7], [22, 22], [10, 22]);
    ink.stroke();
    path(ink, [9, 26], [23, 26]);
  },
  human: (ink) => {
    path(ink, [16, 7], [16, 25]);
    path(ink, [7, 16], [25, 16]);
    circle(ink, 4);
    ink.stroke();
  },
  partner: (ink) => {
    outline(ink, [16, 6.5], [25.5, 13.5], [22, 24.5], [10, 24.5], [6.5, 13.5]);
    veil(ink, 0.2);
    ink.stroke();
  },
  blurred: (ink) => {
    ink.setLineDash([3, 2.4]);
    outline(ink, [9, 9], [23, 9], [23, 23], [9, 23]);
    ink.stroke();
    ink.setLineDash([]);
    path(ink, [12, 16], [20, 16]);
  },
  darkcell: (ink) => {
    ink.setLineDash([3, 2.4]);
    outline(ink, [7, 7], [25, 7], [25, 25], [7, 25]);
    ink.stroke();
    ink.setLineDash([]);
    circle(ink, 5.2);
    ink.fill();
  },
  doubtful: (ink) => {
    ink.setLineDash([3, 2]);
    outline(ink, [16, 4], [24, 24], [8, 24]);
    ink.stroke();
    ink.setLineDash([]);
    ink.font = "bold 12px sans-serif";
    ink.textAlign = "center";
    ink.fillText("?", 16, 22);
  },
  dot: (ink) => {
    circle(ink, 9);
    ink.fill();
  },
};

function triangle(ink: Ink, fill: number): void {
  outline(ink, [16, 5.5], [23, 24.5], [9, 24.5]);
  veil(ink, fill);
  ink.stroke();
  ink.setLineDash([]);
  ink.lineWidth = 1.6;
  path(ink, [16, 5.5], [16, 0]);
}

function outline(ink: Ink, ...points: [number, number][]): void {
  ink.beginPath();
  points.forEach(([x, y], i) => (i ? ink.lineTo(x, y) : ink.moveTo(x, y)));
  ink.closePath();
}

function path(ink: Ink, from: [number, number], to: [number, number]): void {
  ink.beginPath();
  ink.moveTo(...from);
  ink.lineTo(...to);
  ink.stroke();
}

function circle(ink: Ink, radius: number): void {
  ink.beginPath();
  ink.arc(16, 16, radius, 0, 2 * Math.PI);
}

function dot(ink: Ink): void {
  ink.setLineDash([]);
  circle(ink, 2.2);
  ink.fill();
}

function veil(ink: Ink, alpha: number): void {
  ink.globalAlpha = alpha;
  ink.fill();
  ink.globalAlpha = 1;
}
