"use strict";
const find = (selector) => document.querySelector(selector);
const root = document.documentElement;

/* Light and dark: as the system says, until the reader chooses. */
const themeButton = find("#theme");
const system = matchMedia("(prefers-color-scheme: dark)");
const showTheme = (dark) => {
  root.classList.toggle("dark", dark);
  themeButton.textContent = dark ? "Light" : "Dark";
  themeButton.setAttribute("aria-label", `Change to ${dark ? "light" : "dark"} colours`);
};
let chosen = null;
try { chosen = localStorage.getItem("anodiff-theme"); } catch { /* no storage for this page */ }
showTheme(root.classList.contains("dark"));
themeButton.hidden = false;
system.addEventListener("change", () => { if (!chosen) showTheme(system.matches); });
themeButton.addEventListener("click", () => {
  chosen = root.classList.contains("dark") ? "light" : "dark";
  try { localStorage.setItem("anodiff-theme", chosen); } catch { /* it holds until the page is left */ }
  showTheme(chosen === "dark");
});

/* The list of contents is closed on a phone. */
const contents = find(".contents");
const narrow = matchMedia("(max-width: 62rem)");
const fold = () => { contents.open = !narrow.matches; };
fold();
narrow.addEventListener("change", fold);
contents.addEventListener("click", (event) => { if (narrow.matches && event.target.closest("a")) contents.open = false; });

/* Figures are gzipped SVG in base64; an unpacked one is kept. */
const unpacked = new Map();
const unpack = (id) => {
  if (!unpacked.has(id)) {
    unpacked.set(id, (async () => {
      const bytes = Uint8Array.from(atob(document.getElementById(id).textContent), (character) => character.charCodeAt(0));
      const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
      return URL.createObjectURL(new Blob([await new Response(stream).arrayBuffer()], { type: "image/svg+xml" }));
    })());
  }
  return unpacked.get(id);
};
const load = async (image) => {
  const id = image.dataset.packed;
  if (!id) return;
  delete image.dataset.packed;
  image.src = await unpack(id);
};
const near = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) { near.unobserve(entry.target); load(entry.target); }
}, { rootMargin: "1200px" });
document.querySelectorAll("main img[data-packed]").forEach((image) => near.observe(image));
/* The rest follows when the browser has time, so that a print has them all. */
const later = window.requestIdleCallback ?? ((work) => setTimeout(work, 500));
const loadRest = async () => {
  const image = find("main img[data-packed]");
  if (image) { await load(image); later(loadRest); }
};
addEventListener("load", () => later(loadRest));

/* A figure enlarged. */
const large = find("#large");
document.addEventListener("click", (event) => {
  const button = event.target.closest(".zoom");
  if (!button) return;
  const image = button.querySelector("img");
  find("#large-image").src = image.src;
  find("#large-image").alt = image.alt;
  find("#large-title").textContent = button.closest("figure").querySelector("h3, h4").textContent;
  large.showModal();
});
find("#large-close").addEventListener("click", () => large.close());

