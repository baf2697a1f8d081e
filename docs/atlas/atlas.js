// The table of all architectures, with search, filters and an order; what it shows stands in the page itself.
addEventListener("DOMContentLoaded", () => {
  const choice = { headerFilter: "list", headerFilterParams: { valuesLookup: true, clearable: true, sort: "asc" } };
  const text = { headerFilter: "input" };
  const sizes = (a, b) => Number.parseInt(a) - Number.parseInt(b);
  const columns = [
    { title: "Architecture", field: "name", width: 230, frozen: true, ...text },
    { title: "Family", field: "family", width: 140, ...text },
    { title: "Input", field: "input", width: 95, sorter: sizes, ...text },
    { title: "Parameters, millions", field: "parameters", width: 120, hozAlign: "right", sorter: "number" },
    { title: "Plane", field: "plane", width: 130, sorter: sizes, ...choice, headerFilterFunc: "=" },
    { title: "Torus as published", field: "torus", width: 120, ...choice, headerFilterFunc: "=" },
    { title: "Nearest legal size", field: "legal", width: 120, sorter: sizes, ...text },
    { title: "Measured", field: "measured", width: 130, ...text },
    { title: "Last loss on the plane", field: "loss", minWidth: 360, formatter: "textarea", ...text },
  ];
  const count = document.getElementById("atlas-count");
  const table = new Tabulator("#atlas-table", {
    columns,
    layout: "fitDataFill",
    height: "36rem",
    initialSort: [{ column: "name", dir: "asc" }],
    columnDefaults: { headerTooltip: true, tooltip: true, headerWordWrap: true },
  });
  const search = document.getElementById("atlas-search");
  const contains = (row) => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const all = Object.values(row).join(" ").toLowerCase();
    return words.every((word) => all.includes(word));
  };
  search.addEventListener("input", () => table.setFilter(contains));
  table.on("dataFiltered", (filters, rows) => {
    count.textContent = `${rows.length} of ${table.getDataCount()} architectures`;
  });
  table.on("tableBuilt", () => {
    count.textContent = `${table.getDataCount()} of ${table.getDataCount()} architectures`;
    document.getElementById("atlas").dataset.ready = "yes";
  });
});
