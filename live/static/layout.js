// Fits any number of tiles into the board without scrolling, as large as they can be.

const ASPECT = 1.4;
const GAP_SHARE = 0.008;

/** Columns and rows for which the largest ASPECT box fits a cell; fewer empty cells where that is equal. */
export function bestGrid(count, width, height) {
  let best = { columns: 1, rows: 1, size: 0 };
  for (let columns = 1; columns <= count; columns += 1) {
    const rows = Math.ceil(count / columns);
    const size = Math.min(width / columns / ASPECT, height / rows) - columns * rows * 1e-6;
    if (size > best.size) best = { columns, rows, size };
  }
  return best;
}

/** Keeps a container's grid right whatever its size; returns what to call when the number of tiles changed. */
export function keepFitted(container) {
  const fit = () => {
    const { columns, rows } = bestGrid(container.children.length, container.clientWidth, container.clientHeight);
    const gap = Math.max(4, Math.min(14, container.clientHeight * GAP_SHARE * (10 / (rows + 4))));
    container.style.gap = `${gap}px`;
    container.style.setProperty("--columns", columns);
    container.style.setProperty("--rows", rows);
  };
  new ResizeObserver(fit).observe(container);
  return fit;
}

/** Tells CSS how wide a digit of the numeral font is, in em, so that three of them always fit. */
export function measureDigit() {
  const context = document.createElement("canvas").getContext("2d");
  const family = getComputedStyle(document.documentElement).getPropertyValue("--numerals");
  context.font = `700 100px ${family}`;
  document.documentElement.style.setProperty("--digit", String(context.measureText("0").width / 100));
}
