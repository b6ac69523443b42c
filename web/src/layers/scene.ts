// Ships on the map. This is the only module that knows deck.gl: what draws vessels can be replaced behind `Scene`.

import { IconLayer, LineLayer, PathLayer, PolygonLayer } from "@deck.gl/layers";
import { PathStyleExtension } from "@deck.gl/extensions";
import { MapLibreOverlay } from "@deck.gl/maplibre";
import type { Layer } from "@deck.gl/core";
import type { IControl } from "maplibre-gl";
import type { Alert } from "../api/wire";
import { rgba, type Palette } from "../palettes";
import type { Picture } from "../state/picture";
import { ahead, ellipse, metresPerPixel, nearLon } from "../units/earth";
import { Visible, type Box } from "./cull";
import { evidenceShapes } from "./evidence";
import {
  AGES,
  COLOUR,
  KINDS,
  TURNS,
  ageOf,
  iconAtlas,
  iconMapping,
  iconName,
  kindOf,
  type Ring,
} from "./symbols";

export interface Point {
  lon: number;
  lat: number;
}

export interface Drawing {
  picture: Picture;
  palette: Palette;
  box: Box;
  zoom: number;
  nowUs: number;
  test: (slot: number) => boolean;
  selected: number | null;
  history: [number, number][];
  alertRings: Map<number, Ring>;
  alert: Alert | null;
  ghosts: { lon: number; lat: number; blurred: boolean }[];
  vectorMin: number;
  trails: boolean;
  ellipses: boolean;
  rings: Point | null;
  measure: Point[];
}

type Colour = [number, number, number, number];
type Ringed = { path: [number, number][]; colour: Colour };

const DOTS_BELOW_ZOOM = 5;
const ELLIPSES_FROM_ZOOM = 7;
const MOST_ELLIPSES = 1500;
const MOST_TRAILS = 3000;
const LEAST_MPS = 0.25;
const METRES_PER_DEG = 111_195;
const TENTATIVE = 0;
const RING_NM = [3, 6, 12, 24];
const DASH = new PathStyleExtension({ dash: true });

export class Scene {
  readonly visible = new Visible();
  private readonly overlay: MapLibreOverlay;
  private readonly atlas = iconAtlas();
  private readonly mapping = iconMapping();
  // one entry a visible target, reused from draw to draw
  private kind: string[] = [];
  private colour: Colour[] = [];

  constructor() {
    this.overlay = new MapLibreOverlay({ interleaved: false, layers: [], useDevicePixels: true });
  }

  get control(): IControl {
    return this.overlay as unknown as IControl;
  }

  draw(d: Drawing): void {
    this.visible.fill(d.picture, d.box, d.test);
    this.classify(d);
    this.overlay.setProps({
      layers: [
        this.ghosts(d),
        this.cells(d),
        d.trails ? this.trails(d) : null,
        this.history(d),
        d.ellipses && d.zoom >= ELLIPSES_FROM_ZOOM ? this.ellipses(d) : null,
        this.rangeRings(d),
        ...this.evidence(d),
        d.vectorMin > 0 && d.zoom >= DOTS_BELOW_ZOOM ? this.vectors(d) : null,
        this.symbols(d),
        this.marks(d),
        this.measure(d),
      ].filter((layer): layer is Layer => layer !== null),
    });
  }

  private classify({ picture, palette, nowUs, zoom }: Drawing): void {
    const colours = Object.fromEntries(KINDS.map((k) => [k, rgba(palette[COLOUR[k]])])) as Record<string, Colour>;
    const faded = Object.fromEntries(KINDS.map((k) => [k, rgba(palette[COLOUR[k]], 165)])) as Record<string, Colour>;
    const far = zoom < DOTS_BELOW_ZOOM;
    const names = Object.fromEntries(KINDS.map((k) => [k, Object.fromEntries(AGES.map((a) => [a, iconName(k, a)]))]));
    for (let i = 0; i < this.visible.count; i++) {
      const slot = this.visible.slots[i];
      const turns = picture.heading[slot] >= 0 || picture.cog[slot] >= 0;
      const kind = kindOf(picture.sensors[slot], picture.flags[slot], picture.grid[slot], turns);
      const age = ageOf(picture.status[slot], nowUs - picture.at[slot]);
      const plain = far && kind !== "dark" && kind !== "doubtful";
      this.kind[i] = plain ? "dot-fresh" : names[kind][age];
      this.colour[i] = age === "fresh" && picture.status[slot] !== TENTATIVE ? colours[kind] : faded[kind];
    }
  }

