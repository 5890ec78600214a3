// The catalogue in use: search, order, comparing, copying, colours. A plain script: it also runs from a folder on disk.

{
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const one = (selector) => document.querySelector(selector);

  // --- Colours --------------------------------------------------------------------------------------------------

  const colours = one("#colours");
  const dark = () => document.body.classList.contains("dark");
  const showColours = () => colours.setAttribute("aria-pressed", String(dark()));
  colours.hidden = false;
  colours.addEventListener("click", () => {
    document.body.classList.toggle("dark");
    try {
      localStorage.setItem("e2gan-colours", dark() ? "dark" : "light");
    } catch {} // storage is not allowed: until the page is left
    showColours();
  });
  showColours();

  // --- Before and after -----------------------------------------------------------------------------------------

  for (const input of all(".compared input")) {
    const compare = () => {
      input.parentElement.style.setProperty("--split", `${input.value}%`);
      input.setAttribute("aria-valuetext", `${input.value} % before`);
    };
    input.addEventListener("input", compare);
    compare(); // a browser may have kept another value
  }

  const examples = one(".hero-choice");
  if (examples) {
    examples.hidden = false;
    const buttons = all("button", examples);
    for (const button of buttons) {
      button.addEventListener("click", () => {
        for (const each of buttons) {
          const chosen = each === button;
          each.setAttribute("aria-pressed", String(chosen));
          document.getElementById(each.dataset.shows).hidden = !chosen;
        }
      });
    }
  }

  // --- Copying --------------------------------------------------------------------------------------------------

  if (navigator.clipboard) {
    for (const button of all(".copy")) {
      button.hidden = false;
      button.addEventListener("click", async () => {
        const worked = await navigator.clipboard.writeText(button.previousElementSibling.textContent).then(() => true, () => false);
        button.textContent = worked ? "Copied" : "Not allowed";
        setTimeout(() => (button.textContent = "Copy"), 1500);
      });
    }
  }

  // --- Finding --------------------------------------------------------------------------------------------------

  const form = one(".finding");
  if (form) {
    const place = one("#tiles"), tiles = all(".tile", place);
    const [search, order, found] = ["#search", "#order", "#found"].map(one);
    const orders = {
      "": () => 0,
      title: (a, b) => a.dataset.title.localeCompare(b.dataset.title),
      close: (a, b) => b.dataset.close - a.dataset.close,
    };
    const filter = () => {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      let matches = 0;
      for (const tile of tiles) {
        tile.hidden = !words.every((word) => tile.dataset.words.includes(word));
        matches += !tile.hidden;
      }
      place.classList.toggle("searching", words.length > 0);
      if (!words.length) found.textContent = "";
      else if (matches) found.textContent = `${matches} of ${tiles.length} concepts`;
      else found.textContent = `No concept matches “${search.value.trim()}”.`;
    };
    const keep = () => {
      const wish = new URLSearchParams();
      if (search.value.trim()) wish.set("q", search.value.trim());
      if (order.value) wish.set("order", order.value);
      try {
        history.replaceState(null, "", `${location.pathname}${wish.size ? `?${wish}` : ""}${location.hash}`);
      } catch {} // a page from a folder has no address of its own
    };
    const sort = () => place.append(...[...tiles].sort(orders[order.value]));
    const wish = new URLSearchParams(location.search);
    search.value = wish.get("q") ?? "";
    order.value = wish.get("order") in orders ? wish.get("order") : "";
    form.hidden = false;
    form.addEventListener("submit", (event) => event.preventDefault());
    search.addEventListener("input", () => {
      filter();
      keep();
    });
    order.addEventListener("change", () => {
      sort();
      keep();
    });
    filter();
    sort();
  }
}
