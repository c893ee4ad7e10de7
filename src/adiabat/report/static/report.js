"use strict";
// A browser may say a language that it does not know itself (en-US@posix): charts were not drawn then.
try { new Intl.NumberFormat(navigator.language); }
catch { Object.defineProperty(navigator, "language", { value: "en-US", configurable: true }); }
// Theme: the browser's own unless the reader presses the button. Charts and viewers redraw on "adiabat:theme".
(function () {
  const root = document.documentElement;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const announce = () => document.dispatchEvent(new CustomEvent("adiabat:theme"));
  document.getElementById("theme").addEventListener("click", () => {
    const now = root.dataset.theme || (dark.matches ? "dark" : "light");
    root.dataset.theme = now === "dark" ? "light" : "dark";
    announce();
  });
  dark.addEventListener("change", announce);
  // Paper is white: print in the light theme, whatever is on the screen.
  let before;
  window.addEventListener("beforeprint", () => { before = root.dataset.theme; root.dataset.theme = "light"; announce(); });
  window.addEventListener("afterprint", () => {
    if (before) { root.dataset.theme = before; } else { delete root.dataset.theme; }
    announce();
  });
})();