  private symbols({ picture, zoom }: Drawing): Layer {
    const { slots, lon } = this.visible;
    const angle = (slot: number) => {
      const kind = kindOf(picture.sensors[slot], picture.flags[slot], picture.grid[slot], true);
      if (!TURNS[kind]) return 0;
      const heading = picture.heading[slot] >= 0 ? picture.heading[slot] : picture.cog[slot];
      return heading >= 0 ? -heading : 0;
    };
    const full = zoom >= 9 ? 30 : 24;
    return new IconLayer({
      id: "symbols",
      data: { length: this.visible.count },
      iconAtlas: this.atlas as unknown as string,
      iconMapping: this.mapping,
      getIcon: (_: unknown, { index }: { index: number }) => this.kind[index],
      getPosition: (_: unknown, { index }: { index: number }) => [lon[index], picture.lat[slots[index]], 0],
      getAngle: (_: unknown, { index }: { index: number }) => angle(slots[index]),
      getColor: (_: unknown, { index }: { index: number }) => this.colour[index],
      getSize: (_: unknown, { index }: { index: number }) =>
        this.kind[index] === "dot-fresh" ? 9 : picture.status[slots[index]] === TENTATIVE ? full * 0.75 : full,
      pickable: false,
      parameters: { depthCompare: "always" },
    });
  }

  private vectors({ picture, vectorMin }: Drawing): Layer {
    const starts: [number, number][] = [];
    const ends: [number, number][] = [];
    const colours: Colour[] = [];
    for (let i = 0; i < this.visible.count; i++) {
      const slot = this.visible.slots[i];
      const speed = picture.sog[slot];
      if (!(speed > LEAST_MPS) || !(picture.cog[slot] >= 0) || picture.grid[slot] > 0) continue;
      const from: [number, number] = [this.visible.lon[i], picture.lat[slot]];
      starts.push(from);
      ends.push(ahead(from[0], from[1], picture.cog[slot], speed * vectorMin * 60));
      colours.push(this.colour[i]);
    }
    return new LineLayer({
      id: "vectors",
      data: { length: starts.length },
      getSourcePosition: (_: unknown, { index }: { index: number }) => starts[index],
      getTargetPosition: (_: unknown, { index }: { index: number }) => ends[index],
      getColor: (_: unknown, { index }: { index: number }) => colours[index],
      getWidth: 1.6,
      widthUnits: "pixels",
    });
  }

  private trails({ picture, palette, zoom }: Drawing): Layer | null {
    if (zoom < 6 || this.visible.count > MOST_TRAILS) return null;
    const data: [number, number][][] = [];
    for (let i = 0; i < this.visible.count; i++) {
      const slot = this.visible.slots[i];
      const trail = picture.trails.get(picture.id[slot]);
      if (!trail || picture.grid[slot] > 0) continue;
      const here: [number, number] = [this.visible.lon[i], picture.lat[slot]];
      const line = trail.lon.map((lon, n): [number, number] => [nearLon(lon, here[0]), trail.lat[n]]);
      line.push(here);
      data.push(line);
    }
    return new PathLayer({
      id: "trails",
      data,
      getPath: (line: [number, number][]) => line,
      getColor: rgba(palette.trail, 150),
      getWidth: 1.2,
      widthUnits: "pixels",
      updateTriggers: { getColor: palette.trail },
    });
  }

  private history({ history, palette }: Drawing): Layer | null {
    if (history.length < 2) return null;
    return new PathLayer({
      id: "history",
      data: [history],
      getPath: (line: [number, number][]) => line,
      getColor: rgba(palette.selected, 210),
      getWidth: 1.8,
      widthUnits: "pixels",
      updateTriggers: { getColor: palette.selected },
    });
  }

  private ellipses({ picture, zoom, selected }: Drawing): Layer {
    const data: Ringed[] = [];
    for (let i = 0; i < this.visible.count && data.length < MOST_ELLIPSES; i++) {
      const slot = this.visible.slots[i];
      const major = picture.ellipseMajor[slot];
      const lat = picture.lat[slot];
      if (picture.grid[slot] > 0 || !(major > 0)) continue;
      const px = major / metresPerPixel(lat, zoom);
      if (px < 9 && picture.id[slot] !== selected) continue;
      const [r, g, b] = this.colour[i];
      const minor = picture.ellipseMinor[slot];
      data.push({
        path: ellipse(this.visible.lon[i], lat, major, minor > 0 ? minor : major, picture.ellipseAngle[slot] || 0),
        colour: [r, g, b, 150],
      });
    }
    return paths("ellipses", data, 1.1);
  }

