// Names of ships and of grid lines, on a plain canvas above the map: local fonts, a halo, no glyph files.

import type { Map as MapLibreMap } from "maplibre-gl";
import { declutter, worldX, worldY, type Visible, type Wish } from "../layers/cull";
import type { Palette } from "../palettes";
import { nearLon } from "../units/earth";
import type { Picture } from "../state/picture";
import { FLAG } from "../api/wire";
import { gridLabel, type GridLine } from "./style";

const FONT = "12px 'Noto Sans', 'Noto Sans CJK JP', system-ui, sans-serif";
const MOST_NAMES = 180;
const MOST_CANDIDATES = 1200;
const NAMES_FROM_ZOOM = 6.5;

export interface LabelInput {
  picture: Picture;
  visible: Visible;
  palette: Palette;
  names: boolean;
  selected: number | null;
  alerted: { has(id: number): boolean };
  grid: GridLine[];
  /** Words beside places of the chosen alert's evidence. */
  notes: { lon: number; lat: number; text: string }[];
  noteColour: string;
}

/** What stands beside a ship: the name claimed, else the number claimed, else our track number. */
export function labelOf(picture: Picture, slot: number): string {
  return picture.name[slot] || (picture.mmsi[slot] ? String(picture.mmsi[slot]) : `T${picture.id[slot]}`);
}

export function drawLabels(canvas: HTMLCanvasElement, map: MapLibreMap, input: LabelInput): void {
  const ratio = window.devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = map.getContainer();
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const ink = canvas.getContext("2d");
  if (!ink) return;
  ink.setTransform(ratio, 0, 0, ratio, 0, 0);
  ink.clearRect(0, 0, width, height);
  ink.font = FONT;
  ink.lineJoin = "round";
  ink.lineWidth = 3;
  ink.strokeStyle = input.palette.halo;
  const zoom = map.getZoom();
  const centre = map.getCenter();
  const middle = map.project(centre); // not the middle of the canvas while a desk is open
  const x0 = worldX(centre.lng, zoom) - middle.x;
  const y0 = worldY(centre.lat, zoom) - middle.y;
  drawGridLabels(ink, input, zoom, x0, y0, width, height);
  const notes = input.notes.map(({ lon, lat, text }, i) => {
    const x = worldX(nearLon(lon, centre.lng), zoom) - x0 + 9;
    return { x, y: worldY(lat, zoom) - y0 - 19, width: text.length * 7, height: 13, rank: i, text };
  });
  const fits = declutter(notes, MOST_NAMES);
  notes.forEach((note, i) => fits[i] && write(ink, note.text, note.x, note.y + 10, input.noteColour));
  if (input.names && zoom >= NAMES_FROM_ZOOM) drawNames(ink, input, zoom, x0, y0, width, height);
}

function write(ink: CanvasRenderingContext2D, text: string, x: number, y: number, colour: string): void {
  ink.strokeText(text, x, y);
  ink.fillStyle = colour;
  ink.fillText(text, x, y);
}

function drawGridLabels(
  ink: CanvasRenderingContext2D,
  { grid, palette }: LabelInput,
  zoom: number,
  x0: number,
  y0: number,
  width: number,
  height: number,
): void {
  ink.textBaseline = "alphabetic";
  for (const { along, deg } of grid) {
    const text = gridLabel(along, deg);
    if (along === "lon") {
      const x = worldX(deg, zoom) - x0;
      if (x > 60 && x < width - 60) write(ink, text, x + 4, height - 8, palette.placeText);
    } else {
      const y = worldY(deg, zoom) - y0;
      if (y > 30 && y < height - 30) write(ink, text, 6, y - 4, palette.placeText);
    }
  }
}

function drawNames(
  ink: CanvasRenderingContext2D,
  { picture, visible, palette, selected, alerted }: LabelInput,
  zoom: number,
  x0: number,
  y0: number,
  width: number,
  height: number,
): void {
  const wishes: (Wish & { text: string; id: number })[] = [];
  for (let i = 0; i < visible.count && wishes.length < MOST_CANDIDATES; i++) {
    const slot = visible.slots[i];
    const ringed = picture.id[slot] === selected || alerted.has(picture.id[slot]);
    const x = worldX(visible.lon[i], zoom) - x0 + (ringed ? 27 : 14);
    const y = worldY(picture.lat[slot], zoom) - y0 + 4;
    if (x < -20 || x > width || y < 0 || y > height + 10) continue;
    const id = picture.id[slot];
    const text = labelOf(picture, slot);
    const special = id === selected ? 1e6 : alerted.has(id) ? 1e4 : picture.flags[slot] & FLAG.dark ? 1e3 : 0;
    const rank = special + (picture.name[slot] ? 100 : 0) + Math.min(90, picture.length[slot] || 0) / 10;
    wishes.push({ x, y: y - 10, width: text.length * 7 + 4, height: 13, rank, text, id });
  }
  const keep = declutter(wishes, MOST_NAMES);
  wishes.forEach((wish, i) => {
    if (keep[i]) write(ink, wish.text, wish.x, wish.y + 10, wish.id === selected ? palette.selected : palette.label);
  });
}
