import { describe, expect, it } from "vitest";
import { PD_STEPS, pdColour } from "../src/map/detection";
import { PALETTES, contrast, palettes, type Palette } from "../src/palettes";

type Key = keyof Palette;
const TEXT = 4.5; // WCAG 2.2, 1.4.3 contrast (minimum)
const MARK = 3; // WCAG 2.2, 1.4.11 non-text contrast

describe.each(PALETTES)("palette %s", (name) => {
  const p = palettes[name];
  it.each<[Key, Key]>([
    ...(["text", "quiet", "action", "alarm", "warning", "caution", "info", "good", "partner", "dark"] as Key[]).flatMap(
      (fore): [Key, Key][] => (["ground", "raised", "hover"] as Key[]).map((back) => [fore, back]),
    ),
    ["onAction", "action"],
    ["onBanner", "banner"],
    ["onMode", "mode"],
    ["label", "sea"],
    ["label", "land"],
  ])("%s on %s can be read", (fore, back) => {
    expect(contrast(p[fore], p[back])).toBeGreaterThanOrEqual(TEXT);
  });
  it.each<[Key, Key]>(
    (
      ["ship", "dark", "radar", "image", "partner", "doubtful", "selected", "alarm", "warning", "caution", "placeText"] as Key[]
    ).flatMap((fore): [Key, Key][] => (["sea", "land"] as Key[]).map((back) => [fore, back])),
  )("%s can be seen on %s", (fore, back) => {
    expect(contrast(p[fore], p[back])).toBeGreaterThanOrEqual(MARK);
  });
  it.each([...PD_STEPS.keys()])("ships can be seen on class %i of Pd", (step) => {
    const ground = pdColour(p, step);
    for (const fore of ["ship", "dark", "radar", "image", "partner", "doubtful", "selected", "alarm", "warning", "caution"] as Key[]) {
      expect(contrast(p[fore], ground), fore).toBeGreaterThanOrEqual(MARK);
    }
  });
  it("tells the classes of Pd from one another and from the bare sea", () => {
    const grounds = [p.sea, ...PD_STEPS.map((_, step) => pdColour(p, step))];
    for (let k = 1; k < grounds.length; k++) expect(contrast(grounds[k], grounds[k - 1])).toBeGreaterThan(1.05);
  });
  it("tells focus from ground", () => {
    expect(contrast(p.focus, p.ground)).toBeGreaterThanOrEqual(MARK);
  });
});

describe("contrast", () => {
  it("is 21 for black on white and 1 for a colour on itself", () => {
    expect(contrast("#000000", "#ffffff")).toBeCloseTo(21, 5);
    expect(contrast("#123456", "#123456")).toBe(1);
  });
});