  private cells({ picture, palette }: Drawing): Layer {
    const data: [number, number][][] = [];
    for (let i = 0; i < this.visible.count; i++) {
      const slot = this.visible.slots[i];
      if (!(picture.grid[slot] > 0)) continue;
      const half = picture.grid[slot] / METRES_PER_DEG / 2;
      const [lon, lat] = [this.visible.lon[i], picture.lat[slot]];
      data.push([
        [lon - half, lat - half],
        [lon + half, lat - half],
        [lon + half, lat + half],
        [lon - half, lat + half],
        [lon - half, lat - half],
      ]);
    }
    return new PolygonLayer({
      id: "cells",
      data,
      getPolygon: (ring: [number, number][]) => ring,
      getFillColor: rgba(palette.partner, 34),
      getLineColor: rgba(palette.partner, 200),
      getLineWidth: 1.2,
      lineWidthUnits: "pixels",
      updateTriggers: { getFillColor: palette.partner, getLineColor: palette.partner },
    });
  }

  private marks({ picture, palette, selected, alertRings }: Drawing): Layer {
    const data: { at: [number, number]; ring: Ring; size: number }[] = [];
    for (let i = 0; i < this.visible.count; i++) {
      const slot = this.visible.slots[i];
      const id = picture.id[slot];
      const at: [number, number] = [this.visible.lon[i], picture.lat[slot]];
      const ring = alertRings.get(id);
      if (ring) data.push({ at, ring, size: 42 });
      if (id === selected) data.push({ at, ring: "selected", size: ring ? 54 : 44 });
    }
    return new IconLayer({
      id: "marks",
      data,
      iconAtlas: this.atlas as unknown as string,
      iconMapping: this.mapping,
      getIcon: (m: { ring: Ring }) => m.ring,
      getPosition: (m: { at: [number, number] }) => m.at,
      getSize: (m: { size: number }) => m.size,
      getColor: (m: { ring: Ring }) => rgba(palette[m.ring]),
      updateTriggers: { getColor: palette.ground },
      parameters: { depthCompare: "always" },
    });
  }

  private ghosts({ ghosts, palette }: Drawing): Layer {
    return new IconLayer({
      id: "ghosts",
      data: ghosts,
      iconAtlas: this.atlas as unknown as string,
      iconMapping: this.mapping,
      getIcon: (g: { blurred: boolean }) => (g.blurred ? "blurred-fresh" : "human-lost"),
      getPosition: (g: { lon: number; lat: number }) => [g.lon, g.lat],
      getSize: 22,
      getColor: rgba(palette.quiet, 190),
      updateTriggers: { getColor: palette.quiet },
      parameters: { depthCompare: "always" },
    });
  }

  private rangeRings({ rings, palette }: Drawing): Layer | null {
    if (!rings) return null;
    const data = RING_NM.map((nm) => ({
      path: ellipse(rings.lon, rings.lat, nm * 1852, nm * 1852, 0, 96),
      colour: rgba(palette.selected, 170),
    }));
    return paths("range-rings", data, 1);
  }

  private measure({ measure, palette }: Drawing): Layer | null {
    if (measure.length < 2) return null;
    const path = measure.map((p): [number, number] => [p.lon, p.lat]);
    return paths("measure", [{ path, colour: rgba(palette.focus) }], 2);
  }

  private evidence({ alert, palette, picture }: Drawing): (Layer | null)[] {
    if (!alert) return [];
    const { lines, points } = evidenceShapes(alert, picture);
    const colour = rgba(palette[alert.severity] ?? palette.info, 230);
    return [
      new PathLayer({
        id: "evidence-lines",
        data: lines,
        getPath: (line: [number, number][]) => line,
        getColor: colour,
        getWidth: 2,
        widthUnits: "pixels",
        getDashArray: [5, 3],
        extensions: [DASH],
        updateTriggers: { getColor: colour.join() },
      } as never) as Layer,
      new IconLayer({
        id: "evidence-points",
        data: points,
        iconAtlas: this.atlas as unknown as string,
        iconMapping: this.mapping,
        getIcon: () => "caution",
        getPosition: (at: [number, number]) => at,
        getSize: 14,
        getColor: colour,
        updateTriggers: { getColor: colour.join() },
        parameters: { depthCompare: "always" },
      }),
    ];
  }
}

function paths(id: string, data: Ringed[], width: number): Layer {
  return new PathLayer({
    id,
    data,
    getPath: (d: Ringed) => d.path,
    getColor: (d: Ringed) => d.colour,
    getWidth: width,
    widthUnits: "pixels",
  });
}
