// One pass over the visible targets into flat arrays for the graphics card: symbols and their vectors.
//
// deck.gl's own path through an accessor a row costs 12 ms for 20 000 ships; these arrays go up as they are.

import { IconLayer, LineLayer } from "@deck.gl/layers";
import type { Layer } from "@deck.gl/core";
import { rgba, type Palette } from "../palettes";
import type { Picture } from "../state/picture";
import { ahead, metresPerPixel } from "../units/earth";
import type { Visible } from "./cull";
import { AGES, COLOUR, iconMapping, iconName, KINDS, kindOf, ageOf, TURNS, type Kind } from "./symbols";

const DOTS_BELOW_ZOOM = 5;
const LEAST_MPS = 0.25;
/** Shorter vectors are not drawn: they would hide in the symbol. */
const LEAST_VECTOR_PX = 10;
const TENTATIVE = 0;
const LOST = AGES.indexOf("lost");
const FRAME = 7;
const FRESH_ALPHA = 255;
const FADED_ALPHA = 165;

/** IconLayer whose icons arrive as frames in the atlas, with no name to look up a row. */
class FrameLayer extends IconLayer {
  static override layerName = "FrameLayer";

  override initializeState(): void {
    super.initializeState();
    const attributes = this.getAttributeManager();
    attributes?.remove(["instanceIconDefs"]);
    attributes?.addInstanced({
      instanceIconDefs: {
        size: FRAME,
        accessor: "getIcon",
        shaderAttributes: {
          instanceOffsets: { size: 2, elementOffset: 0 },
          instanceIconFrames: { size: 4, elementOffset: 2 },
          instanceColorModes: { size: 1, elementOffset: 6 },
        },
      },
    });
  }
}

interface Look {
  frames: Float32Array;
  colours: Uint8Array;
}

export class Ships {
  /** Kind of each visible target, as an index into KINDS: the other layers read it. */
  kinds = new Uint8Array(0);
  private at = new Float32Array(0);
  private size = new Float32Array(0);
  private angle = new Float32Array(0);
  private colour = new Uint8ClampedArray(0);
  private frame = new Float32Array(0);
  private from = new Float32Array(0);
  private to = new Float32Array(0);
  private vectorColour = new Uint8ClampedArray(0);
  private vectors = 0;
  private readonly look: Look;

  constructor() {
    this.look = { frames: frames(), colours: new Uint8Array(0) };
  }

  /** Fill every array for the targets in view. */
  fill(picture: Picture, visible: Visible, palette: Palette, zoom: number, nowUs: number, vectorMin: number): void {
    this.reserve(visible.slots.length);
    this.look.colours = colours(palette);
    const far = zoom < DOTS_BELOW_ZOOM;
    const full = zoom >= 9 ? 30 : 24;
    const seconds = far ? 0 : vectorMin * 60;
    const dot = INDEX.dot;
    const special = [INDEX.dark, INDEX.darkcell, INDEX.doubtful];
    this.vectors = 0;
    for (let i = 0; i < visible.count; i++) {
      const slot = visible.slots[i];
      const heading = picture.heading[slot];
      const direction = heading >= 0 ? heading : picture.cog[slot];
      const name = kindOf(picture.sensors[slot], picture.flags[slot], picture.grid[slot], direction >= 0);
      const kind = INDEX[name];
      const age = AGES.indexOf(ageOf(picture.status[slot], nowUs - picture.at[slot]));
      const plain = far && !special.includes(kind);
      this.kinds[i] = kind;
      this.at[2 * i] = visible.lon[i];
      this.at[2 * i + 1] = picture.lat[slot];
      this.size[i] = plain ? 9 : picture.status[slot] === TENTATIVE ? full * 0.75 : full;
      this.angle[i] = TURNS[name] && direction >= 0 ? -direction : 0;
      const frame = FRAME * (plain ? dot * AGES.length : kind * AGES.length + age);
      for (let k = 0; k < FRAME; k++) this.frame[FRAME * i + k] = this.look.frames[frame + k];
      const c = 4 * (2 * kind + (age === 0 && picture.status[slot] !== TENTATIVE ? 0 : 1));
      for (let k = 0; k < 4; k++) this.colour[4 * i + k] = this.look.colours[c + k];
      if (seconds > 0 && age < LOST) this.vector(picture, slot, i, seconds, zoom);
    }
  }

