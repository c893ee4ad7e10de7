"use strict";
// Line charts: one uPlot for each script[data-chart].
(function () {
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const short = (value) => {
    if (value == null) { return "–"; }
    const size = Math.abs(value);
    if (size !== 0 && (size < 1e-3 || size >= 1e6)) { return value.toExponential(2); }
    return String(Number(value.toPrecision(5)));
  };

  const tick = (value) => {
    if (value == null) { return ""; }
    const size = Math.abs(value);
    return size !== 0 && (size < 1e-3 || size >= 1e6) ? String(value.toExponential()) : short(value);
  };

  function build(script) {
    const data = JSON.parse(script.textContent);
    const host = document.getElementById(script.dataset.chart);
    const buttons = host.parentElement.querySelectorAll("[data-axis]");
    let axis = 0, plot = null, marked = null;

    function marker(u) {
      if (marked === null || axis !== 0) { return; }
      const x = u.valToPos(marked, "x", true);
      const { ctx, bbox } = u;
      if (!(x >= bbox.left && x <= bbox.left + bbox.width)) { return; }
      ctx.save();
      ctx.strokeStyle = css("--soft");
      ctx.lineWidth = devicePixelRatio;
      ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
      ctx.beginPath(); ctx.moveTo(x, bbox.top); ctx.lineTo(x, bbox.top + bbox.height); ctx.stroke();
      ctx.restore();
    }

    function options() {
      const ink = css("--soft"), grid = css("--grid");
      const font = "12px " + getComputedStyle(document.body).fontFamily;
      const look = { stroke: ink, font, labelFont: font, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 } };
      const shown = [], bands = [];
      shown.push({ label: data.x[axis].label, value: (u, v) => short(v) });
      const of = new Map(data.lines.flatMap((line) => [line.column, ...(line.band || [])].map((c) => [c, line])));
      data.columns.forEach((column, index) => {
        const line = of.get(index), color = css("--c" + line.color);
        if (line.column !== index) {
          shown.push({ label: "", class: "hidden-band", stroke: "transparent", width: 0, points: { show: false } });
          return;
        }
        shown.push({
          label: line.label, stroke: color, width: line.points ? 0 : 1.75, dash: line.dashed ? [6, 4] : undefined,
          spanGaps: true, value: (u, v) => short(v),
          points: line.points ? { show: true, size: 5, fill: color, stroke: color } : { show: column.length < 2 },
        });
        if (line.band) { bands.push({ series: [line.band[1] + 1, line.band[0] + 1], fill: color + "2e" }); }
      });
      return {
        width: Math.max(host.clientWidth, 240), height: 270, series: shown, bands,
        scales: { x: { time: false }, y: data.log ? { distr: 3 } : data.yMax ? { range: [0, data.yMax] } : {} },
        axes: [
          { ...look, label: data.x[axis].label, labelSize: 20, size: 34 },
          { ...look, label: data.yLabel, labelSize: 20, size: 62, values: (u, ticks) => ticks.map(tick) },
        ],
        cursor: { drag: { x: true, y: false } },
        legend: { live: true },
        hooks: { draw: [marker] },
      };
    }

    function draw() {
      if (plot) { plot.destroy(); }
      plot = new uPlot(options(), [data.x[axis].values, ...data.columns], host);
      host.dataset.ready = "yes";
    }
    buttons.forEach((button) => button.addEventListener("click", () => {
      axis = Number(button.dataset.axis);
      buttons.forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
      draw();
    }));
    if (data.follows) {
      document.addEventListener("adiabat:time", (event) => {
        if (event.detail.name === data.follows) { marked = event.detail.time; plot.redraw(false); }
      });
    }
    document.addEventListener("adiabat:theme", draw);
    new ResizeObserver(() => {
      if (plot && Math.abs(plot.width - host.clientWidth) > 4) { plot.setSize({ width: Math.max(host.clientWidth, 240), height: 270 }); }
    }).observe(host);
    draw();
  }
  document.querySelectorAll("script[data-chart]").forEach(build);
})();