/* Tables: sorting, filters and pages by DataTables; a missing number comes last, either way. */
const number = (text) => (text === "-" || text === "" || text === null ? null : Number(text));
const ordered = (sign) => (a, b) => {
  const [x, y] = [number(a), number(b)];
  return x === null || y === null ? (x === null) - (y === null) : sign * (x - y);
};
DataTable.type("measured-num", { detect: () => false, order: { asc: ordered(1), desc: ordered(-1) }, className: "dt-type-numeric" });
const shown = (value) => {
  if (typeof value !== "number") return value ?? "";
  return Number.isInteger(value) && Math.abs(value) < 1e15 ? value.toLocaleString("en-GB") : String(Number(value.toPrecision(4)));
};
const brief = (value) => (Math.abs(value) >= 1000 ? Math.round(value).toLocaleString("en-GB") : value.toPrecision(3));
const rendered = (cell, how) => {
  const [value, low, high] = Array.isArray(cell) ? cell : [cell];
  if (how !== "display") return value ?? "-";
  return DataTable.util.escapeHtml(low === undefined ? shown(value) : `${brief(value)} [${brief(low)}, ${brief(high)}]`);
};
const filter = (kind) => [kind === "number" ? "searchDropdown" : { extend: "dropdown", icon: "search", iconActive: "searchActive", text: "Filter", content: [{ extend: "searchList", ajaxOnly: false, search: true }] }];
const options = (kinds) => ({
  autoWidth: false,
  columnDefs: kinds.map((kind, target) => ({ targets: target, columnControl: filter(kind), ...(kind === "number" ? { type: "measured-num" } : { type: "string" }) })),
  deferRender: true,
  language: { search: "Search", lengthMenu: "_MENU_ rows", info: "_START_–_END_ of _TOTAL_", infoFiltered: "(of _MAX_ in all)", infoEmpty: "none", zeroRecords: "No row passes the filters.", emptyTable: "No rows." },
  layout: { topStart: "search", topEnd: null, bottomStart: "info", bottomEnd: { paging: { type: "simple_numbers", buttons: 5 } } },
  lengthChange: false,
  order: [],
  pageLength: 25,
});
const runTable = new DataTable("#run-table", options([...document.querySelectorAll("#run-table thead th")].map((cell) => cell.dataset.kind)));
document.querySelectorAll("details.data").forEach((details) => details.addEventListener("toggle", () => {
  const kind = details.dataset.table;
  const place = document.getElementById(`table-${kind}`);
  if (!details.open || place.firstElementChild) return;
  const { columns, rows } = JSON.parse(document.getElementById(`data-${kind}`).textContent);
  const table = document.createElement("table");
  table.innerHTML = "<caption></caption><thead><tr></tr></thead>";
  table.caption.textContent = details.querySelector("summary").textContent;
  for (const column of columns) {
    const heading = Object.assign(document.createElement("th"), { scope: "col", title: column.meaning, textContent: column.title });
    table.tHead.rows[0].append(heading);
  }
  place.append(table);
  const settings = options(columns.map((column) => (column.numeric ? "number" : "text")));
  settings.columnDefs.push({ targets: "_all", render: rendered });
  new DataTable(table, { ...settings, data: rows });
}));

/* A run's sheet, opened by its name in the table, and by the address, so that a link leads there. */
const sheets = JSON.parse(find("#sheets").textContent);
const dialog = find("#run");
const element = (tag, text, attributes = {}) => Object.assign(document.createElement(tag), { textContent: text }, attributes);
const named = () => location.hash.startsWith("#run=") && decodeURIComponent(location.hash.slice(5));
const inOrder = () => runTable.rows({ search: "applied", order: "applied" }).nodes().toArray().map((row) => row.querySelector("[data-run]").dataset.run);
const showRun = (name) => {
  const sheet = sheets[name];
  find("#run-name").textContent = name;
  find("#run-facts").replaceChildren(...sheet.facts.map(([what, value]) => {
    const pair = document.createElement("div");
    pair.append(element("dt", what), element("dd", value));
    return pair;
  }));
  find("#run-windows tbody").replaceChildren(...sheet.windows.map((cells) => {
    const row = document.createElement("tr");
    row.append(...cells.map((text, column) => element(column ? "td" : "th", text, column ? {} : { scope: "row" })));
    return row;
  }));
  find("#run-without").hidden = sheet.figures.length > 0;
  find("#run-figures").replaceChildren(...sheet.figures.map(({ title, caption, link, data }) => {
    const figure = document.createElement("figure");
    const card = element("div", "", { className: "card" });
    const zoom = element("button", "", { type: "button", className: "zoom" });
    zoom.setAttribute("aria-label", `Enlarge: ${title}`);
    const image = element("img", "", { alt: `Figure: ${title}, of the run ${name}`, decoding: "async" });
    if (data) { image.dataset.packed = `packed-${data}`; load(image); } else image.src = link;
    zoom.append(image);
    card.append(zoom);
    figure.append(element("h4", title), card, element("figcaption", caption));
    return figure;
  }));
  if (!dialog.open) dialog.showModal();
  find("#run-name").focus();
  dialog.scrollTop = 0;
};
const follow = () => {
  const name = named();
  if (name && name in sheets) showRun(name);
  else if (dialog.open) dialog.close();
};
const step = (by) => {
  const runs = inOrder();
  const next = runs[runs.indexOf(named()) + by];
  if (next) location.replace(`#run=${encodeURIComponent(next)}`);
};
addEventListener("hashchange", follow);
find("#run-before").addEventListener("click", () => step(-1));
find("#run-after").addEventListener("click", () => step(1));
find("#run-close").addEventListener("click", () => dialog.close());
dialog.addEventListener("close", () => {
  const name = named();
  if (name) history.replaceState(null, "", location.pathname + location.search);
  [...document.querySelectorAll("[data-run]")].find((link) => link.dataset.run === name)?.focus();
});
follow();
