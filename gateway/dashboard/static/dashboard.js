// What pages do beside being read: charts, light and dark, copying, notices.
//
// No state and no text of its own: what is shown was written by the server, in the page's language.
"use strict";

(() => {
  const one = (selector, within = document) => within.querySelector(selector);
  const all = (selector) => [...document.querySelectorAll(selector)];
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // Every change that a script sends carries the session's token.
  document.addEventListener("htmx:configRequest", (event) => {
    const token = one("meta[name=csrf]");
    if (token) event.detail.headers["x-csrf-token"] = token.content;
  });

  // ---- Charts

  const drawn = new Map();

  function colours() {
    return [1, 2, 3, 4, 5, 6, 7, 8].map((at) => style(`--series-${at}`));
  }

  function dataset(series, at, palette, all) {
    // A band has a colour of its own.
    const before = all.slice(0, at).filter((one) => one.kind === "bar" || one.kind === "line");
    const colour = palette[before.length % palette.length];
    const common = { label: series.name, data: series.heights, texts: series.texts };
    if (series.kind === "bar") {
      return { ...common, type: "bar", backgroundColor: colour, stack: "all", borderRadius: 2, maxBarThickness: 36 };
    }
    const band = series.kind === "low" || series.kind === "high";
    return {
      ...common,
      type: "line",
      borderColor: band ? "transparent" : colour,
      backgroundColor: style("--band"),
      // The upper edge is filled down to the lower one, which stands before it.
      fill: series.kind === "high" ? "-1" : false,
      borderWidth: 2,
      pointRadius: series.heights.length > 1 || band ? 0 : 4,
      pointHitRadius: 12,
      tension: 0.2,
    };
  }

  function options(said) {
    const muted = style("--muted");
    const bars = said.series.every((series) => series.kind === "bar");
    const quiet = { color: muted, font: { family: style("--font"), size: 11 } };
    return {
      responsive: true,
      maintainAspectRatio: false,
      animation: false,
      interaction: { mode: "index", intersect: false },
      scales: {
        x: { stacked: bars, grid: { display: false }, border: { color: style("--line") }, ticks: { ...quiet, maxRotation: 0, autoSkipPadding: 16 } },
        y: { stacked: bars, beginAtZero: bars, grid: { color: style("--line") }, border: { display: false }, ticks: { ...quiet, maxTicksLimit: 5 } },
      },
      plugins: {
        legend: {
          display: said.series.length > 1,
          position: "bottom",
          align: "start",
          // Of a band's two edges one stands for it.
          labels: { filter: (item) => said.series[item.datasetIndex].kind !== "low", color: style("--text"), boxWidth: 10, boxHeight: 10, useBorderRadius: true, borderRadius: 2, font: { family: style("--font"), size: 12 } },
        },
        tooltip: {
          backgroundColor: style("--tip"),
          titleColor: style("--tip-text"),
          bodyColor: style("--tip-text"),
          footerColor: style("--tip-text"),
          padding: 10,
          cornerRadius: 6,
          boxPadding: 4,
          filter: (item) => item.raw !== null && item.raw !== 0,
          itemSort: (a, b) => b.raw - a.raw,
          callbacks: {
            label: (item) => `${item.dataset.label}  ${item.dataset.texts[item.dataIndex]}`,
            footer: (items) => (items.length && said.totals[items[0].dataIndex]) || "",
          },
        },
      },
      onClick: (_event, items) => {
        const address = items.length && said.links[items[0].index];
        if (address) location.assign(address);
      },
      onHover: (event, items) => {
        event.native.target.classList.toggle("leads", Boolean(items.length && said.links.length));
      },
    };
  }

  function draw(figure) {
    const said = JSON.parse(figure.dataset.chart);
    const palette = colours();
    drawn.get(figure)?.destroy();
    const datasets = said.series.map((series, at, all) => dataset(series, at, palette, all));
    const chart = new Chart(one("canvas", figure), {
      data: { labels: said.places, datasets },
      options: options(said),
    });
    drawn.set(figure, chart);
  }

  // Those that are not drawn yet; `again` all, in other colours.
  function drawAll(again = false) {
    if (typeof Chart === "undefined") return;
    for (const [figure, chart] of drawn) {
      if (figure.isConnected) continue;
      chart.destroy();
      drawn.delete(figure);
    }
    all("[data-chart]").filter((figure) => again || !drawn.has(figure)).forEach(draw);
  }

  // ---- Light and dark

  function isDark() {
    const chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  }

  function switchTheme() {
    const theme = isDark() ? "light" : "dark";
    document.documentElement.dataset.theme = theme;
    one("meta[name=color-scheme]").content = theme;
    const secure = location.protocol === "https:" ? "; secure" : "";
    document.cookie = `maas_theme=${theme}; path=/; max-age=31536000; samesite=lax${secure}`;
    drawAll(true);
  }

  // ---- Copying

  async function copy(button) {
    const text = button.dataset.copies;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Without TLS browsers keep the clipboard from scripts: then it is selected, to be copied.
      const code = one("code", button.parentElement);
      if (code) getSelection().selectAllChildren(code);
      return;
    }
    button.classList.add("done");
    setTimeout(() => button.classList.remove("done"), 1500);
  }

  // ---- What is clicked

  document.addEventListener("click", (event) => {
    const target = event.target.closest("[data-theme-switch], [data-copies], [data-dismisses], [data-prints]");
    if (!target) return;
    if ("themeSwitch" in target.dataset) switchTheme();
    else if ("copies" in target.dataset) copy(target);
    else if ("prints" in target.dataset) print();
    else target.closest(".notice").remove();
  });

  // A choice that leads somewhere goes there at once; without scripts there is a button.
  document.addEventListener("change", (event) => {
    const form = event.target.closest("form[data-goes]");
    if (form) form.requestSubmit();
  });

  // Enter goes to the next field of a list of entries, Shift and Enter to the one before.
  document.addEventListener("keydown", (event) => {
    const entries = event.key === "Enter" && event.target.closest("[data-entries]");
    if (!entries) return;
    event.preventDefault();
    const fields = [...entries.querySelectorAll("input:not([type=hidden])")];
    const next = fields[fields.indexOf(event.target) + (event.shiftKey ? -1 : 1)];
    next?.focus();
    next?.select();
  });

  // After a form is sent with errors, focus its first invalid field.
  function focusFirstMistake(within = document) {
    one("[aria-invalid=true]", within)?.focus();
  }

  document.addEventListener("htmx:load", (event) => {
    drawAll();
    focusFirstMistake(event.detail.elt);
  });
  document.addEventListener("htmx:sendError", () => {
    one("#notices").replaceChildren(one("#offline").content.cloneNode(true));
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawAll(true));
  drawAll();
  focusFirstMistake();
})();
