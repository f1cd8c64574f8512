// The picture of a run: size against speed, one point for each attempt, the bounds as lines.

import { svg } from "./dom.js";

const WIDTH = 480, HEIGHT = 300, LEFT = 52, RIGHT = 26, TOP = 28, BOTTOM = 44;

/** Return round marks that cover `values` from zero. */
function marks(values) {
  const most = Math.max(...values, 1) * 1.12;
  const raw = most / 5, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((each) => each >= raw * 0.999);
  const count = Math.ceil(most / step - 1e-9);
  return Array.from({ length: count + 1 }, (_, index) => index * step);
}

const short = (value) => String(Number(value.toPrecision(3)));

/** Return a bound's place on its axis: as it is, or as a share of what the original has; nothing while that is unknown. */
function place(line, original) {
  if (line.at !== undefined) return line.at;
  if (line.bytes !== undefined) return original.bytes ? line.bytes / original.bytes : null;
  return original.p50 ? original.p50 / line.p50_ms : null;
}

/** Return a picture of attempts (`x` share of the size, `y` speed) with the lines of the bounds. */
export function scatter(attempts, limits, original) {
  const points = [{ name: "original", kind: "original", x: 1, y: 1 }];
  for (const each of attempts) {
    if (each.x !== null && each.y !== null) points.push({ name: String(each.index), kind: each.kind, x: each.x, y: each.y });
  }
  const bounds = limits.lines.map((line) => ({ ...line, at: place(line, original) })).filter((line) => line.at !== null);
  const xs = marks([...points.map((p) => p.x), ...bounds.filter((b) => b.axis === "x").map((b) => b.at)]);
  const ys = marks([...points.map((p) => p.y), ...bounds.filter((b) => b.axis === "y").map((b) => b.at)]);
  const x = (value) => LEFT + (value / xs.at(-1)) * (WIDTH - LEFT - RIGHT);
  const y = (value) => HEIGHT - BOTTOM - (value / ys.at(-1)) * (HEIGHT - BOTTOM - TOP);
  const words = `Size against speed: ${points.length - 1} attempts measured so far. The table below holds the figures.`;
  return svg(
    "svg",
    { class: "scatter", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": words },
    allowed(bounds, x, y),
    xs.map((value) => [
      svg("line", { class: "grid", x1: x(value), x2: x(value), y1: TOP, y2: HEIGHT - BOTTOM }),
      svg("text", { x: x(value), y: HEIGHT - BOTTOM + 16, "text-anchor": "middle" }, `${short(value * 100)} %`),
    ]),
    ys.map((value) => [
      svg("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value) }),
      svg("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, `${short(value)}×`),
    ]),
    svg("text", { x: WIDTH - RIGHT, y: HEIGHT - 6, "text-anchor": "end" }, "size, share of the original (less is better)"),
    svg("text", { x: LEFT - 44, y: 14 }, "speed against the original (more is better)"),
    bounds.map((bound) => drawnBound(bound, x, y)),
    points.map((point) => drawnPoint(point, x, y)),
  );
}

/** Return what the bounds leave, as an area. */
function allowed(bounds, x, y) {
  if (!bounds.length) return null;
  const right = Math.min(WIDTH - RIGHT, ...bounds.filter((b) => b.axis === "x").map((b) => x(b.at)));
  const bottom = Math.min(HEIGHT - BOTTOM, ...bounds.filter((b) => b.axis === "y").map((b) => y(b.at)));
  return svg("rect", { class: "allowed", x: LEFT, y: TOP, width: Math.max(0, right - LEFT), height: Math.max(0, bottom - TOP) });
}

function drawnBound(bound, x, y) {
  const upright = bound.axis === "x", at = upright ? x(bound.at) : y(bound.at);
  const ends = upright ? { x1: at, x2: at, y1: TOP, y2: HEIGHT - BOTTOM } : { x1: LEFT, x2: WIDTH - RIGHT, y1: at, y2: at };
  const left = upright && at > WIDTH / 2;
  const words = upright
    ? { x: at + (left ? -5 : 5), y: HEIGHT - BOTTOM - 6, "text-anchor": left ? "end" : "start" }
    : { x: LEFT + 5, y: at - 5 };
  return [svg("line", { class: "bound", ...ends }), svg("text", { class: "bound-text", ...words }, bound.text)];
}

const SHAPES = {
  met: (x, y) => svg("circle", { cx: x, cy: y, r: 7 }),
  original: (x, y) => svg("rect", { x: x - 6, y: y - 6, width: 12, height: 12 }),
};
const diamond = (x, y) => svg("path", { d: `M${x} ${y - 8}L${x + 8} ${y}L${x} ${y + 8}L${x - 8} ${y}Z` });

/** Return a point; its shape says what its colour says. */
function drawnPoint(point, x, y) {
  const at = [x(point.x), y(point.y)];
  const shape = (SHAPES[point.kind] || diamond)(...at);
  shape.setAttribute("class", `point ${point.kind}`);
  const end = at[0] > WIDTH - 80;
  const words = { class: "name", x: at[0] + (end ? -11 : 11), y: at[1] - 8, "text-anchor": end ? "end" : "start" };
  return [shape, svg("text", words, point.name)];
}
