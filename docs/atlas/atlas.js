// The table of all architectures, with search, filters and an order; what it shows stands in the page itself.
addEventListener("DOMContentLoaded", () => {
  const choice = { headerFilter: "list", headerFilterParams: { valuesLookup: true, clearable: true, sort: "asc" } };
  const text = { headerFilter: "input" };
  const sizes = (a, b) => Number.parseInt(a) - Number.parseInt(b);
  const columns = [
    { title: "Architecture", field: "name", width: 205, frozen: innerWidth > 700, ...text },
    { title: "Plane", field: "plane", width: 115, sorter: sizes, ...choice, headerFilterFunc: "=" },
    { title: "Input", field: "input", width: 85, sorter: sizes, ...text },
    { title: "Nearest legal size", field: "legal", width: 105, sorter: sizes, ...text },
    { title: "Flips at", field: "flips", width: 95, sorter: sizes, ...text },
    { title: "Measured", field: "measured", width: 120, ...text },
    { title: "Torus as published", field: "torus", width: 105, ...choice, headerFilterFunc: "=" },
    { title: "Parameters, millions", field: "parameters", width: 110, hozAlign: "right", sorter: "number" },
    { title: "Family", field: "family", width: 140, ...text },
    { title: "Last loss on the plane", field: "loss", width: 420, formatter: "textarea", ...text },
  ];
  for (const column of columns) {
    column.headerTooltip = document.querySelector(`#atlas-table th[data-field=${column.field}]`).title;
  }
  const count = document.getElementById("atlas-count");
  const table = new Tabulator("#atlas-table", {
    columns,
    height: "36rem",
    initialSort: [{ column: "name", dir: "asc" }],
    columnDefaults: { tooltip: true, headerWordWrap: true },
  });
  const search = document.getElementById("atlas-search");
  const contains = (row) => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const all = Object.values(row).join(" ").toLowerCase();
    return words.every((word) => all.includes(word));
  };
  search.addEventListener("input", () => table.setFilter(contains));
  table.on("dataFiltered", (filters, rows) => {
    count.textContent = `${rows.length} of the ${table.getDataCount()} architectures of this table`;
  });
  table.on("tableBuilt", () => {
    count.textContent = `${table.getDataCount()} architectures`;
    document.getElementById("atlas").dataset.ready = "yes";
  });
});
