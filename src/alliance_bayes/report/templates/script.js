/* Tables that can be sorted and saved as CSV. The page is whole without this script, and with it makes no request. */
(() => {
  "use strict";

  // A number at the start of a cell: "−1,234.5", "12%", "< 10", "about 40", "[−0.3, 0.9]"; not a version or a date.
  const DIGITS = "(?:\\d{1,3}(?:[,\\u00a0\\u2009\\u202f]\\d{3})+|\\d+)?(?:\\.\\d+)?(?:[eE][+\\-−]?\\d+)?";
  const LEADING = new RegExp(`^([<>≤≥]?)\\s*(?:about )?[\\[(]?\\s*([+\\-−]?(?:∞|(?=[\\d.])${DIGITS}))(?=$|[\\s%,;)\\]–])`, "u");
  const PLAIN = new RegExp(`^[+\\-−]?(?=[\\d.])${DIGITS}%?$`, "u");
  const MISSING = /^[\s–—-]*$/u;
  const WORDS = new Intl.Collator("en", { numeric: true });
  const NEXT = { none: "ascending", ascending: "descending", descending: "none" };

  const ascii = (number) => number.replace(/−/gu, "-").replace(/(?<=\d)[,\u00a0\u2009\u202f](?=\d{3})/gu, "");
  const rowsOf = (table) => [...table.tBodies[0].rows];
  const textOf = (row, column) => row.cells[column].textContent;

  /* What a cell is sorted by: its first number, and whether it says "less than" or "more than" that. */
  function numberOf(text) {
    const found = LEADING.exec(text.trim());
    if (!found) return null;
    const value = Number(ascii(found[2]).replace("∞", "Infinity"));
    return [value, "<≤".includes(found[1] || "?") ? -1 : ">≥".includes(found[1] || "?") ? 1 : 0];
  }

  function sorted(rows, column, direction) {
    const given = rows.map((row) => ({ row, text: textOf(row, column), number: numberOf(textOf(row, column)) }));
    const there = given.filter((item) => !MISSING.test(item.text));
    const numeric = 2 * there.filter((item) => item.number).length > there.length;
    // Numbers come before words, and what is missing last, whichever the direction.
    const rank = (item) => (MISSING.test(item.text) ? 2 : numeric && !item.number ? 1 : 0);
    const sign = direction === "descending" ? -1 : 1;
    return given
      .sort((a, b) => {
        if (rank(a) !== rank(b)) return rank(a) - rank(b);
        if (!numeric || rank(a)) return sign * WORDS.compare(a.text, b.text);
        // Infinities are compared, not subtracted.
        if (a.number[0] !== b.number[0]) return sign * (a.number[0] < b.number[0] ? -1 : 1);
        return sign * (a.number[1] - b.number[1]);
      })
      .map((item) => item.row);
  }

  function makeSortable(table, original) {
    const headings = [...table.tHead.rows[0].cells];
    headings.forEach((heading, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.append(...heading.childNodes);
      heading.append(button);
      button.addEventListener("click", () => {
        const direction = NEXT[heading.getAttribute("aria-sort") || "none"];
        headings.forEach((other) => other.removeAttribute("aria-sort"));
        if (direction !== "none") heading.setAttribute("aria-sort", direction);
        table.tBodies[0].append(...(direction === "none" ? original : sorted(original, column, direction)));
      });
    });
  }

  /* Numbers as programs read them; a spreadsheet must not take a label for a formula. */
  function field(text) {
    let value = text;
    if (PLAIN.test(value)) value = ascii(value);
    else if (/^\[.*\]$/u.test(value)) value = value.replace(/−/gu, "-");
    else if (/^\s*[=+\-@＝＋－＠]|^[\t\r\n]/u.test(value)) value = `'${value}`;
    return /[",;\r\n\t]|^\s|\s$/u.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
  }

  const csv = (headings, rows) =>
    [headings, ...rows].map((row) => `${[...row.cells].map((cell) => field(cell.textContent)).join(",")}\r\n`).join("");

  /* The first line holds the headings, so the caption goes into the file's name. */
  function fileName(table, caption) {
    const words = caption.normalize("NFKC").replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/gu, "");
    return `${table.id.replace(/-all$/u, "")}-${[...words].slice(0, 80).join("")}.csv`;
  }

  function save(name, text) {
    const link = document.createElement("a");
    // Excel takes a file for UTF-8 only when it begins with this mark.
    link.href = URL.createObjectURL(new Blob(["\ufeff", text], { type: "text/csv;charset=utf-8" }));
    link.download = name;
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  }

  function makeSavable(table, whole, original) {
    const caption = document.getElementById(`${table.id}-name`);
    const button = document.createElement("button");
    button.type = "button";
    button.className = "save";
    button.textContent = whole === table ? "Download CSV" : `Download CSV (${original.length} rows)`;
    button.setAttribute("aria-describedby", caption.id);
    button.addEventListener("click", () =>
      save(fileName(table, caption.textContent), csv(whole.tHead.rows[0], original)));
    table.closest(".scroll").after(button);
  }

  const tables = [...document.querySelectorAll("main table[id]")];
  const originals = new Map(tables.map((table) => [table, rowsOf(table)]));
  for (const table of tables) {
    // A table that shows some of its rows is saved with all of them.
    const whole = document.getElementById(`${table.id}-all`) || table;
    if (originals.get(table).length > 1) makeSortable(table, originals.get(table));
    makeSavable(table, whole, originals.get(whole));
  }

  // A box is a stop for the keyboard, and a landmark, only while there is something to scroll in it.
  const watch = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const wide = target.scrollWidth > target.clientWidth + 1;
      target.setAttribute("role", wide ? "region" : "group");
      if (wide) target.tabIndex = 0;
      else target.removeAttribute("tabindex");
    }
  });
  document.querySelectorAll(".scroll").forEach((box) => watch.observe(box));

  // Browsers that cannot open details by style alone print what is in them all the same.
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open], .much, .data)")];
    opened.forEach((box) => { box.open = true; });
  });
  addEventListener("afterprint", () => opened.forEach((box) => { box.open = false; }));
})();
