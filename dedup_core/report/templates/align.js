"use strict";
// Where two pictures lie that a transform lays on each other, in shares of a stage that shows both whole.
// The transform takes pixels of the second one to pixels of the first, row by row.
const aligned = (first, second, [a, b, x, c, d, y]) => {
  const rectangle = ({ width, height }) => [[0, 0], [width, 0], [width, height], [0, height]];
  const laid = rectangle(second).map(([h, v]) => [a * h + b * v + x, c * h + d * v + y]);
  const span = (axis) => {
    const values = [...rectangle(first), ...laid].map((point) => point[axis]);
    return [Math.min(...values), Math.max(...values)];
  };
  const [[left, right], [top, bottom]] = [span(0), span(1)];
  const [width, height] = [right - left, bottom - top];

  // Of a polygon, what lies on one side of a line that is upright or level.
  function cut(points, axis, at, side) {
    return points.flatMap((point, index) => {
      const next = points[(index + 1) % points.length];
      const [here, there] = [point, next].map((each) => side * (each[axis] - at));
      const kept = here >= 0 ? [point] : [];
      if ((here >= 0) === (there >= 0)) return kept;
      const share = here / (here - there);
      return [...kept, point.map((value, each) => value + share * (next[each] - value))];
    });
  }

  const edges = [[0, 0, 1], [0, first.width, -1], [1, 0, 1], [1, first.height, -1]];
  const overlap = edges.reduce((points, [axis, at, side]) => cut(points, axis, at, side), laid);
  const percent = (value) => `${100 * value}%`;
  const box = (size) => ({
    left: percent(-left / width), top: percent(-top / height),
    width: percent(size.width / width), height: percent(size.height / height),
  });
  // Percent of a move are those of the picture that moves: they hold for a stage of any size.
  const move = `translate(${percent(x / second.width)}, ${percent(y / second.height)})`;
  return {
    ratio: width / height,
    styles: [box(first), { ...box(second), transform: `${move} matrix(${[a, c, b, d, 0, 0]})` }],
    overlap: overlap.map(([h, v]) => [(h - left) / width, (v - top) / height]),
    // A place in shares of the first picture, in shares of the stage.
    within: ([l, t, r, b]) => [
      (l * first.width - left) / width, (t * first.height - top) / height,
      (r * first.width - left) / width, (b * first.height - top) / height,
    ],
  };
};