  private vector(picture: Picture, slot: number, i: number, seconds: number, zoom: number): void {
    const speed = picture.sog[slot];
    const cog = picture.cog[slot];
    if (!(speed > LEAST_MPS) || !(cog >= 0) || picture.grid[slot] > 0) return;
    const lat = picture.lat[slot];
    if (speed * seconds < LEAST_VECTOR_PX * metresPerPixel(lat, zoom)) return;
    const v = this.vectors++;
    const end = ahead(this.at[2 * i], lat, cog, speed * seconds);
    this.from[2 * v] = this.at[2 * i];
    this.from[2 * v + 1] = lat;
    this.to[2 * v] = end[0];
    this.to[2 * v + 1] = end[1];
    for (let k = 0; k < 4; k++) this.vectorColour[4 * v + k] = this.colour[4 * i + k];
  }

  private reserve(n: number): void {
    if (this.kinds.length >= n) return;
    this.kinds = new Uint8Array(n);
    this.size = new Float32Array(n);
    this.angle = new Float32Array(n);
    this.at = new Float32Array(2 * n);
    this.from = new Float32Array(2 * n);
    this.to = new Float32Array(2 * n);
    this.colour = new Uint8ClampedArray(4 * n);
    this.vectorColour = new Uint8ClampedArray(4 * n);
    this.frame = new Float32Array(FRAME * n);
  }

  symbolLayer(count: number, atlas: HTMLCanvasElement): Layer {
    return new FrameLayer({
      id: "symbols",
      data: {
        length: count,
        attributes: {
          getPosition: { value: this.at.subarray(0, 2 * count), size: 2 },
          getSize: { value: this.size.subarray(0, count), size: 1 },
          getAngle: { value: this.angle.subarray(0, count), size: 1 },
          getColor: { value: this.colour.subarray(0, 4 * count), size: 4 },
          getIcon: { value: this.frame.subarray(0, FRAME * count), size: FRAME },
        },
      },
      iconAtlas: atlas as unknown as string,
      iconMapping: {},
      pickable: false,
      parameters: { depthCompare: "always" },
    });
  }

  vectorLayer(): Layer {
    const n = this.vectors;
    return new LineLayer({
      id: "vectors",
      data: {
        length: n,
        attributes: {
          getSourcePosition: { value: this.from.subarray(0, 2 * n), size: 2 },
          getTargetPosition: { value: this.to.subarray(0, 2 * n), size: 2 },
          getColor: { value: this.vectorColour.subarray(0, 4 * n), size: 4 },
        },
      },
      getWidth: 1.6,
      widthUnits: "pixels",
    });
  }
}

const INDEX = Object.fromEntries(KINDS.map((kind, i) => [kind, i])) as Record<Kind, number>;

/** Offset, place in the atlas and colour mode of every kind and age, as the icon shader reads them. */
function frames(): Float32Array {
  const mapping = iconMapping();
  const out = new Float32Array(KINDS.length * AGES.length * FRAME);
  KINDS.forEach((kind, k) =>
    AGES.forEach((age, a) => {
      const { x, y, width, height } = mapping[iconName(kind, age)];
      out.set([0, 0, x, y, width, height, 1], (k * AGES.length + a) * FRAME);
    }),
  );
  return out;
}

/** Colour of every kind, fresh then faded. */
function colours(palette: Palette): Uint8Array {
  const out = new Uint8Array(KINDS.length * 2 * 4);
  KINDS.forEach((kind, k) => {
    out.set(rgba(palette[COLOUR[kind]], FRESH_ALPHA), 8 * k);
    out.set(rgba(palette[COLOUR[kind]], FADED_ALPHA), 8 * k + 4);
  });
  return out;
}
