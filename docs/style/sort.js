// Tables with many rows are sorted by a click on the head of a column, and the other way around by a second one.
addEventListener("DOMContentLoaded", () => {
  const many = 8;
  const { compare } = new Intl.Collator("en", { numeric: true });
  // 10,000 and −0.5 ± 0.1 and 3e-07 are numbers; 2Z × 2Z and 3-D are not.
  const number = /^[-+−]?\d[\d,]*(\.\d+)?(e[-+]?\d+)?(?![\w.-])/;
  const valueOf = (text) => Number(number.exec(text)[0].replaceAll(",", "").replace("−", "-"));
  const isBlank = (text) => text === "" || text === "–";

  const textsOf = (rows, column) => rows.map((row) => row.cells[column]?.innerText.trim() ?? "");

  /** An order of texts in which numbers are less than words and blanks are last, whatever the direction. */
  const orderOf = (texts, sign) => {
    const filled = texts.filter((text) => !isBlank(text));
    const counted = filled.filter((text) => number.test(text)).length > filled.length / 2;
    const rank = (text) => (isBlank(text) ? 2 : counted && !number.test(text) ? 1 : 0);
    return (a, b) => {
      if (rank(a) !== rank(b)) return rank(a) - rank(b);
      const difference = counted && rank(a) === 0 ? valueOf(a) - valueOf(b) : 0;
      return sign * (difference || compare(a, b));
    };
  };

  /** A blank at the start of a row stands for what is above it, which may soon be elsewhere. */
  const fillFirstColumn = (rows) => {
    let above = rows[0].cells[0];
    for (const row of rows) {
      if (row.cells[0].innerText.trim() === "") row.cells[0].innerHTML = above.innerHTML;
      above = row.cells[0];
    }
  };

  const sort = (table, column) => {
    const body = table.tBodies[0];
    const heads = [...table.tHead.rows[0].cells];
    const direction = heads[column].ariaSort === "ascending" ? "descending" : "ascending";
    for (const head of heads) head.ariaSort = null;
    heads[column].ariaSort = direction;
    const rows = [...body.rows];
    fillFirstColumn(rows);
    const texts = new Map(rows.map((row, i) => [row, textsOf(rows, column)[i]]));
    const order = orderOf([...texts.values()], direction === "ascending" ? 1 : -1);
    body.append(...rows.sort((a, b) => order(texts.get(a), texts.get(b))));
  };

  for (const table of document.querySelectorAll(".table-wrapper table")) {
    if (!table.tHead || !(table.tBodies[0]?.rows.length >= many)) continue;
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      if (head.innerText.trim() === "") return;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.title = "Sort by this column";
      const place = head.querySelector("p") ?? head;
      button.append(...place.childNodes);
      place.append(button);
      button.addEventListener("click", () => sort(table, column));
    });
  }
});
