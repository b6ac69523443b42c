import { describe, expect, it } from "vitest";
import { FLAG, SENSOR } from "../src/api/wire";
import { ageOf, AGES, iconMapping, iconName, KINDS, kindOf, LOST_US, RINGS, STALE_US } from "../src/layers/symbols";

describe("kindOf", () => {
  it.each([
    ["ais", SENSOR.ais, 0, 0, true],
    ["still", SENSOR.ais, 0, 0, false],
    ["fused", SENSOR.ais | SENSOR.radar, 0, 0, true],
    ["fused", SENSOR.ais | SENSOR.image, 0, 0, false],
    ["radar", SENSOR.radar, 0, 0, true],
    ["radar", SENSOR.radar | SENSOR.image, 0, 0, true],
    ["image", SENSOR.image, 0, 0, false],
    ["vms", SENSOR.vms, 0, 0, true],
    ["human", SENSOR.human, 0, 0, false],
    ["partner", SENSOR.partner, 0, 0, true],
    ["ais", SENSOR.partner | SENSOR.ais, 0, 0, true],
    ["partner", 0, 0, 0, true],
    ["dark", SENSOR.radar, FLAG.dark, 0, true],
    ["doubtful", SENSOR.ais, FLAG.conflict, 0, true],
    ["doubtful", SENSOR.ais, FLAG.drag, 0, true],
    ["doubtful", SENSOR.ais, FLAG.uncorroborated, 0, true],
    ["dark", SENSOR.radar, FLAG.dark | FLAG.conflict, 0, true],
    ["darkcell", SENSOR.radar, FLAG.dark, 11_119, true], // a cell is never drawn as a position
    ["blurred", SENSOR.ais, FLAG.conflict, 11_119, true],
  ] as const)("%s", (kind, sensors, flags, grid, turns) => {
    expect(kindOf(sensors, flags, grid, turns)).toBe(kind);
  });
});

describe("ageOf", () => {
  it("goes fresh, stale, lost", () => {
    expect(ageOf(1, 0)).toBe("fresh");
    expect(ageOf(1, STALE_US + 1)).toBe("stale");
    expect(ageOf(1, LOST_US + 1)).toBe("lost");
    expect(ageOf(2, 0)).toBe("lost");
  });
});

describe("iconMapping", () => {
  it("has a cell of its own for every kind, age and ring", () => {
    const mapping = iconMapping();
    const names = [...KINDS.flatMap((k) => AGES.map((a) => iconName(k, a))), ...RINGS];
    expect(Object.keys(mapping).sort()).toEqual([...names].sort());
    const cells = new Set(Object.values(mapping).map((m) => `${m.x},${m.y}`));
    expect(cells.size).toBe(names.length);
  });
});
