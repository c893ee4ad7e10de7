"use strict";
// Structures in 3D: one 3Dmol viewer for each script[data-viewer].
(function () {
  const BOND_SCALE = 1.25, FRAMES_PER_SECOND = 20;

  function unpack(packed) {
    const bytes = Uint8Array.from(atob(packed.data), (c) => c.charCodeAt(0));
    return Float32Array.from(new Int16Array(bytes.buffer), (v) => v * packed.unit);
  }
  const color = (fraction) => {
    const stops = [[201, 211, 221], [240, 180, 41], [214, 54, 43]];
    const x = Math.min(Math.max(fraction, 0), 1) * 2, k = Math.min(Math.floor(x), 1);
    return stops[k].reduce((sum, a, c) => sum * 256 + Math.round(a + (stops[k + 1][c] - a) * (x - k)), 0);
  };

  // Bonds by distance in every frame, so that a reaction shows; never between two metals.
  function bonded(elements, x) {
    const { symbols, radii, metals } = elements, found = symbols.map(() => []);
    if (symbols.length > 2000) { return found; }
    for (let i = 0; i < symbols.length; i++) {
      for (let j = 0; j < i; j++) {
        if (metals.includes(symbols[i]) && metals.includes(symbols[j])) { continue; }
        const reach = BOND_SCALE * (radii[symbols[i]] + radii[symbols[j]]);
        const dx = x[3 * i] - x[3 * j], dy = x[3 * i + 1] - x[3 * j + 1], dz = x[3 * i + 2] - x[3 * j + 2];
        if (dx * dx + dy * dy + dz * dz < reach * reach) { found[i].push(j); found[j].push(i); }
      }
    }
    return found;
  }

  function box(viewer, cell, ink) {
    const corner = (i, j, k) => {
      const at = [0, 1, 2].map((c) => i * cell[0][c] + j * cell[1][c] + k * cell[2][c]);
      return { x: at[0], y: at[1], z: at[2] };
    };
    for (const a of [0, 1]) {
      for (const b of [0, 1]) {
        for (const [from, to] of [[[0, a, b], [1, a, b]], [[a, 0, b], [a, 1, b]], [[a, b, 0], [a, b, 1]]]) {
          viewer.addLine({ start: corner(...from), end: corner(...to), color: ink });
        }
      }
    }
  }

  function arrows(viewer, x, forces, scale, radius, paint, opacity) {
    for (let i = 0; i < x.length; i += 3) {
      const f = [forces[i] * scale, forces[i + 1] * scale, forces[i + 2] * scale];
      if (Math.hypot(...f) < 0.08) { continue; }
      viewer.addArrow({
        start: { x: x[i], y: x[i + 1], z: x[i + 2] }, end: { x: x[i] + f[0], y: x[i + 1] + f[1], z: x[i + 2] + f[2] },
        radius, radiusRatio: 2.2, mid: 0.78, color: paint, opacity,
      });
    }
  }

  function build(script) {
    const data = JSON.parse(script.textContent), host = document.getElementById(script.dataset.viewer);
    const part = (role) => host.querySelector(`[data-role="${role}"]`);
    const canvas = host.querySelector(".canvas");
    const rows = host.parentElement.querySelectorAll("tbody tr");
    let viewer = null, current = 0, timer = null, elements = null;
    data.frames.forEach((frame) => {
      elements = frame.symbols ? { symbols: frame.symbols, radii: frame.radii, metals: frame.metals } : elements;
      frame.elements = elements;
      for (const key of ["positions", "reference", "predicted", "values"]) { if (frame[key]) { frame[key] = unpack(frame[key]); } }
    });
    try {
      viewer = $3Dmol.createViewer(canvas, { backgroundAlpha: 0, disableFog: true, antialias: true });
    } catch (error) { viewer = null; }
    if (!viewer) {
      canvas.innerHTML = '<p class="note">The 3D view needs WebGL, which this browser does not offer.</p>';
      return;
    }

    function draw(zoom) {
      const frame = data.frames[current], x = frame.positions, symbols = frame.elements.symbols;
      const bonds = bonded(frame.elements, x);
      const atoms = symbols.map((elem, i) => ({
        elem, x: x[3 * i], y: x[3 * i + 1], z: x[3 * i + 2], serial: i, index: i, hetflag: true,
        bonds: bonds[i], bondOrder: bonds[i].map(() => 1),
      }));
      viewer.removeAllModels(); viewer.removeAllShapes();
      const model = viewer.addModel();
      model.addAtoms(atoms);
      const painted = frame.values && part("color") && part("color").checked;
      const top = painted ? Math.max(...frame.values) || 1 : 1;
      const scheme = painted ? { colorfunc: (atom) => color(frame.values[atom.index] / top) } : { colorscheme: "Jmol" };
      const lone = symbols.length > 2000 || symbols.every((s) => frame.elements.metals.includes(s));
      model.setStyle({}, { stick: { radius: 0.11, ...scheme }, sphere: { scale: lone ? 0.45 : 0.24, ...scheme } });
      if (painted) { part("high").textContent = String(Number(top.toPrecision(3))); }
      if (frame.cell) { box(viewer, frame.cell, getComputedStyle(document.documentElement).getPropertyValue("--soft").trim()); }
      if (frame.reference && part("forces") && part("forces").checked) {
        const longest = Math.max(...frame.reference.map(Math.abs), ...frame.predicted.map(Math.abs), 1e-6);
        arrows(viewer, x, frame.reference, 1.4 / longest, 0.085, "#8593a1", 0.5);
        arrows(viewer, x, frame.predicted, 1.4 / longest, 0.045, "#2f7de0", 1.0);
      }
      if (zoom) { viewer.zoomTo(); viewer.zoom(frame.cell ? 0.9 : 1.0); }
      viewer.render();
    }
    function show(index, zoom) {
      current = index;
      draw(zoom);
      part("label").textContent = data.frames[index].label;
      if (part("slider")) { part("slider").value = String(index); }
      rows.forEach((row, number) => row.classList.toggle("current", number === index));
      if (data.times) {
        document.dispatchEvent(new CustomEvent("adiabat:time", { detail: { name: data.name, time: data.times[index] } }));
      }
    }
    function pause() { clearInterval(timer); timer = null; part("play").textContent = "▶"; }

    if (part("slider")) { part("slider").addEventListener("input", (event) => show(Number(event.target.value), !data.play)); }
    ["color", "forces"].forEach((role) => part(role) && part(role).addEventListener("change", () => draw(false)));
    if (part("play")) {
      part("play").addEventListener("click", () => {
        if (timer) { pause(); return; }
        part("play").textContent = "❚❚";
        timer = setInterval(() => show((current + 1) % data.frames.length, false), 1000 / FRAMES_PER_SECOND);
      });
    }
    rows.forEach((row, number) => {
      row.dataset.frame = String(number);
      row.tabIndex = 0;
      row.addEventListener("click", () => show(number, true));
      row.addEventListener("keydown", (event) => { if (event.key === "Enter") { show(number, true); } });
    });
    document.addEventListener("adiabat:theme", () => draw(false));
    new ResizeObserver(() => { viewer.resize(); viewer.render(); }).observe(canvas);
    show(0, true);
    host.dataset.ready = "yes";
  }
  document.querySelectorAll("script[data-viewer]").forEach(build);
})();
